"""Whatever happens, in whatever order, and wherever our process dies.

Three things vary: the database, PhonePe's generation, and how many workers there are. Each pair of them is met by:

    database     generation   workers   where
    SQLite       V1, V2       1         test_anything, test_any_order, test_any_moment
    PostgreSQL   V1, V2       1         the same
    PostgreSQL   V1, V2       3         test_together, races/test_races.py (2 processes), torture
    SQLite       V1, V2       3         test_together: its writers take turns; an installation on SQLite runs one

`make test` runs all of it on both databases. test_any_moment tells each scenario in one generation on SQLite and in the
other on PostgreSQL. HYPOTHESIS_PROFILE=deep tells every scenario in both, kills before each boundary too, and deals 500
other lives.
"""
