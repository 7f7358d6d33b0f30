"""Send mail from a notebook; keep, explain and chart every word of the conversation."""

__version__ = "0.1.0"
