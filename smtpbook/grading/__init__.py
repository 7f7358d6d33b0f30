"""Grading: what an exercise is, what a student did, and whether it is right."""
