"""What every log of another program has in common, whoever wrote it."""
