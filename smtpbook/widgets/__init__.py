"""Widgets: forms and displays for notebooks; they ask, show, and decide nothing."""
