"""The sample log of a Postfix: two days of a museum's mail server that is made up.

``python -m tests.samples.mail_log`` writes ``data/logs/mail.log.gz`` again.  It is told as
Postfix 3.9 would tell it, of hosts at domains kept for examples (RFC 2606) with addresses
kept for documentation (RFC 5737): a newsletter, tickets, mail that comes in, and those who
knock at the door of every mail server.
"""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import count
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from smtpbook.samples import sample, share_path

NAME: Final = "mail.log.gz"
_MIDNIGHT: Final = datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=1)))
_HOUR_S: Final = 3600.0
_END_S: Final = 48 * _HOUR_S
_ADDRESS: Final = "198.51.100.25"  # ours, as others see it

# postconf(5): minimal_backoff_time, maximal_backoff_time, queue_run_delay are the defaults;
# maximal_queue_lifetime is set to a day, so that two days show somebody given up.
_BACKOFF_S: Final = (300.0, 4000.0)
_QUEUE_RUN_S: Final = 300.0
_LIFETIME_S: Final = 24 * _HOUR_S

_TLS_13: Final = (
    "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519 "
    "server-signature RSA-PSS (2048 bits) server-digest SHA256"
)
_TLS_12: Final = "TLSv1.2 with cipher ECDHE-RSA-AES256-GCM-SHA384 (256/256 bits)"


class Said(NamedTuple):
    """How a try ends: the words in Postfix's parentheses, and the phase that took time."""

    status: str
    dsn: str
    words: str
    setup_s: float = 0.0
    transfer_s: float = 0.0
    is_connected: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    """A domain that is written to: its server, and how it treats our mail."""

    host: str
    address: str
    tls: str | None = f"Trusted {_TLS_13}"
    ok: str = "250 2.0.0 Ok: queued as {id}"
    kind: str = "content"
    share: int = 1

    @property
    def relay(self) -> str:
        return f"{self.host}[{self.address}]:25"


_DOMAINS: Final = {
    "bigmail.example": Domain(
        host="mx1.bigmail.example",
        address="203.0.113.5",
        ok="250 2.0.0 OK {id} - bigmail",
        kind="crowded",
        share=10,
    ),
    "lumen.example": Domain(host="mx.lumen.example", address="203.0.113.20", share=5),
    "atelier.example": Domain(
        host="mail.atelier.example", address="203.0.113.31", ok="250 OK id={id}", share=4
    ),
    "patience.example": Domain(
        host="mx.patience.example", address="203.0.113.44", kind="greylists", share=4
    ),
    "oldtown.example": Domain(
        host="mail.oldtown.example",
        address="203.0.113.52",
        tls=f"Untrusted {_TLS_12}",
        ok="250 Message accepted for delivery {id}",
        share=3,
    ),
    "plain.example": Domain(
        host="smtp.plain.example", address="203.0.113.61", tls=None, share=2
    ),
    "strictgate.example": Domain(
        host="gate.strictgate.example", address="203.0.113.77", kind="filters", share=2
    ),
    "wary.example": Domain(
        host="mx.wary.example", address="203.0.113.88", kind="blocks", share=2
    ),
    "faraway.example": Domain(
        host="mx.faraway.example", address="203.0.113.99", kind="is down", share=2
    ),
    "fragile.example": Domain(
        host="mx.fragile.example", address="203.0.113.113", kind="breaks", share=1
    ),
    "nowhere.example": Domain(host="", address="", kind="is gone", share=1),
}


@dataclass(slots=True)
class Mail:
    """A message in the queue, to one recipient."""

    queue_id: str
    sender: str
    recipient: str
    size: int
    arrived_s: float
    lot: float
    pid: int  # of the process that delivers it
    tries: int = 0

    @property
    def domain(self) -> str:
        return self.recipient.rpartition("@")[2]


