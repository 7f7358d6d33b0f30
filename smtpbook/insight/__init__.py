"""Insight: why mail was refused, what a probe tells, in which states sessions were."""
