"""Send mail from a notebook; keep, explain and chart every word of the conversation.

The public names, in the order a campaign uses them.  Each is loaded when first used, so
``import smtpbook`` costs milliseconds, and a worker on a server never pays for matplotlib.
"""

from __future__ import annotations

# Not from typing, which costs as much as the rest of this module; type checkers know it.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account as Account
    from smtpbook.accounts.secret import Secret as Secret
    from smtpbook.accounts.timeouts import Timeouts as Timeouts
    from smtpbook.campaign.campaign import Campaign as Campaign
    from smtpbook.campaign.run import Run as Run
    from smtpbook.codes.explain import explain as explain
    from smtpbook.codes.explanation import Explanation as Explanation
    from smtpbook.events import Event as Event
    from smtpbook.insight.plot_latency import plot_latency as plot_latency
    from smtpbook.insight.plot_reply_codes import plot_reply_codes as plot_reply_codes
    from smtpbook.insight.plot_timeline import plot_timeline as plot_timeline
    from smtpbook.insight.report import report as report
    from smtpbook.insight.summaries import by_domain as by_domain
    from smtpbook.insight.summaries import latency_by_command as latency_by_command
    from smtpbook.insight.summaries import reply_codes as reply_codes
    from smtpbook.lab.behaviours import Behaviour as Behaviour
    from smtpbook.lab.lab import Lab as Lab
    from smtpbook.log.outcomes import outcomes as outcomes
    from smtpbook.log.store import read_log as read_log
    from smtpbook.log.store import write_log as write_log
    from smtpbook.log.transcript import transcript as transcript
    from smtpbook.messages.template import Template as Template
    from smtpbook.protocol.message import Message as Message
    from smtpbook.protocol.replies import Reply as Reply
    from smtpbook.protocol.transaction import Result as Result
    from smtpbook.recipients.read import read_recipients as read_recipients
    from smtpbook.recipients.recipients import Recipients as Recipients
    from smtpbook.samples import sample as sample
    from smtpbook.session.session import Session as Session
    from smtpbook.session.session import open_session as open_session

__version__ = "0.1.0"

_HOME = {
    "Account": "accounts.account",
    "Secret": "accounts.secret",
    "Timeouts": "accounts.timeouts",
    "read_recipients": "recipients.read",
    "Recipients": "recipients.recipients",
    "Template": "messages.template",
    "Message": "protocol.message",
    "Campaign": "campaign.campaign",
    "Run": "campaign.run",
    "open_session": "session.session",
    "Session": "session.session",
    "Result": "protocol.transaction",
    "Reply": "protocol.replies",
    "Event": "events",
    "Lab": "lab.lab",
    "Behaviour": "lab.behaviours",
    "explain": "codes.explain",
    "Explanation": "codes.explanation",
    "read_log": "log.store",
    "write_log": "log.store",
    "outcomes": "log.outcomes",
    "transcript": "log.transcript",
    "reply_codes": "insight.summaries",
    "latency_by_command": "insight.summaries",
    "by_domain": "insight.summaries",
    "plot_reply_codes": "insight.plot_reply_codes",
    "plot_latency": "insight.plot_latency",
    "plot_timeline": "insight.plot_timeline",
    "report": "insight.report",
    "sample": "samples",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in ("errors", "events"):  # modules whose names people type: sb.errors.TLSError
        return import_module(f"smtpbook.{name}")
    if name not in _HOME:
        hint = ""
        if not name.startswith("_"):
            from smtpbook.errors import near_miss

            hint = near_miss(name, __all__)
        raise AttributeError(f"module 'smtpbook' has no attribute {name!r}{hint}")
    value = globals()[name] = getattr(import_module(f"smtpbook.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__", "errors", "events"])
