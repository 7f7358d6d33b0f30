"""What providers and mail servers for bulk mail tell about each message, as outcome rows.

They use words of their own; here all come to the log's:

========== =========================================================================
accepted   the provider itself took the message for that recipient
delivered  the recipient's server took it, and the provider says so
deferred   it will be tried again
bounced    it was given up, whether in a session or by a later report
rejected   the provider took it and then would not send it
suppressed left out: the provider's own list of addresses never written to
complaint  whoever got it reported it as unwanted
========== =========================================================================

A reply that is quoted stands in ``reply_code``, ``enhanced_status`` and ``reply_text``, as
a session of ours would have heard it; ``reason`` follows from it by the rules of `codes`.
Where none is quoted, ``reason`` is what the provider's own class says.  ``queue_id`` is the
provider's name of the message, which is mostly in its reply to the end of mail data, and
``message_id`` the header's, where it is told.
"""
