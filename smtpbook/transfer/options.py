"""Delivery options: what a sender asks of the server besides taking the message.

Each becomes a parameter of MAIL or RCPT where the server offers its extension.  Where it
does not, the option is left out if the message may go without it, and the message is
refused if that would do harm: the table `WITHOUT` says which.  What a parameter looks like
is in `protocol.parameters`; nothing here is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, NamedTuple

from smtpbook.errors import LocalProtocolError, near_miss
from smtpbook.protocol.addresses import Mailbox
from smtpbook.protocol.extensions import Extensions
from smtpbook.protocol.parameters import Parameters, encode_utf8_xtext, encode_xtext

Otherwise = Literal["left out", "refused"]
WITHOUT: Final[Mapping[str, Otherwise]] = {
    # Reports are asked for, not promised: wherever a later server lacks DSN, they end all
    # the same (RFC 3461 section 5.2.2), and failures are reported without being asked for.
    "DSN": "left out",
    # It would travel in clear text, or could, at a server that does not know better (RFC
    # 8689 section 4.2.1).
    "REQUIRETLS": "refused",
    # It would be delivered although it is too late, or go out at once.
    "DELIVERBY R": "refused",
    "FUTURERELEASE": "refused",
    # A delay is then reported when the server sees fit (RFC 2852).
    "DELIVERBY N": "left out",
    # It arrives, at the ordinary speed (RFC 6710).
    "MT-PRIORITY": "left out",
    # Who submitted it is known to the next server alone (RFC 4954 section 5).
    "AUTH": "left out",
    # One reply is then for all.
    "PRDR": "left out",
    # DATA would break it: lines, dots and NULs (RFC 3030 section 3).
    "BINARYMIME": "refused",
}

_NOTIFY: Final = ("never", "success", "failure", "delay")
_RETURNS: Final = {"full": "FULL", "headers": "HDRS"}
_IF_LATE: Final = {"return": "R", "notify": "N"}
# Nine digits, with or without a sign: by-time of RFC 2852; HOLDFOR of RFC 4865 has as many
_MAX_SECONDS: Final = 999_999_999
# RFC 3461 sections 4.4 (ENVID) and 4.2 (ORCPT), both as encoded
_MAX_ENVELOPE_ID: Final = 100
_MAX_ORCPT: Final = 500


class _Wanted(NamedTuple):
    row: str  # of WITHOUT
    name: str
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryOptions:
    """What to ask of the server for a message; each is left out unless given.

    Attributes
    ----------
    notify : str or iterable of str
        When to report to the reverse-path: any of ``"success"``, ``"failure"``,
        ``"delay"``, or ``"never"`` alone.  The recipient is told along as the original one.
        DSN; not offered: left out.
    returns : {"full", "headers"}
        How much of the message a report of failure holds.  DSN; not offered: left out.
    envelope_id : str
        Comes back in each report; printable ASCII, at most 100 characters as encoded.  DSN;
        not offered: left out.
    original_recipients : mapping of str to str
        By recipient, the address it was first written to; None as for every other, itself
        where `notify` asks for reports.  DSN; not offered: left out.
    requires_tls : bool
        TLS all the way, or no delivery.  REQUIRETLS; not offered, or the session itself not
        under TLS, or only under an opportunistic one: the message is refused.
    deliver_by_s : int
        Within so many seconds, up to nine digits; negative only with ``"notify"``.
        DELIVERBY; not offered: refused with ``"return"``, left out with ``"notify"``.
        Refused, too, below the least time the server announces for ``"return"``.
    if_late : {"return", "notify"}
        What happens then: it comes back undelivered, or a delay is reported.
    traces_relay : bool
        Report also where it goes on to a server without DELIVERBY.
    hold_for_s : int
        Deliver after so many seconds, 1 to 999999999.  FUTURERELEASE; not offered, or
        longer than the server announces: the message is refused.
    hold_until : datetime
        Deliver not before; with its time zone.  As `hold_for_s`, which excludes it.
    priority : int
        -9 to 9, 0 is ordinary.  MT-PRIORITY; not offered: left out.
    submitter : str
        Who submitted the message first, ``""`` if that is not to be said.  AUTH= of MAIL;
        AUTH not offered: left out.
    reply_per_recipient : bool
        Have the server judge the content for each recipient by itself.  PRDR; not offered,
        or only one recipient: left out.
    is_binary : bool
        The mail data is sent octet by octet as given, whatever its lines.  BINARYMIME with
        CHUNKING; not offered, or sent by DATA: the message is refused.

    Raises
    ------
    ValueError
        A value is outside of its range, or excludes another.

    References
    ----------
    RFC 3461 section 4 and RFC 6533 section 3 (DSN), RFC 8689 (REQUIRETLS), RFC 2852
    (DELIVERBY), RFC 4865 section 3 (FUTURERELEASE), RFC 6710 section 3 (MT-PRIORITY), RFC
    4954 section 5 (AUTH=), draft-hall-prdr-00 (PRDR), RFC 3030 section 3 (BINARYMIME).

    Examples
    --------
    >>> options = DeliveryOptions(notify="failure", returns="headers", envelope_id="Q1")
    >>> offered = Extensions(keywords={"DSN": ()})
    >>> options.for_mail(offered)
    (('RET', 'HDRS'), ('ENVID', 'Q1'))
    >>> options.for_rcpt(Mailbox.parse("bob@x.example"), offered)
    (('NOTIFY', 'FAILURE'), ('ORCPT', 'rfc822;bob@x.example'))
    """

    notify: str | Iterable[str] = ()
    returns: Literal["full", "headers"] | None = None
    envelope_id: str | None = None
    original_recipients: Mapping[str, str] | Iterable[tuple[str, str]] = ()
    requires_tls: bool = False
    deliver_by_s: int | None = None
    if_late: Literal["return", "notify"] = "return"
    traces_relay: bool = False
    hold_for_s: int | None = None
    hold_until: datetime | None = None
    priority: int | None = None
    submitter: str | None = None
    reply_per_recipient: bool = False
    is_binary: bool = False
    _mail: tuple[_Wanted, ...] = field(init=False, repr=False, compare=False)
    _notify: str | None = field(init=False, repr=False, compare=False)
    _originals: dict[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def put(name: str, value: object) -> None:
            object.__setattr__(self, name, value)

        put("notify", _checked_notify(self.notify))
        put("original_recipients", _checked_originals(self.original_recipients))
        _one_of("returns", self.returns, (*_RETURNS, None))
        _one_of("if_late", self.if_late, _IF_LATE)
        _whole("hold_for_s", self.hold_for_s, 1, _MAX_SECONDS)
        _whole("priority", self.priority, -9, 9)
        earliest = 1 if self.if_late == "return" else -_MAX_SECONDS
        _whole("deliver_by_s", self.deliver_by_s, earliest, _MAX_SECONDS)
        if self.hold_for_s is not None and self.hold_until is not None:
            raise ValueError("hold_for_s and hold_until exclude each other")
        if self.hold_until is not None and (
            not isinstance(self.hold_until, datetime) or self.hold_until.tzinfo is None
        ):
            raise ValueError(
                "hold_until is a datetime with a time zone, such as datetime.UTC"
            )
        put("_mail", tuple(self._wanted()))
        put("_notify", ",".join(map(str.upper, self.notify)) or None)
        put("_originals", dict(self._encoded_originals()))

    def _wanted(self) -> Iterator[_Wanted]:
        """Give the parameters of MAIL, each with its row of `WITHOUT`."""
        if self.returns is not None:
            yield _Wanted("DSN", "RET", _RETURNS[self.returns])
        if self.envelope_id is not None:
            yield _Wanted("DSN", "ENVID", _checked_envelope_id(self.envelope_id))
        if self.requires_tls:
            yield _Wanted("REQUIRETLS", "REQUIRETLS", None)
        if self.deliver_by_s is not None:
            mode = _IF_LATE[self.if_late]
            value = f"{self.deliver_by_s};{mode}{'T' if self.traces_relay else ''}"
            yield _Wanted(f"DELIVERBY {mode}", "BY", value)
        if self.hold_for_s is not None:
            yield _Wanted("FUTURERELEASE", "HOLDFOR", str(self.hold_for_s))
        if self.hold_until is not None:
            until = self.hold_until.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield _Wanted("FUTURERELEASE", "HOLDUNTIL", until)
        if self.priority is not None:
            yield _Wanted("MT-PRIORITY", "MT-PRIORITY", str(self.priority))
        if self.submitter is not None:
            yield _Wanted("AUTH", "AUTH", _checked_submitter(self.submitter))
        if self.reply_per_recipient:
            yield _Wanted("PRDR", "PRDR", None)
        if self.is_binary:
            yield _Wanted("BINARYMIME", "BODY", "BINARYMIME")

    def _encoded_originals(self) -> Iterator[tuple[str, str]]:
        for recipient, original in dict(self.original_recipients).items():
            encoded = _orcpt(str(_mailbox("original_recipients", original)))
            if len(encoded) > _MAX_ORCPT:
                raise ValueError(
                    f"original_recipients: {original[:80]!a} is longer than {_MAX_ORCPT} "
                    "characters as encoded"
                )
            yield str(_mailbox("original_recipients", recipient)), encoded

    def for_mail(
        self,
        extensions: Extensions,
        *,
        recipients: int = 1,
        is_secure: bool = False,
        is_chunked: bool = False,
    ) -> Parameters:
        """Give the parameters for MAIL at this server.

        Parameters
        ----------
        extensions : Extensions
        recipients : int
            How many the message has.
        is_secure : bool
            The session is under TLS, with a server that has proved who it is.
        is_chunked : bool
            The mail data is sent by BDAT.

        Raises
        ------
        LocalProtocolError
            The message must not be sent here without what the server does not offer, or is
            beyond what it announces.
        """
        parameters: list[tuple[str, str | None]] = []
        for row, name, value in self._mail:
            if name == "PRDR" and recipients < 2:
                continue
            extension = row.partition(" ")[0]
            if extension in extensions.keywords:
                parameters.append((name, value))
            elif WITHOUT[row] == "refused":
                raise LocalProtocolError(
                    f"the message asks for {name}{f'={value}' if value else ''}, and the "
                    f"server does not offer {extension}; send it elsewhere, or without"
                )
        self._check_limits(extensions)
        if self.requires_tls and not is_secure:
            raise LocalProtocolError(
                "the message requires TLS, and this session has none that proves who the "
                'server is; use tls="starttls" or tls="implicit"'
            )
        if self.is_binary and not (is_chunked and extensions.has_chunking):
            raise LocalProtocolError(
                "binary mail data goes by BDAT alone (RFC 3030 section 3): the server must "
                "offer CHUNKING, and chunking must be asked for"
            )
        return tuple(parameters)

    def _check_limits(self, extensions: Extensions) -> None:
        """Refuse what the server has announced that it refuses."""
        least, seconds = extensions.min_deliver_by_s, self.deliver_by_s
        if least and seconds is not None and self.if_late == "return" and seconds < least:
            raise LocalProtocolError(
                f"deliver_by_s={seconds}: the server needs {least} seconds or more"
            )
        longest, latest = extensions.max_hold_s, extensions.max_hold_until
        if longest and self.hold_for_s is not None and self.hold_for_s > longest:
            raise LocalProtocolError(
                f"hold_for_s={self.hold_for_s}: the server holds {longest} seconds at most"
            )
        if latest and self.hold_until is not None and self.hold_until > latest:
            raise LocalProtocolError(
                f"hold_until={self.hold_until}: the server holds until {latest} at most"
            )

    def for_rcpt(self, recipient: Mailbox, extensions: Extensions) -> Parameters:
        """Give the parameters for a recipient's RCPT at this server."""
        if "DSN" not in extensions.keywords:
            return ()
        parameters: list[tuple[str, str | None]] = []
        original = self._originals.get(str(recipient))
        if self._notify is not None:
            parameters.append(("NOTIFY", self._notify))
            if original is None and self._notify != "NEVER":
                original = _orcpt(str(recipient))
        if original is not None and len(original) <= _MAX_ORCPT:
            parameters.append(("ORCPT", original))
        return tuple(parameters)


