"""Compares PhonePe's books with ours, and repairs what can be repaired safely.

findings           one difference, with its ids and what to do about it
status_checks      polls PhonePe about all orders and refunds of a day, with limits
comparison         PhonePe's answers beside our rows
own_rows           what our own rows contradict without PhonePe
repairs            what --fix does about a difference
table              a CSV export, read row by row
settlement         PhonePe's settlement report, read from such a table
settlement_rows    the settlement report beside our rows; fees go into the ledger
report             the result as text, JSON or CSV
runs               one comparison of a day, by command or by night
invariants         what the ledger must say at every moment
simulator_account  the account of the simulated PhonePe beside our ledger
days               a day in our time zone
"""
