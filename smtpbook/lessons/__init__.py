"""Lessons: opened, graded, written down, and given out as notebooks."""
