"""Reports: what became of a log, written for those who were not there."""
