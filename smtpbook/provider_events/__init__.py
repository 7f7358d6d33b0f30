"""What providers and mail servers for bulk mail tell about each message, as outcome rows.

They use words of their own; here all come to the log's:

========== =========================================================================
accepted   the server that is next took it: a provider that is sent through, or of what a
           mail server of one's own hands on (KumoMTA, PowerMTA, Exchange) the recipient's
delivered  the provider reports that the recipient's server took it, or a mailbox did
deferred   it will be tried again
rejected   that server refused it in the session of a mail server of one's own
bounced    it was given up: a provider's report of a refusal, or a later one by mail; or
           for the time it took, or by an administrator
failed     the provider took it, and then would not send it for what it is
suppressed left out: the provider's own list of addresses never written to
complaint  whoever got it reported it as unwanted
========== =========================================================================

A reply that is quoted stands in ``reply_code``, ``enhanced_status`` and ``reply_text``, as
a session of ours would have heard it; ``reason`` follows from it by the rules of `codes`.
Where none is quoted, ``reason`` is what the provider's own class says.  ``queue_id`` is the
provider's name of the message, which is mostly in its reply to the end of mail data, and
``message_id`` the header's, where it is told.
"""
