"""Cluster: one send by many computers, through one shared ledger.

The ledger decides who writes to whom; the scheduler only starts processes.
"""
