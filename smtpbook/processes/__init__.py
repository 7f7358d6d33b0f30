"""Processes: several of this computer that send together, and one that ends meanwhile.

The ledger stays one process's, which deals the recipients out and writes everything down.
"""
