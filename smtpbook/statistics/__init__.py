"""How sure a table's numbers are: intervals, survival, tests; no log is read here."""
