"""A look at mail hosts: how they greet, what they offer, and how they encrypt."""
