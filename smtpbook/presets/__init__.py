"""Well-known providers: where they take mail, with what kind of password, how much a day.

Facts with their sources and dates; what an account does with them is `accounts`'s.
"""
