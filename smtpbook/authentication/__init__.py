"""Authentication: what receivers make of a message's domains, by SPF, DKIM and DMARC.

The DNS is asked through a `smtpbook.lookup.answer.Asker`: live, or zone data at hand.
"""
