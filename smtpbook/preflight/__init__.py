"""Looking before the leap: what a send is about to do, and what would go wrong.

It asks nobody and sends nothing; whether to go on is `campaign`'s.
"""
