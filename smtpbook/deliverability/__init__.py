"""Deliverability: what receivers will look at in a sender, looked at before them.

Each check is one function and one row of the table in `checks`; records are evaluated by
`authentication` and `routes`.  Nothing is sent, and what a letter says is `content`'s.
"""
