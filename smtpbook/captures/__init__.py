"""Captures of packets: the conversations of SMTP in them, with the times of the wire."""
