"""What a probe found, in plain words: each step, what it means, what to do.

Replies are explained by `codes`, providers' rules come from `presets`; here stand
the usual traps of ports, TLS and certificates.  Nothing is asked of any server.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any, Final, NamedTuple

import pandas as pd

from smtpbook.codes.explain import explain
from smtpbook.errors import near_miss
from smtpbook.escape import visible
from smtpbook.events import CLEAR_TEXT
from smtpbook.log.frame import require_columns
from smtpbook.presets.provider import PROVIDERS, provider_of
from smtpbook.protocol.extensions import NO_EXTENSIONS, Extensions
from smtpbook.protocol.replies import Reply

_COLUMNS: Final = (
    "time",
    "kind",
    "verb",
    "command",
    "reply_code",
    "reply_text",
    "latency_s",
    "server",
    "port",
    "server_address",
    "tls_version",
    "tls_cipher",
    "error",
)
_MAX_SAID: Final = 400  # characters
_SOON: Final = timedelta(days=14)
_IN_CLEAR: Final = frozenset({25, 587, 2525})  # ports where a server speaks before TLS
_REFUSED: Final = ("refused", "reset")


class _Step(NamedTuple):
    step: str
    said: str
    meaning: str
    advice: str = ""


def explain_probe(log: pd.DataFrame) -> pd.DataFrame:
    """Explain a probe step by step.

    Parameters
    ----------
    log : DataFrame
        As `smtpbook.session.probe.probe` gives it; its ``attrs`` are used where they are
        there (certificate, addresses, the failure in words).

    Returns
    -------
    DataFrame
        One row per step, in order: ``step`` (str, its name), ``said`` (str, what was seen
        or said, made safe to show), ``meaning`` (str), ``advice`` (str, ``""`` = nothing is
        to be done).

    Raises
    ------
    ColumnError
        The log lacks a column.
    """
    require_columns(log, *_COLUMNS)
    rows = log.loc[:, list(_COLUMNS)]
    cells = rows.astype(object).where(rows.notna(), None)
    events = list(cells.itertuples(index=False, name="Event"))
    steps = list(_Reader(log.attrs).steps(events))
    if len(steps) > 1 and steps[-2].step == _NAMES["QUIT"]:
        # Why it ended is told by the last row, but comes before the goodbye.
        steps[-2:] = steps[:-3:-1]
    safe = [
        _Step(step.step, visible(step.said, max_chars=_MAX_SAID), step.meaning, step.advice)
        for step in steps
    ]
    return pd.DataFrame(safe, columns=list(_Step._fields), dtype="str")


class _Reader:
    """Goes through the rows of one probe."""

    def __init__(self, attrs: dict[Any, Any]) -> None:
        self._error: str = str(attrs.get("error", ""))
        self._tls: str | None = attrs.get("tls")
        self._addresses: list[dict[str, str]] = attrs.get("addresses", [])
        self._certificate: dict[str, Any] = attrs.get("certificate", {})
        self._offered = NO_EXTENSIONS
        self._in_clear: Extensions | None = None  # what was offered before TLS
        self._is_proxied = False
        self._explained = False  # whether a step has told the failure

    def steps(self, events: list[Any]) -> Iterator[_Step]:
        """Tell each step; a login is one, however many challenges it has."""
        for event, following in zip_longest(events, events[1:]):
            if event.verb != "AUTH" or following is None or following.verb != "AUTH":
                yield from self._step(event)
        if self._error and not self._explained:
            meaning = "It ended before a connection was tried."
            yield _Step("Connection", self._error, meaning, _CHECK_FIELDS)

    def _step(self, event: Any) -> Iterator[_Step]:
        match event.kind:
            case "dns":
                yield self._dns(event)
            case "connect":
                yield self._connect(event)
            case "proxy":
                yield self._proxy(event)
            case "tls":
                yield self._handshake(event)
            case "greeting" | "command" if event.error is not None:
                yield self._silence(event)
            case "greeting" | "command":
                yield self._reply(event)
            case "disconnect" if event.error is not None and not self._explained:
                yield self._end(event)

    def _failed(self, event: Any) -> str:
        """Give the failure in words, where the log has them."""
        self._explained = True
        return self._error or f"failed ({event.error})"

    # -- before the first word

    def _dns(self, event: Any) -> _Step:
        host = visible(event.server or "")
        if event.command is not None:
            return self._proxy_name(event)
        if event.error is None:
            found = [f"{one['address']} ({one['record']})" for one in self._addresses]
            said = ", ".join(found) or "found"
            order = "; the first of its addresses to answer counts" * (len(found) > 1)
            return _Step("Name", said, f"The name {host} is known{order}.")
        known = [provider.host for provider in PROVIDERS.values()]
        guess = near_miss(event.server or "", known).removeprefix("; ")
        spelling = f"{guess[:1].upper()}{guess[1:]} " if guess else ""
        return _Step(
            "Name",
            self._failed(event),
            f"No server of the name {host} was found.",
            f"{spelling}Check how host= is spelled, and that this computer is online.",
        )

    def _connect(self, event: Any) -> _Step:
        place = self._place(event)
        if event.error is None:
            self._explained = False  # an address that failed before no longer matters
            said = f"connected to {place}{_took(event)}"
            return _Step("Connection", said, "Somebody listens.")
        if event.error == "Cancelled":
            return _Step("Connection", f"{place}: given up", "Another address was faster.")
        said = self._failed(event)
        if event.command is not None:
            meaning = f"The proxy {visible(event.command)} cannot be reached at {place}."
            return _Step("Connection", said, meaning, _CHECK_PROXY)
        if event.server_address is None:
            meaning = f"Nobody listens at the Unix socket {place}, or not for you."
            advice = "Check the path, its permissions, and that the server runs."
            return _Step("Connection", said, meaning, advice)
        if event.error == "TransportTimeout":
            advice = "A firewall may drop what goes to this port; try another network."
            if event.port == 25:
                advice = (
                    "Most networks for homes, offices and clouds block port 25: use the "
                    "provider's port 465 or 587."
                )
            return _Step("Connection", said, f"{place} does not answer at all.", advice)
        if any(word in said.lower() for word in _REFUSED):
            meaning = f"The machine is there, but nothing listens at {place}."
            advice = (
                'Check port=: for sending mail it is 465 with tls="implicit", or 587 with '
                'tls="starttls".'
            )
            return _Step("Connection", said, meaning, advice)
        advice = "Check host=, port= and the network."
        return _Step("Connection", said, f"{place} cannot be reached.", advice)

    def _place(self, event: Any) -> str:
        if event.server_address is None:
            return visible(event.server or "")
        port = "" if event.command is not None else f" port {event.port}"
        return f"{visible(event.server_address)}{port}"

    def _proxy_name(self, event: Any) -> _Step:
        proxy = visible(event.command)
        if event.error is None:
            return _Step("Name", "found", f"The name of the proxy {proxy} is known.")
        meaning = f"The proxy {proxy} was not found."
        return _Step("Name", self._failed(event), meaning, _CHECK_PROXY)

    def _proxy(self, event: Any) -> _Step:
        self._is_proxied = True
        proxy = visible(event.command or "")
        place = visible(event.server or "") + (f" port {event.port}" if event.port else "")
        if event.error is None:
            said = f"connected through {proxy}{_took(event)}"
            return _Step("Proxy", said, f"The proxy has connected to {place}.")
        said = self._failed(event)
        meaning = f"The proxy {proxy} was reached, and does not connect to {place}."
        advice = "Ask who runs the proxy whether it may, and with which login."
        if event.port == 25:
            advice = "Most proxies refuse port 25: use the provider's port 465 or 587."
        return _Step("Proxy", said, meaning, advice)

    # -- TLS

    def _handshake(self, event: Any) -> _Step:
        if event.error is not None:
            return self._no_tls(event)
        if event.command == CLEAR_TEXT:
            said = "STARTTLS was not offered, or refused"
            meaning = (
                "Everything travels for everybody to read, as opportunistic TLS allows."
            )
            return _Step("TLS", said, meaning, 'To refuse that, use tls="starttls".')
        self._in_clear, self._offered = self._offered, NO_EXTENSIONS
        about, advice = self._about_certificate(event)
        said = ", ".join(filter(None, (event.tls_version, event.tls_cipher, about)))
        meaning = "From here on all is encrypted, and the server has proved its name."
        if event.command is not None:
            meaning = (
                "From here on all is encrypted, but anybody could be at the other end."
            )
        return _Step("TLS", said, meaning, advice)

    def _about_certificate(self, event: Any) -> tuple[str, str]:
        facts = self._certificate
        if "not_after" not in facts:
            return "", ""
        ends = datetime.fromisoformat(facts["not_after"]).astimezone(UTC)
        about = (
            f"certificate for {_names(facts)}, issued by {facts['issuer']}, "
            f"valid until {ends:%Y-%m-%d}"
        )
        if facts.get("problem") or ends - event.time > _SOON:
            return about, ""
        return about, f"The certificate ends on {ends:%Y-%m-%d}: tell who runs the server."

    def _no_tls(self, event: Any) -> _Step:
        said = self._failed(event)
        problem = self._certificate.get("problem")
        if problem is not None:
            about = self._about_certificate(event)[0]
            meaning, advice = self._untrusted(event, str(problem))
            return _Step("TLS", ", ".join(filter(None, (said, about))), meaning, advice)
        if " pinned" in said:
            meaning = "The certificate is valid, and not one of those that you expect."
            advice = (
                "Ask who runs the server whether its key has changed, by another way than "
                "mail; if so, give the new fingerprint in pin=, beside the old one."
            )
            return _Step("TLS", said, meaning, advice)
        if said.startswith("client_certificate"):
            meaning = "Your own certificate, or its key, cannot be used."
            return _Step(
                "TLS", said, meaning, "Check client_certificate= and its passphrase."
            )
        if "certificate required" in said:
            return _Step("TLS", said, _WANTS_YOURS, _GIVE_YOURS)
        if said.startswith("ca_file"):
            meaning = "The file of authorities to trust cannot be used."
            return _Step("TLS", said, meaning, "Check ca_file=: it holds PEM.")
        if self._tls == "implicit" or (self._tls is None and not self._offered.keywords):
            meaning = "The server does not begin with TLS."
            port = f"Port {event.port}" if event.port in _IN_CLEAR else "This port"
            advice = (
                f'{port} begins in clear text: use tls="starttls", or port 465 with '
                'tls="implicit".'
            )
            return _Step("TLS", said, meaning, advice)
        meaning = "Client and server could not agree on how to encrypt."
        advice = (
            "At least TLS 1.2 is needed (RFC 8996); a program between, such as a virus "
            "scanner, may also be in the way."
        )
        return _Step("TLS", said, meaning, advice)

    def _untrusted(self, event: Any, problem: str) -> tuple[str, str]:
        facts, host = self._certificate, visible(event.server or "")
        own = (
            "If it is your own server, save the certificate of its authority (or its own) "
            "as a PEM file and give ca_file=; compare its SHA-256 with what the "
            f"administrator says: {facts.get('sha256', 'not known')}."
        )
        match problem:
            case "expired":
                ends = str(facts.get("not_after", ""))[:10]
                return (
                    f"The server's certificate has expired{f' on {ends}' if ends else ''}.",
                    "Tell who runs the server; until it is renewed nobody can tell the "
                    "server from another. Check this computer's clock, too.",
                )
            case "not yet valid":
                return (
                    "The server's certificate is not valid yet.",
                    "Check this computer's clock; else tell who runs the server.",
                )
            case "another name":
                names = [name for name in facts.get("names", []) if "*" not in name]
                instead = f" Perhaps host={visible(names[0])!r}." if names else ""
                return (
                    f"The certificate is not for {host}, but for {visible(_names(facts))}.",
                    f"Use the name the provider gives for sending mail.{instead}",
                )
            case "self-signed" | "self-signed authority" | "unknown authority":
                kind = "is self-signed" if problem == "self-signed" else "was issued by"
                by = "" if problem == "self-signed" else f" {_issuer(facts)}"
                unknown = ", which this computer does not trust" if by else ""
                return f"The certificate {kind}{by}{unknown}: anybody can make one.", own
        return f"The certificate was not accepted: {visible(problem)}.", own

    # -- replies

    def _silence(self, event: Any) -> _Step:
        said = self._failed(event)
        if "certificate required" in said:
            return _Step("TLS", said, _WANTS_YOURS, _GIVE_YOURS)
        if event.verb == "GREETING" and self._tls != "implicit" and not event.tls_version:
            advice = "Something between may hold the connection back; try again later."
            if event.port == 465 or event.error == "TransportTimeout":
                advice = (
                    f"A server that says nothing at port {event.port} may be waiting for "
                    'TLS: use tls="implicit" (port 465 always does).'
                )
            return _Step("Greeting", said, "The server does not greet.", advice)
        name = _NAMES.get(event.verb, event.verb)
        meaning = f"The server gave no reply to {event.verb}."
        return _Step(name, said, meaning, "Try again; if it stays so, ask who runs it.")

    def _reply(self, event: Any) -> _Step:
        text = event.reply_text or ""
        reply = Reply.of(int(event.reply_code), text)
        told = explain(reply, verb=event.verb, host=event.server)
        is_refused = reply.code >= 400
        self._explained = self._explained or is_refused
        name = _NAMES.get(event.verb, event.verb)
        said = f"{reply.code} {text}".replace("\n", " / ")
        if event.verb in ("EHLO", "LHLO") and not is_refused:
            return self._extensions(event, reply)
        if event.verb == "QUIT" and not is_refused:
            return _Step(name, said, "The session is over; nothing was sent.")
        if event.verb in _HELLOS and is_refused and reply.code // 100 == 5:
            return _Step(name, said, told.meaning, _other_protocol(event) or told.remedy)
        if event.verb == "AUTH" and is_refused:
            return self._refused_login(event, told.meaning, told.remedy, said)
        return _Step(name, said, told.meaning, told.remedy if is_refused else "")

    def _extensions(self, event: Any, reply: Reply) -> _Step:
        self._offered = Extensions.from_reply(reply)
        said = ", ".join(reply.lines[1:]) or "none"
        if event.tls_version:
            return _Step("Extensions", said, self._compared())
        has_tls = self._offered.has_starttls
        advice = ""
        is_near = not self._is_proxied and _is_loopback(event.server_address)
        if self._tls == "none" and has_tls and event.server_address and not is_near:
            advice = 'It offers encryption: use tls="starttls".'
        meaning = "What the server can do, said in clear text; " + (
            "it offers to encrypt." if has_tls else "it does not offer to encrypt."
        )
        return _Step("Extensions", said, meaning, advice)

    def _compared(self) -> str:
        """Say what TLS has changed of the extensions."""
        before = self._in_clear.keywords if self._in_clear is not None else {}
        if not before:
            return "What the server can do."
        now = self._offered.keywords
        new = [word for word in now if now[word] != before.get(word)]
        gone = [word for word in before if word not in now]
        changes = [f"new or changed: {', '.join(new)}"] if new else []
        changes += [f"gone: {', '.join(gone)}"] if gone else []
        told = visible("; ".join(changes)) or "nothing has changed"
        return f"What the server can do now that the connection is encrypted; {told}."

    def _refused_login(self, event: Any, meaning: str, advice: str, said: str) -> _Step:
        detail = self._error.partition("; the server says ")[2]
        said = f"{said}; {detail}" if detail else said
        provider = provider_of(event.server or "", event.port or 0)
        if provider is not None and event.reply_code // 100 == 5:
            advice = f"{advice} {provider.title}: {provider.hint}"
        return _Step("Login", said, meaning, advice)

    # -- the end

    def _end(self, event: Any) -> _Step:
        """Explain a failure that no row before has shown: nothing was said any more."""
        said, offered = self._failed(event), self._offered
        if self._tls == "starttls" and event.tls_version is None and event.port is not None:
            return _Step(
                "STARTTLS",
                said,
                "The server does not offer to encrypt; nothing secret was said.",
                'Use port 465 with tls="implicit" if the provider has it. If it offers '
                "encryption elsewhere, something between may have taken the offer away.",
            )
        if offered.keywords and not offered.mechanisms:
            if event.tls_version is None and offered.has_starttls:
                advice = 'Logins are offered under TLS only: use tls="starttls".'
            else:
                advice = (
                    "This server takes no logins here: leave out username= and auth=, or "
                    "use the provider's port for sending mail (465 or 587)."
                )
            return _Step("Login", said, "The server does not offer a login.", advice)
        if offered.mechanisms:
            return _Step("Login", said, "The login was not begun, or not finished.")
        return _Step("Connection", said, "The connection ended before it was of use.")


def _other_protocol(event: Any) -> str:
    """Say that the server may speak the other protocol; empty: nothing points to that."""
    if event.verb == "LHLO":
        return 'A server of SMTP does not know LHLO: leave out protocol="lmtp".'
    is_local = event.port == _LMTP_PORT or event.server_address is None
    if is_local or "LMTP" in (event.reply_text or "").upper():
        return 'A server of LMTP does not know EHLO: give protocol="lmtp".'
    return ""


_HELLOS: Final = ("EHLO", "HELO", "LHLO")
_LMTP_PORT: Final = 24  # where Postfix and Dovecot look for it
_CHECK_FIELDS: Final = "Check the fields of the account that this names."
_CHECK_PROXY: Final = "Check proxy=: its host and port, and that it runs."
_WANTS_YOURS: Final = "The server wants you to prove who you are by a certificate."
_GIVE_YOURS: Final = "Give client_certificate=: a PEM file with yours and its key."
_NAMES: Final = {
    "GREETING": "Greeting",
    "EHLO": "Extensions",
    "LHLO": "Extensions",
    "HELO": "Extensions",
    "AUTH": "Login",
    "QUIT": "Goodbye",
}


def _took(event: Any) -> str:
    return f" in {1000 * event.latency_s:.0f} ms" if event.latency_s else ""


def _names(facts: dict[str, Any]) -> str:
    return ", ".join(facts.get("names", [])) or "no name at all"


def _issuer(facts: dict[str, Any]) -> str:
    return visible(str(facts.get("issuer", "somebody")), max_chars=100)


def _is_loopback(address: str | None) -> bool:
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False
