"""Stepping: a conversation taken step by step, with what the RFC says about each step."""
