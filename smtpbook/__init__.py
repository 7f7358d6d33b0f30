"""Send mail from a notebook; keep, explain and chart every word of the conversation.

The public names, in the order a campaign uses them.  Each is loaded when first used, so
``import smtpbook`` costs milliseconds, and a worker on a server never pays for matplotlib.
"""

from __future__ import annotations

import sys

# Not from typing, which costs as much as the rest of this module; type checkers know it.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from smtpbook.accounts.account import Account as Account
    from smtpbook.accounts.client_certificate import ClientCertificate as ClientCertificate
    from smtpbook.accounts.oauth import authorize as authorize
    from smtpbook.accounts.passwords import FromEnvironment as FromEnvironment
    from smtpbook.accounts.passwords import FromKeyring as FromKeyring
    from smtpbook.accounts.passwords import FromPrompt as FromPrompt
    from smtpbook.accounts.proxy import Proxy as Proxy
    from smtpbook.accounts.secret import Secret as Secret
    from smtpbook.accounts.store import delete_account as delete_account
    from smtpbook.accounts.store import list_accounts as list_accounts
    from smtpbook.accounts.store import load_account as load_account
    from smtpbook.accounts.store import save_account as save_account
    from smtpbook.accounts.timeouts import Timeouts as Timeouts
    from smtpbook.audience.checks import check_recipients as check_recipients
    from smtpbook.audience.domains import mail_domains as mail_domains
    from smtpbook.audience.domains import provider_mix as provider_mix
    from smtpbook.audience.warm_up import warm_up as warm_up
    from smtpbook.authentication.authenticate import authenticate as authenticate
    from smtpbook.authentication.spf import check_spf as check_spf
    from smtpbook.bodies.css import inline_css as inline_css
    from smtpbook.bodies.picture import Picture as Picture
    from smtpbook.bounces.dmarc import read_dmarc_reports as read_dmarc_reports
    from smtpbook.bounces.read import read_bounces as read_bounces
    from smtpbook.bounces.suppress import suppress_bounces as suppress_bounces
    from smtpbook.campaign.campaign import Campaign as Campaign
    from smtpbook.campaign.compacting import compact as compact
    from smtpbook.campaign.live import Live as Live
    from smtpbook.campaign.opening import open_campaign as open_campaign
    from smtpbook.campaign.trial import send_test as send_test
    from smtpbook.charts.plot_compare import plot_compare as plot_compare
    from smtpbook.charts.plot_conversation import plot_conversation as plot_conversation
    from smtpbook.charts.plot_coverage import plot_coverage as plot_coverage
    from smtpbook.charts.plot_domains import plot_domains as plot_domains
    from smtpbook.charts.plot_latency import plot_latency as plot_latency
    from smtpbook.charts.plot_outcomes import plot_outcomes as plot_outcomes
    from smtpbook.charts.plot_pace import plot_pace as plot_pace
    from smtpbook.charts.plot_reply_codes import plot_reply_codes as plot_reply_codes
    from smtpbook.charts.plot_retry_curve import plot_retry_curve as plot_retry_curve
    from smtpbook.charts.plot_sessions import plot_sessions as plot_sessions
    from smtpbook.charts.plot_throughput import plot_throughput as plot_throughput
    from smtpbook.charts.plot_timeline import plot_timeline as plot_timeline
    from smtpbook.charts.plot_waterfall import plot_waterfall as plot_waterfall
    from smtpbook.codes.explain import explain as explain
    from smtpbook.codes.explanation import Explanation as Explanation
    from smtpbook.comparing.compare import compare as compare
    from smtpbook.consoles.classroom_panel import classroom_panel as classroom_panel
    from smtpbook.consoles.console import console as console
    from smtpbook.content.checks import advice as advice
    from smtpbook.content.checks import check_message as check_message
    from smtpbook.deliverability.check_domain import check_domain as check_domain
    from smtpbook.deliverability.check_domain import list_checks as list_checks
    from smtpbook.delivery.run import Run as Run
    from smtpbook.delivery.settings import Together as Together
    from smtpbook.dialogues.lint import lint_dialogue as lint_dialogue
    from smtpbook.dkim.signer import DkimSigner as DkimSigner
    from smtpbook.events import Event as Event
    from smtpbook.experiments.experiment import Experiment as Experiment
    from smtpbook.experiments.plot_effects import plot_effects as plot_effects
    from smtpbook.fleet.simulate import simulate_cluster as simulate_cluster
    from smtpbook.fleet.simulation import ClusterSimulation as ClusterSimulation
    from smtpbook.formats.read import read_log as read_log
    from smtpbook.insight.explain_probe import explain_probe as explain_probe
    from smtpbook.insight.plot_reasons import plot_reasons as plot_reasons
    from smtpbook.insight.plot_two_sides import plot_two_sides as plot_two_sides
    from smtpbook.insight.reasons import reasons as reasons
    from smtpbook.insight.state_machine import StateMachine as StateMachine
    from smtpbook.insight.state_machine import session_states as session_states
    from smtpbook.insight.state_machine import state_machine as state_machine
    from smtpbook.insight.what_we_speak import what_we_speak as what_we_speak
    from smtpbook.lab.behaviours import Behaviour as Behaviour
    from smtpbook.lab.lab import Lab as Lab
    from smtpbook.lessons.catalogue import list_lessons as list_lessons
    from smtpbook.lessons.classroom import Classroom as Classroom
    from smtpbook.lessons.lesson import Lesson as Lesson
    from smtpbook.lessons.lesson import open_lesson as open_lesson
    from smtpbook.lessons.notebooks import copy_lessons as copy_lessons
    from smtpbook.lessons.scores import read_scores as read_scores
    from smtpbook.log.classify import classify as classify
    from smtpbook.log.compact import Compacted as Compacted
    from smtpbook.log.join import join_logs as join_logs
    from smtpbook.log.join_sides import join_sides as join_sides
    from smtpbook.log.store import write_log as write_log
    from smtpbook.log.transcript import transcript as transcript
    from smtpbook.lookup.resolver import Resolver as Resolver
    from smtpbook.lookup.zone import Zone as Zone
    from smtpbook.maxbulk.document import read_mbm as read_mbm
    from smtpbook.maxbulk.translate import translate_maxbulk as translate_maxbulk
    from smtpbook.messages.attachments import Attachment as Attachment
    from smtpbook.messages.attachments import AttachmentColumn as AttachmentColumn
    from smtpbook.messages.template import Template as Template
    from smtpbook.messages.template import priority as priority
    from smtpbook.moving.incoming import import_settings as import_settings
    from smtpbook.moving.outgoing import export_settings as export_settings
    from smtpbook.pacing.pace import Pace as Pace
    from smtpbook.pacing.retry import Retry as Retry
    from smtpbook.pacing.stopping import Tally as Tally
    from smtpbook.pacing.stopping import stop_rule as stop_rule
    from smtpbook.placement.plot_placement import plot_placement as plot_placement
    from smtpbook.placement.read import read_placement as read_placement
    from smtpbook.placement.seeds import SeedList as SeedList
    from smtpbook.placement.share import inbox_share as inbox_share
    from smtpbook.preflight.requirements import requirements as requirements
    from smtpbook.progress import Display, Work
    from smtpbook.protocol.message import Message as Message
    from smtpbook.protocol.replies import Reply as Reply
    from smtpbook.receiver.mailbox import MailedRequest as MailedRequest
    from smtpbook.receiver.mailbox import read_unsubscribes as read_unsubscribes
    from smtpbook.receiver.server import UnsubscribeServer as UnsubscribeServer
    from smtpbook.receiver.server import serve_unsubscribes as serve_unsubscribes
    from smtpbook.recipients.export import export_recipients as export_recipients
    from smtpbook.recipients.read import read_onto as read_onto
    from smtpbook.recipients.read import read_recipients as read_recipients
    from smtpbook.recipients.recipients import Recipients as Recipients
    from smtpbook.recipients.saved import delete_recipients as delete_recipients
    from smtpbook.recipients.saved import list_recipients as list_recipients
    from smtpbook.recipients.saved import load_recipients as load_recipients
    from smtpbook.recipients.saved import save_recipients as save_recipients
    from smtpbook.recipients.suppression import SuppressionList as SuppressionList
    from smtpbook.rehearsal.model import Refusal as Refusal
    from smtpbook.rehearsal.model import ServerModel as ServerModel
    from smtpbook.rehearsal.rehearsal import Rehearsal as Rehearsal
    from smtpbook.relaying.opening import open_session_to as open_session_to
    from smtpbook.reports.report import report as report
    from smtpbook.samples import sample as sample
    from smtpbook.scoring.score import content_score as content_score
    from smtpbook.session.probe import probe as probe
    from smtpbook.session.session import Session as Session
    from smtpbook.session.session import open_session as open_session
    from smtpbook.smime import SmimeSigner as SmimeSigner
    from smtpbook.survey.posture import posture as posture
    from smtpbook.tables.latency import latency_by_command as latency_by_command
    from smtpbook.tables.latency import slowest as slowest
    from smtpbook.tables.outcomes import by_domain as by_domain
    from smtpbook.tables.outcomes import outcomes as outcomes
    from smtpbook.tables.over_time import retry_curve as retry_curve
    from smtpbook.tables.over_time import retry_times as retry_times
    from smtpbook.tables.over_time import throughput as throughput
    from smtpbook.tables.replies import reply_codes as reply_codes
    from smtpbook.tables.scan import Scan as Scan
    from smtpbook.tables.scan import scan_log as scan_log
    from smtpbook.tables.select import select_events as select_events
    from smtpbook.tables.sessions import sessions as sessions
    from smtpbook.tables.sessions import tls_posture as tls_posture
    from smtpbook.transfer.options import DeliveryOptions as DeliveryOptions
    from smtpbook.transfer.transaction import Result as Result
    from smtpbook.unsubscribe import Unsubscribe as Unsubscribe
    from smtpbook.unsubscribe import Unsubscribed as Unsubscribed
    from smtpbook.widgets.account_form import account_form as account_form
    from smtpbook.widgets.campaign_panel import campaign_panel as campaign_panel
    from smtpbook.widgets.log_explorer import log_explorer as log_explorer
    from smtpbook.widgets.recipients_form import recipients_form as recipients_form
    from smtpbook.widgets.template_form import template_form as template_form

