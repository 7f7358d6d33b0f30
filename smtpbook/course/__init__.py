"""The course: each lesson's plan and its exercises, one module for each lesson."""
