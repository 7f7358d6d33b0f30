"""Registry: the formats there are, each imported when it is first asked for.

Their order decides between formats of which equally many lines look alike.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

from smtpbook.logfile.format import BinaryFormat, LogFormat

_MODULES: Final = {
    "postfix": "server_logs.postfix",
    "exim": "server_logs.exim",
    "sendmail": "server_logs.sendmail",
    "opensmtpd": "server_logs.opensmtpd",
    "aiosmtpd": "dialogues.aiosmtpd",
    "mailpit": "dialogues.mailpit",
    # The order of providers is that of how surely a line of theirs is told.
    "ses": "provider_events.ses",
    "sendgrid": "provider_events.sendgrid",
    "mailgun": "provider_events.mailgun",
    "postmark": "provider_events.postmark",
    "sparkpost": "provider_events.sparkpost",
    "brevo": "provider_events.brevo",
    "mailjet": "provider_events.mailjet",
    "resend": "provider_events.resend",
    "kumomta": "provider_events.kumomta",
    "powermta": "provider_events.powermta",
    "exchange": "provider_events.exchange",
    "transcript": "dialogues.transcript",
    "swaks": "dialogues.swaks",
    "smtplib": "dialogues.smtplib",
    "curl": "dialogues.curl",
    "msmtp": "dialogues.msmtp",
    "nodemailer": "dialogues.nodemailer",
    "thunderbird": "dialogues.thunderbird",
    "maxbulk": "dialogues.maxbulk",
    "dialogue": "dialogues.dialogue",
    "pcap": "captures.pcap",
}
"""Format's name → the module whose ``FORMAT`` it is."""

FORMATS: Final = tuple(_MODULES)
"""The names ``format=`` takes, besides those of `smtpbook.log.store`."""


def format_of(name: str) -> LogFormat | BinaryFormat:
    """Give a format by its name, one of `FORMATS`."""
    found: LogFormat | BinaryFormat = import_module(f"smtpbook.{_MODULES[name]}").FORMAT
    return found
