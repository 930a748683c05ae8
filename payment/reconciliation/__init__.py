"""PhonePe's books against ours: what differs, and what mends it safely.

findings     one difference, with its ids and what to do about it
questions    asking PhonePe about a day, within bounds
comparing    what PhonePe says and our rows, side by side
standing     what our own rows say without asking anybody
table        a CSV export: its header and its rows, whatever spreadsheets have made of it
settlement   PhonePe's settlement report, read from such a table
settled      the settlement report and our rows, side by side; fees into the ledger
report       all of it as text, JSON or CSV
runs         one comparison of a day; the nightly one
laws         what the ledger must say at every moment
account      what the simulated PhonePe's own account says beside it
days         a day as people here mean it
"""
