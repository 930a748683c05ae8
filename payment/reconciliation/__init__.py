"""Compares PhonePe's accounts with ours, and repairs what can be repaired safely.

discrepancies      one discrepancy, with its ids and what to do about it
status_checks      polls PhonePe about all orders and refunds of a day, with limits
comparison         PhonePe's answers beside our rows
own_rows           contradictions among our own rows, found without PhonePe
repairs            what --fix does about a discrepancy
table              a CSV export, read row by row
settlement         PhonePe's settlement report, read from such a table
settlement_rows    the settlement report beside our rows; fees go into the ledger
report             the result as text, JSON or CSV
runs               one comparison of a day, by command or by night
invariants         sentences about the ledger that must hold at every moment
simulator_account  the account of the simulated PhonePe beside our ledger
days               a day in our time zone
"""
