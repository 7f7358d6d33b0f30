"""A send without a provider: each message goes to the recipient's own servers.

It is a `delivery` whose connections go where their recipients are; how a domain's servers
are found and come to is `relaying`'s.
"""
