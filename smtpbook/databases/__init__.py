"""Databases as a source of lists: SQL asked through SQLAlchemy, answered in batches."""