def _checked_notify(notify: str | Iterable[str]) -> tuple[str, ...]:
    if not isinstance(notify, Iterable):
        _one_of("notify", notify, _NOTIFY)
    words = notify.replace(",", " ").split() if isinstance(notify, str) else list(notify)
    given = [str(word).lower() for word in words]
    for word in given:
        _one_of("notify", word, _NOTIFY)
    if "never" in given and len(given) > 1:
        raise ValueError('notify: "never" stands alone (RFC 3461 section 4.1)')
    return tuple(word for word in _NOTIFY if word in given)


def _checked_originals(
    given: Mapping[str, str] | Iterable[tuple[str, str]],
) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(dict(given).items())
    except (TypeError, ValueError):
        raise ValueError(
            f"original_recipients={given!r} does not name an address for each recipient, "
            'as {"ann@example.org": "ann@before.example"} does'
        ) from None


def _checked_envelope_id(text: str) -> str:
    # What it stands for is printable ASCII, blanks included -- RFC 3461 section 4.4
    if not (isinstance(text, str) and text and text.isascii() and text.isprintable()):
        raise ValueError(f"envelope_id {text!a:.80} is not printable ASCII")
    encoded = encode_xtext(text)
    if len(encoded) > _MAX_ENVELOPE_ID:
        raise ValueError(
            f"envelope_id is longer than {_MAX_ENVELOPE_ID} characters as encoded"
        )
    return encoded


def _checked_submitter(text: str) -> str:
    if text == "":
        return "<>"
    mailbox = str(_mailbox("submitter", text))
    if not mailbox.isascii():
        raise ValueError(f"submitter {text[:80]!a} is not ASCII, and AUTH= is")
    return encode_xtext(mailbox)


def _mailbox(name: str, text: str) -> Mailbox:
    if not isinstance(text, str):
        raise ValueError(f"{name}={text!r} is not an address")
    try:
        return Mailbox.parse(text)
    except LocalProtocolError as exc:
        raise ValueError(f"{name}: {exc}") from None


def _orcpt(address: str) -> str:
    if address.isascii():
        return f"rfc822;{encode_xtext(address)}"
    return f"utf-8;{encode_utf8_xtext(address)}"


def _one_of(name: str, value: object, choices: Iterable[object]) -> None:
    choices = list(choices)
    if value not in choices:
        words = [choice for choice in choices if isinstance(choice, str)]
        raise ValueError(
            f"{name}={value!r} is not one of {', '.join(map(repr, words))}"
            f"{near_miss(str(value), words)}"
        )


def _whole(name: str, value: object, least: int, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name}={value!r} is not a whole number from {least} to {most}")