class Postfix:
    """Says what a Postfix would, in the order of time."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._lines: list[tuple[float, int, str]] = []
        self._pids = count(24_100)

    def text(self) -> str:
        """Give the whole log."""
        return "".join(line for _, _, line in sorted(self._lines))

    def say(self, at_s: float, service: str, text: str, *, pid: int | None = None) -> None:
        if at_s < _END_S:
            stamp = (_MIDNIGHT + timedelta(seconds=at_s)).isoformat(timespec="microseconds")
            pid = pid if pid is not None else _PIDS[service]
            line = f"{stamp} mx1 postfix/{service}[{pid}]: {text}\n"
            self._lines.append((at_s, len(self._lines), line))

    def chance(self) -> float:
        return self._random.random()

    def between(self, low: float, high: float) -> float:
        """Draw a time; short ones are likelier."""
        return low * (high / low) ** self._random.random()

    def new_id(self, at_s: float) -> str:
        """Name a queue file: microseconds, then the inode."""
        micros = int(at_s % 1 * 1e6)
        return f"{micros:05X}{self._random.randrange(0x20000, 0x60000):05X}"

    # -- a message's life

    def take(
        self, at_s: float, sender: str, recipient: str, client: str, size: int
    ) -> None:
        """Take a message from a client and try to deliver it."""
        mail = self._queue(at_s, sender, recipient, size, client)
        self._try(mail, at_s + self.between(0.03, 0.12))

    def _queue(
        self, at_s: float, sender: str, recipient: str, size: int, client: str | None
    ) -> Mail:
        lot, pid = self.chance(), next(self._pids)
        mail = Mail(self.new_id(at_s), sender, recipient, size, at_s, lot, pid)
        queue_id, (name, _, domain) = mail.queue_id, sender.partition("@")
        if client:
            self.say(at_s, "smtpd", f"{queue_id}: client={client}")
        at_s += 0.004
        unique = f"{int(self.chance() * 1e9):09d}.{name}@{domain or 'mx1.museum.example'}"
        self.say(at_s, "cleanup", f"{queue_id}: message-id=<{unique}>")
        self.say(
            at_s + 0.006,
            "qmgr",
            f"{queue_id}: from=<{sender}>, size={size}, nrcpt=1 (queue active)",
        )
        return mail

    def _try(self, mail: Mail, at_s: float) -> None:
        """Try once, and again later as long as it takes."""
        while True:
            mail.tries += 1
            said = self._answer(mail, at_s)
            at_s += said.setup_s + said.transfer_s
            self._tell(mail, said, at_s)
            if said.status != "deferred":
                if said.status == "bounced":
                    self._return(mail, at_s + 0.002)
                self.say(at_s + 0.01, "qmgr", f"{mail.queue_id}: removed")
                return
            age_s = at_s - mail.arrived_s
            at_s += min(max(age_s, _BACKOFF_S[0]), _BACKOFF_S[1])
            at_s += _QUEUE_RUN_S - at_s % _QUEUE_RUN_S + self.between(0.02, 2.0)
            if at_s - mail.arrived_s > _LIFETIME_S:
                words = "status=expired, returned to sender"
                self.say(at_s, "qmgr", f"{mail.queue_id}: from=<{mail.sender}>, {words}")
                self._return(mail, at_s + 0.002)
                self.say(at_s + 0.01, "qmgr", f"{mail.queue_id}: removed")
                return
            self.say(
                at_s,
                "qmgr",
                f"{mail.queue_id}: from=<{mail.sender}>, size={mail.size}, nrcpt=1 "
                "(queue active)",
            )

    def _tell(self, mail: Mail, said: Said, at_s: float) -> None:
        """Say how a try ended."""
        domain = _DOMAINS.get(mail.domain)
        waited_s = at_s - said.setup_s - said.transfer_s - mail.arrived_s
        delays = "/".join(
            map(_delay, (waited_s, 0.02 * self.chance(), said.setup_s, said.transfer_s))
        )
        relay, service, pid = "none", "smtp", mail.pid
        if domain is None:
            relay, service = "mx1.museum.example[private/dovecot-lmtp]", "lmtp"
        elif said.is_connected:
            relay = domain.relay
            if domain.tls is not None and "refused to talk" not in said.words:
                trust, _, tls = domain.tls.partition(" ")
                self.say(
                    at_s - said.transfer_s,
                    "smtp",
                    f"{trust} TLS connection established to {relay}: {tls}",
                    pid=pid,
                )
        elif said.words.startswith("connect to"):
            self.say(at_s - 0.001, "smtp", said.words, pid=pid)
        self.say(
            at_s,
            service,
            f"{mail.queue_id}: to=<{mail.recipient}>, relay={relay}, "
            f"delay={_delay(at_s - mail.arrived_s)}, delays={delays}, dsn={said.dsn}, "
            f"status={said.status} ({said.words})",
            pid=pid,
        )

    def _return(self, mail: Mail, at_s: float) -> None:
        """Send the sender a DSN, unless it is one itself (RFC 5321 section 6.1)."""
        if mail.sender:
            report = self._queue(at_s + 0.003, "", mail.sender, 20_411, None)
            self.say(
                at_s + 0.005,
                "bounce",
                f"{mail.queue_id}: sender non-delivery notification: {report.queue_id}",
            )
            self._try(report, at_s + 0.03)

    # -- what others answer

    def _answer(self, mail: Mail, at_s: float) -> Said:
        domain = _DOMAINS.get(mail.domain)
        if domain is None:
            words = f"250 2.0.0 <{mail.recipient}> {self.new_id(at_s)} Saved"
            return Said("sent", "2.0.0", words, 0.004, self.between(0.005, 0.05))
        refusal = _REFUSALS[domain.kind](mail, at_s)
        setup_s, transfer_s = self.between(0.08, 0.9), self.between(0.12, 2.5)
        place = f"{domain.host}[{domain.address}]"
        if refusal is None:
            ok = domain.ok.format(id=self.new_id(at_s))
            return Said("sent", "2.0.0", ok, setup_s, transfer_s)
        status, reply, at = refusal
        if at == "connect":
            words = f"connect to {domain.relay}: {reply}"
            return Said(status, "4.4.1", words, 30.0, 0.0, is_connected=False)
        if at == "dns":
            return Said(status, "5.4.4", reply, 0.05, 0.0, is_connected=False)
        if at == "lost":
            words = f"lost connection with {place} while sending end of data -- "
            words += "message may be sent more than once"
            return Said(status, "4.4.2", words, setup_s, 40 * transfer_s)
        dsn = reply.split()[1]
        if at == "greeting":
            words = f"host {place} refused to talk to me: {reply}"
            return Said(status, f"4{dsn[1:]}", words, setup_s, 0.0)
        words = f"host {place} said: {reply} (in reply to {at})"
        return Said(status, dsn, words, setup_s, transfer_s / 2)


_RCPT: Final = "RCPT TO command"
_DATA: Final = "end of DATA command"
Refusal = tuple[str, str, str] | None


def _content(mail: Mail, at_s: float) -> Refusal:
    if mail.lot < 0.03:
        return "bounced", f"550 5.1.1 <{mail.recipient}>: nobody of that name", _RCPT
    return None


def _crowded(mail: Mail, at_s: float) -> Refusal:
    """Refuse some of many: too fast at ten in the morning, full, or unknown."""
    if mail.lot < 0.04:
        return "bounced", "550 5.1.1 This account does not exist at bigmail", _RCPT
    if mail.lot < 0.1:
        return "deferred", "452 4.2.2 The account is over its quota", _RCPT
    if mail.lot > 0.7 and mail.sender.startswith("news") and mail.tries <= 2:
        words = f"421 4.7.0 Too many messages from {_ADDRESS} just now, slow down"
        return "deferred", words, "greeting" if mail.lot > 0.9 else "MAIL FROM command"
    return None


def _greylists(mail: Mail, at_s: float) -> Refusal:
    if at_s - mail.arrived_s < (300 if mail.lot < 0.7 else 1500):
        words = f"450 4.2.0 <{mail.recipient}>: Recipient address rejected: Greylisted"
        return "deferred", words, _RCPT
    return _content(mail, at_s)


def _filters(mail: Mail, at_s: float) -> Refusal:
    if mail.sender.startswith("news") and mail.lot < 0.8:
        return "bounced", "550 5.7.1 Our filter takes this message for spam", _DATA
    return None


def _blocks(mail: Mail, at_s: float) -> Refusal:
    """Refuse our address until somebody has asked for it to be taken off the list."""
    if at_s < 15 * _HOUR_S:
        words = (
            f"554 5.7.1 Service unavailable; client [{_ADDRESS}] blocked using bl.example"
        )
        return "deferred", words, "greeting"
    return None


def _is_down(mail: Mail, at_s: float) -> Refusal:
    is_down = at_s < 15.5 * _HOUR_S or mail.lot < 0.25
    return ("deferred", "Connection timed out", "connect") if is_down else None


def _breaks(mail: Mail, at_s: float) -> Refusal:
    return ("deferred", "", "lost") if mail.lot < 0.6 and mail.tries == 1 else None


def _is_gone(mail: Mail, at_s: float) -> Refusal:
    words = (
        f"Host or domain name not found. Name service error for name={mail.domain} type=A: "
        "Host not found"
    )
    return "bounced", words, "dns"


_REFUSALS: Final = {
    "content": _content,
    "crowded": _crowded,
    "greylists": _greylists,
    "filters": _filters,
    "blocks": _blocks,
    "is down": _is_down,
    "breaks": _breaks,
    "is gone": _is_gone,
}
_PIDS: Final = {
    **{"qmgr": 911, "smtpd": 23_417, "cleanup": 23_420, "bounce": 24_301, "anvil": 23_419},
    **{"postscreen": 23_410, "submission/smtpd": 23_500},
}


def _delay(seconds: float) -> str:
    """Write a delay with two digits, as Postfix does (``delay_logging_resolution_limit``).

    >>> [_delay(one) for one in (613.2, 2.94, 0.314, 0.001)]
    ['613', '2.9', '0.31', '0']
    """
    if seconds >= 10:
        return str(round(seconds))
    text = f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- two days


def _newsletter(postfix: Postfix, people: list[str]) -> None:
    """Send to everybody at ten in the morning, 25 to a connection."""
    app = "app.museum.example[192.0.2.10]"
    login = f"{app}, sasl_method=PLAIN, sasl_username=news@museum.example"
    at_s = 10 * _HOUR_S
    for start in range(0, len(people), 25):
        some = people[start : start + 25]
        postfix.say(at_s, "smtpd", f"connect from {app}")
        for person in some:
            at_s += postfix.between(0.8, 4.0)
            postfix.take(at_s, "news@museum.example", person, login, 18_204)
        n = len(some)
        counts = f"ehlo=2 starttls=1 auth=1 mail={n} rcpt={n} data={n} quit=1"
        at_s += 0.5
        words = f"disconnect from {app} {counts} commands={3 * n + 5}"
        postfix.say(at_s, "smtpd", words)


def _tickets(postfix: Postfix, people: list[str]) -> None:
    """Confirm what was bought, by day."""
    shop = "shop.museum.example[192.0.2.11]"
    login = f"{shop}, sasl_method=PLAIN, sasl_username=tickets@museum.example"
    for person in people:
        day, hour = int(postfix.chance() * 2), 8 + 12 * postfix.chance()
        at_s = (24 * day + hour) * _HOUR_S
        postfix.say(at_s, "smtpd", f"connect from {shop}")
        size = 6_000 + int(postfix.chance() * 900)
        postfix.take(at_s + 0.1, "tickets@museum.example", person, login, size)
        counts = "ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"
        postfix.say(at_s + 0.9, "smtpd", f"disconnect from {shop} {counts}")


def _incoming(postfix: Postfix, count: int) -> None:
    """Take mail for the museum."""
    for n in range(count):
        at_s = _END_S * postfix.chance()
        domain, server = list(_DOMAINS.items())[n % 6]
        client = f"{server.host}[{server.address}]"
        postfix.say(at_s, "smtpd", f"connect from {client}")
        whom = ("office", "tickets", "archive")[n % 3]
        sender = f"reader{n}@{domain}"
        postfix.take(at_s + 0.2, sender, f"{whom}@museum.example", client, 3_000 + 97 * n)
        counts = "ehlo=2 starttls=1 mail=1 rcpt=1 data=1 quit=1 commands=7"
        postfix.say(at_s + 0.9, "smtpd", f"disconnect from {client} {counts}")


def _knocks(postfix: Postfix, count: int) -> None:
    """Turn away those who want to relay, to guess, or who stand on a list."""
    for n in range(count):
        at_s = _END_S * postfix.chance()
        address = f"192.0.2.{100 + n % 120}"
        client = f"unknown[{address}]"
        end = "from=<offer@{d}> to=<{to}> proto=ESMTP helo=<{d}>".format(
            d="bulk.example", to=f"{'info' if n % 2 else 'sales'}@museum.example"
        )
        if n % 5 == 0:
            relay = end.replace("@museum", "@elsewhere")
            to = relay.partition("to=<")[2].partition(">")[0]
            reject = f"454 4.7.1 <{to}>: Relay access denied; {relay}"
        elif n % 5 == 1:
            name = end.partition("to=<")[2].partition(">")[0]
            unknown = "Recipient address rejected: User unknown in virtual mailbox table"
            reject = f"550 5.1.1 <{name}>: {unknown}; {end}"
        elif n % 5 == 2:
            failed = "SASL LOGIN authentication failed: authentication failure"
            warning = f"warning: {client}: {failed}, sasl_username=admin"
            postfix.say(at_s, "smtpd", f"connect from {client}")
            postfix.say(at_s + 1.2, "smtpd", warning)
            words = f"disconnect from {client} ehlo=1 auth=0/1 commands=1/2"
            postfix.say(at_s + 1.3, "smtpd", words)
            continue
        else:
            listed = f"client [{address}] blocked using bl.example"
            words = f"RCPT from [{address}]:{41_000 + n}: 550 5.7.1 Service unavailable"
            commas = re.sub(" (to|proto|helo)=", r", \1=", end)
            words = f"NOQUEUE: reject: {words}; {listed}; {commas}"
            postfix.say(at_s, "postscreen", words)
            continue
        postfix.say(at_s, "smtpd", f"connect from {client}")
        postfix.say(at_s + 0.4, "smtpd", f"NOQUEUE: reject: RCPT from {client}: {reject}")
        words = f"disconnect from {client} ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"
        postfix.say(at_s + 0.6, "smtpd", words)


def make() -> str:
    """Give the log's text; the same each time."""
    postfix = Postfix(seed=8)
    frame = sample("people", size=600, seed=8).frame
    names = frame["email"].str.partition("@")[0].drop_duplicates().tolist()
    domains = [name for name, one in _DOMAINS.items() for _ in range(one.share)]
    people = [f"{name}@{domains[n % len(domains)]}" for n, name in enumerate(names)]
    _newsletter(postfix, people[:300])
    _tickets(postfix, people[280:360])
    _incoming(postfix, 40)
    _knocks(postfix, 100)
    return postfix.text()


def packed(text: str) -> bytes:
    """Pack the log; without a time, so that it is the same each time."""
    return gzip.compress(text.encode("ascii"), 9, mtime=0)


def path_of() -> Path:
    """Give the file that the log is kept in."""
    return share_path("data") / "logs" / NAME


if __name__ == "__main__":
    path_of().write_bytes(packed(make()))
    print(path_of())
