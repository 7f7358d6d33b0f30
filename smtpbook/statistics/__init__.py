"""Statistics: how sure a number is: intervals, survival, tests; no log is read here."""
