"""How sure a table's numbers are: intervals, survival curves, tests; no log is read here."""
