"""One finished message, as servers, filters and readers will see it.

Checks of its octets, its header, its bodies, its links and its way out; none of them sends
anything, and only one asks the network, when it is told to.
"""
