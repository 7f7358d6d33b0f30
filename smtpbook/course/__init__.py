"""The course: each lesson's plan and its exercises, one module for each lesson.

Those in which a program is written are in `programs`.
"""
