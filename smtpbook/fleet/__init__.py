"""Fleet: what a send by many computers would come to, before any of them is rented.

The code that paces, partitions, queues and claims is the one that sends; everything else is
a model of it.
"""