__version__ = "0.8.0"

_HOME = {
    "Account": "accounts.account",
    "ClientCertificate": "accounts.client_certificate",
    "Proxy": "accounts.proxy",
    "Secret": "accounts.secret",
    "Timeouts": "accounts.timeouts",
    "FromEnvironment": "accounts.passwords",
    "FromKeyring": "accounts.passwords",
    "FromPrompt": "accounts.passwords",
    "authorize": "accounts.oauth",
    "save_account": "accounts.store",
    "load_account": "accounts.store",
    "list_accounts": "accounts.store",
    "delete_account": "accounts.store",
    "account_form": "widgets.account_form",
    "probe": "session.probe",
    "explain_probe": "insight.explain_probe",
    "Zone": "lookup.zone",
    "Resolver": "lookup.resolver",
    "posture": "survey.posture",
    "check_domain": "deliverability.check_domain",
    "list_checks": "deliverability.check_domain",
    "read_recipients": "recipients.read",
    "read_onto": "recipients.read",
    "Recipients": "recipients.recipients",
    "SuppressionList": "recipients.suppression",
    "save_recipients": "recipients.saved",
    "load_recipients": "recipients.saved",
    "list_recipients": "recipients.saved",
    "delete_recipients": "recipients.saved",
    "export_recipients": "recipients.export",
    "recipients_form": "widgets.recipients_form",
    "export_settings": "moving.outgoing",
    "import_settings": "moving.incoming",
    "Template": "messages.template",
    "translate_maxbulk": "maxbulk.translate",
    "read_mbm": "maxbulk.document",
    "Unsubscribe": "unsubscribe",
    "Unsubscribed": "unsubscribe",
    "UnsubscribeServer": "receiver.server",
    "serve_unsubscribes": "receiver.server",
    "read_unsubscribes": "receiver.mailbox",
    "MailedRequest": "receiver.mailbox",
    "template_form": "widgets.template_form",
    "Attachment": "messages.attachments",
    "AttachmentColumn": "messages.attachments",
    "Picture": "bodies.picture",
    "inline_css": "bodies.css",
    "priority": "messages.template",
    "advice": "content.checks",
    "check_message": "content.checks",
    "check_recipients": "audience.checks",
    "mail_domains": "audience.domains",
    "provider_mix": "audience.domains",
    "warm_up": "audience.warm_up",
    "requirements": "preflight.requirements",
    "send_test": "campaign.trial",
    "Message": "protocol.message",
    "DeliveryOptions": "transfer.options",
    "DkimSigner": "dkim.signer",
    "SmimeSigner": "smime",
    "Campaign": "campaign.campaign",
    "open_campaign": "campaign.opening",
    "Together": "delivery.settings",
    "campaign_panel": "widgets.campaign_panel",
    "Live": "campaign.live",
    "Pace": "pacing.pace",
    "Retry": "pacing.retry",
    "stop_rule": "pacing.stopping",
    "Tally": "pacing.stopping",
    "Run": "delivery.run",
    "Rehearsal": "rehearsal.rehearsal",
    "ServerModel": "rehearsal.model",
    "Refusal": "rehearsal.model",
    "simulate_cluster": "fleet.simulate",
    "ClusterSimulation": "fleet.simulation",
    "open_session": "session.session",
    "open_session_to": "relaying.opening",
    "Session": "session.session",
    "Result": "transfer.transaction",
    "Reply": "protocol.replies",
    "Event": "events",
    "Lab": "lab.lab",
    "Behaviour": "lab.behaviours",
    "read_log": "formats.read",
    "write_log": "log.store",
    "scan_log": "tables.scan",
    "Scan": "tables.scan",
    "select_events": "tables.select",
    "join_logs": "log.join",
    "join_sides": "log.join_sides",
    "compact": "campaign.compacting",
    "Compacted": "log.compact",
    "transcript": "log.transcript",
    "log_explorer": "widgets.log_explorer",
    "lint_dialogue": "dialogues.lint",
    "read_bounces": "bounces.read",
    "suppress_bounces": "bounces.suppress",
    "read_dmarc_reports": "bounces.dmarc",
    "authenticate": "authentication.authenticate",
    "check_spf": "authentication.spf",
    "content_score": "scoring.score",
    "SeedList": "placement.seeds",
    "read_placement": "placement.read",
    "inbox_share": "placement.share",
    "plot_placement": "placement.plot_placement",
    "explain": "codes.explain",
    "Explanation": "codes.explanation",
    "classify": "log.classify",
    "reasons": "insight.reasons",
    "outcomes": "tables.outcomes",
    "by_domain": "tables.outcomes",
    "reply_codes": "tables.replies",
    "latency_by_command": "tables.latency",
    "slowest": "tables.latency",
    "sessions": "tables.sessions",
    "tls_posture": "tables.sessions",
    "throughput": "tables.over_time",
    "retry_curve": "tables.over_time",
    "retry_times": "tables.over_time",
    "compare": "comparing.compare",
    "plot_coverage": "charts.plot_coverage",
    "plot_reply_codes": "charts.plot_reply_codes",
    "plot_latency": "charts.plot_latency",
    "plot_timeline": "charts.plot_timeline",
    "plot_pace": "charts.plot_pace",
    "plot_outcomes": "charts.plot_outcomes",
    "plot_domains": "charts.plot_domains",
    "plot_reasons": "insight.plot_reasons",
    "plot_retry_curve": "charts.plot_retry_curve",
    "plot_throughput": "charts.plot_throughput",
    "plot_sessions": "charts.plot_sessions",
    "plot_waterfall": "charts.plot_waterfall",
    "plot_conversation": "charts.plot_conversation",
    "plot_two_sides": "insight.plot_two_sides",
    "plot_compare": "charts.plot_compare",
    "report": "reports.report",
    "Experiment": "experiments.experiment",
    "plot_effects": "experiments.plot_effects",
    "state_machine": "insight.state_machine",
    "StateMachine": "insight.state_machine",
    "session_states": "insight.state_machine",
    "what_we_speak": "insight.what_we_speak",
    "open_lesson": "lessons.lesson",
    "Lesson": "lessons.lesson",
    "list_lessons": "lessons.catalogue",
    "Classroom": "lessons.classroom",
    "copy_lessons": "lessons.notebooks",
    "read_scores": "lessons.scores",
    "console": "consoles.console",
    "classroom_panel": "consoles.classroom_panel",
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


def _show_in_notebook(title: str, total: int) -> Display:
    from smtpbook import progress

    try:
        from smtpbook.widgets.progress import open_display
    except ModuleNotFoundError:  # installed without the notebook extra
        progress.use(None)
        return progress.show(title, total)
    return open_display(title, total)


def _panel_in_notebook(work: Work) -> Display | None:
    try:
        from smtpbook.widgets.campaign_panel import open_panel
    except ModuleNotFoundError:
        return None
    return open_panel(work)


if "ipykernel" in sys.modules:  # where a bar can be a widget
    from smtpbook.progress import use

    use(_show_in_notebook, _panel_in_notebook)
    del use
