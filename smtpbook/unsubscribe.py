"""Unsubscribe: the header fields and the link by which one reader leaves a list.

Both carry a token that names the reader's address and is signed, so nobody can take
somebody else off a list, and no table of tokens has to be kept.  Nothing here listens for
the requests that come back, or keeps them: that is `receiver`.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.header import Header
from email.utils import quote as quoted
from email.utils import unquote as unquoted
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit

from smtpbook.errors import RecipientsError
from smtpbook.escape import visible
from smtpbook.protocol.addresses import Mailbox
from smtpbook.signing import SigningKey, new_secret

ONE_CLICK: Final = ("List-Unsubscribe", "One-Click")
"""The field that a one-click request must carry (RFC 8058 section 3.2), and its value."""

SUBJECT: Final = "unsubscribe"
"""The word before the token in the subject of a request by mail."""

_TOKEN: Final = "{token}"  # noqa: S105 - where it stands in a URL
_VERSION: Final = b"\x01"
_PURPOSE: Final = "smtpbook unsubscribe"
# "The maximum total length of a text line including the <CRLF> is 1000 octets"
# -- RFC 5321 section 4.5.3.1.6
_MAX_LINE: Final = 998
# With the longest token, of 496 characters, one URI still fits into a line.
_MAX_URI: Final = 400
_MAX_CAMPAIGN: Final = 100
_MAX_LIST_ID: Final = 255  # RFC 2919
_MAX_PHRASE: Final = 100

_URI: Final = re.compile(r"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]*")  # RFC 3986 appendix A
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LIST_ID: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})+")
_ATOMS: Final = re.compile(rf"{_ATOM}(?: {_ATOM})*")

Given: TypeAlias = "bytes | str | os.PathLike[str] | Callable[[], object] | SigningKey"


class Unsubscribed(NamedTuple):
    """Who asked for no more mail.

    Attributes
    ----------
    address : str
        As `Mailbox.key` spells it: lower case, the domain in A-labels.
    label : str or None
        The campaign that was left; None = all of them.
    """

    address: str
    label: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """How the readers of a letter leave: by one click, by a web page, by mail.

    Parameters
    ----------
    url : str, optional
        Where the receiver is asked: ``https://`` (``http://`` on this machine only, for
        trying it).  The token stands where ``{token}`` does, else it is added as the
        parameter ``token``.
    mailto : str, optional
        The address that requests by mail go to.  At least one of the two is needed.
    secret : bytes, str, Path or callable
        What tokens are signed with, of at least 16 octets: itself, in a file made by
        `new_secret`, or given by a callable such as ``FromEnvironment("NAME")``.  It is
        asked for once, now.
    list_id : str, optional
        ``"News <news.example.org>"``, or without the name.
    campaign : str, optional
        The campaign that readers leave.  Default: all of them.
    old_secrets : sequence, optional
        Secrets of letters already sent, for reading only.  Putting a new one in front and
        the old ones here is how a secret is changed.

    Raises
    ------
    ValueError
        One of them is not what it should be; the message never shows a secret.
    LocalProtocolError
        `mailto` is no address.

    Notes
    -----
    One click needs `url` with https, and a DKIM signature that covers List-Unsubscribe
    and List-Unsubscribe-Post (RFC 8058 section 3.1); the one who sends signs.

    A secret that was given itself is not pickled; a path or a callable is, and is asked
    again where it arrives.

    Examples
    --------
    >>> unsubscribe = Unsubscribe(
    ...     url="https://news.example.org/leave",
    ...     mailto="leave@news.example.org",
    ...     secret=bytes(16),
    ... )
    >>> token = unsubscribe.token("Ann@X.example")
    >>> token
    'AWFubkB4LmV4YW1wbGX1SVRS8XSHxcSTc3j2Je_S'
    >>> unsubscribe.read(token)
    Unsubscribed(address='ann@x.example', label=None)
    >>> unsubscribe.link("Ann@X.example") == f"https://news.example.org/leave?token={token}"
    True
    >>> list(unsubscribe.headers("Ann@X.example"))
    ['List-Unsubscribe', 'List-Unsubscribe-Post']

    References
    ----------
    RFC 2369 section 3.2 (List-Unsubscribe), RFC 8058 (one click), RFC 2919 (List-Id), RFC
    6068 (mailto), RFC 2104 (HMAC), RFC 4648 section 5 (base64url).
    """

    url: str | None = None
    mailto: str | None = None
    secret: Given
    list_id: str | None = None
    campaign: str | None = None
    old_secrets: Sequence[Given] = ()
    _keys: tuple[SigningKey, ...] = field(init=False, repr=False, compare=False)
    _web: _Web | None = field(init=False, repr=False, compare=False)
    _mail: str = field(init=False, repr=False, compare=False)
    _fixed: tuple[tuple[str, str], ...] = field(init=False, repr=False, compare=False)
    _label: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.url is None and self.mailto is None:
            raise ValueError("unsubscribing needs url=, mailto= or both")
        keys = tuple(_key(given) for given in (self.secret, *self.old_secrets))
        web = None if self.url is None else _Web.of(self.url)
        fixed = []
        if web is not None and web.is_https:
            fixed.append(("List-Unsubscribe-Post", "=".join(ONE_CLICK)))
        if self.list_id is not None:
            fixed.append(("List-Id", _list_id(self.list_id)))
        put = object.__setattr__
        put(self, "secret", keys[0])
        put(self, "old_secrets", keys[1:])
        put(self, "_keys", keys)
        put(self, "_web", web)
        put(self, "_mail", "" if self.mailto is None else _mail_uri(self.mailto))
        put(self, "_fixed", tuple(fixed))
        put(self, "_label", b"" if self.campaign is None else _label(self.campaign))

    new_secret = staticmethod(new_secret)

    def token(self, address: str | Mailbox) -> str:
        """Give the token of a recipient: letters, digits, ``-`` and ``_``.

        The same address, however it is spelled, always has the same one.

        Raises
        ------
        LocalProtocolError
            It is no address.
        """
        mailbox = Mailbox.parse(address) if isinstance(address, str) else address
        return self._keys[0].seal(_VERSION + mailbox.key.encode() + self._label)

    def read(self, token: str) -> Unsubscribed:
        """Say whose token it is.

        Raises
        ------
        RecipientsError
            It was not made with one of the secrets, or a character of it is missing or
            changed.
        """
        opened = [key.open(token) for key in self._keys]
        body = next((body for body in opened if body is not None), None)
        if body is None:
            raise RecipientsError(
                "not an unsubscribe token of ours: cut off, changed, or signed with "
                "another secret; secrets used before are given as old_secrets="
            )
        if not body.startswith(_VERSION):
            raise RecipientsError("this token is of a later version of smtpbook")
        address, _, label = body.removeprefix(_VERSION).decode().partition("\n")
        return Unsubscribed(address, label or None)

    def headers(self, address: str | Mailbox) -> dict[str, str]:
        """Give a recipient's header fields: ASCII, each on one line.

        ``List-Unsubscribe``; ``List-Unsubscribe-Post`` if `url` is https; ``List-Id`` if
        there is one.  For the rare address so long that both URIs do not fit into a line
        of 998 octets, ``List-Unsubscribe`` has the one of the web alone.

        Raises
        ------
        LocalProtocolError
            It is no address.

        References
        ----------
        RFC 8058 section 3.1: exactly one HTTPS URI, besides others such as mailto.
        """
        token = self.token(address)
        value = f"<{self._mail}{token}>" if self._mail else ""
        if self._web is not None:
            web = f"<{self._web.before}{token}{self._web.after}>"
            both = f"{web}, {value}" if value else web
            value = both if len(both) <= _MAX_LINE - len("List-Unsubscribe: ") else web
        return {"List-Unsubscribe": value, **dict(self._fixed)}

    def link(self, address: str | Mailbox) -> str:
        """Give the link that a recipient sees: of the web if there is one, else mailto.

        Raises
        ------
        LocalProtocolError
            It is no address.
        """
        token = self.token(address)
        if self._web is None:
            return f"{self._mail}{token}"
        return f"{self._web.before}{token}{self._web.after}"

    def token_in(self, target: str) -> str | None:
        """Find the token in the target of a request, such as ``/leave?token=…``.

        Returns
        -------
        str or None
            What stands where `link` put the token, unchecked; ``""`` if nothing does.
            None = a page that `link` does not lead to.
        """
        return None if self._web is None else self._web.token_in(target)


def _key(given: Given) -> SigningKey:
    return given if isinstance(given, SigningKey) else SigningKey(given, _PURPOSE)


@dataclass(frozen=True, slots=True)
class _Web:
    """A URL with a place for the token."""

    before: str
    after: str
    is_https: bool
    path: re.Pattern[str]
    parameter: str | None  # None = the token is in the path

    @classmethod
    def of(cls, url: str) -> _Web:
        given = url
        if _TOKEN not in url:
            end = "" if url[-1:] in ("?", "&") else "&" if "?" in url else "?"
            url = f"{url}{end}token={_TOKEN}"
        before, _, after = url.partition(_TOKEN)
        if not (_URI.fullmatch(before) and _URI.fullmatch(after)):
            raise _wrong_url(given, "it may hold ASCII, no blank, no '#', and {token} once")
        if len(before) + len(after) > _MAX_URI:
            raise _wrong_url(given, f"it is longer than {_MAX_URI} characters")
        is_https = _check_server(given)
        parts = urlsplit(url)
        head, in_path, tail = parts.path.partition(_TOKEN)
        names = [name for name, value in parse_qsl(parts.query) if value == _TOKEN]
        if not (in_path or names):
            raise _wrong_url(given, "{token} is a part of the path or a parameter's value")
        start = "/?" if head in ("", "/") and not (in_path or tail) else re.escape(head)
        path = start + ("([^/]*)" if in_path else "") + re.escape(tail)
        return cls(before, after, is_https, re.compile(path), None if in_path else names[0])

    def token_in(self, target: str) -> str | None:
        path, _, query = target.partition("?")
        match = self.path.fullmatch(path)
        if match is None or self.parameter is None:
            return match and match[1]
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=100)
        except ValueError:
            return ""
        return dict(fields).get(self.parameter, "")


def _check_server(url: str) -> bool:
    """Say whether a URL is https; refuse what is neither that nor of this machine."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise _wrong_url(url, "its host or port cannot be read") from None
    if not host or _TOKEN in parts.netloc:
        raise _wrong_url(url, "it names no host")
    if "@" in parts.netloc:
        raise ValueError("url: it holds a login, which every reader would see")
    if parts.scheme == "http" and _is_loopback(host):
        return False
    # "The List-Unsubscribe header field MUST contain one HTTPS URI" -- RFC 8058 section 3.1
    if parts.scheme != "https":
        raise _wrong_url(url, "it must be https://, or http:// on this machine only")
    return True


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wrong_url(url: str, reason: str) -> ValueError:
    shown = visible(url, max_chars=80)
    return ValueError(
        f"url {shown!r} cannot be used: {reason}; expected such as "
        f"https://news.example.org/leave"
    )


def _mail_uri(address: str) -> str:
    mailbox = Mailbox.parse(address)
    if mailbox.needs_smtputf8:
        raise ValueError(
            f"mailto {visible(address)!r} needs SMTPUTF8, which few readers' servers have"
        )
    # RFC 6068 section 2: all but these is percent-encoded, blanks as %20.
    to = f"{quote(mailbox.local_part, safe='!$*+')}@{quote(mailbox.domain, safe=':')}"
    return f"mailto:{to}?subject={SUBJECT}%20"


def _list_id(text: str) -> str:
    """Give the value of List-Id.

    References
    ----------
    RFC 2919 section 3, with erratum 3951: ``[phrase / CFWS] "<" list-id ">"``.
    """
    match = re.fullmatch(r"\s*(?:(.*?)\s*<([^<>]*)>|([^<>]*))\s*", text)
    phrase, name = (match[1] or "", match[2] or match[3] or "") if match else ("", "")
    if not _LIST_ID.fullmatch(name) or len(name) > _MAX_LIST_ID:
        raise ValueError(
            f"list_id {visible(text, max_chars=80)!r} cannot be used; expected such as "
            f"'News <news.example.org>': words with dots between them, at most "
            f"{_MAX_LIST_ID} characters"
        )
    phrase = unquoted(phrase)
    if visible(phrase) != phrase or "\t" in phrase or len(phrase) > _MAX_PHRASE:
        raise ValueError(
            f"list_id: the name before <{name}> holds a control character or is longer "
            f"than {_MAX_PHRASE} characters"
        )
    if not phrase:
        return f"<{name}>"
    if not phrase.isascii():
        phrase = Header(phrase, "utf-8").encode(linesep="")
    elif not _ATOMS.fullmatch(phrase) or "=?" in phrase:
        phrase = f'"{quoted(phrase)}"'
    return f"{phrase} <{name}>"


def _label(campaign: str) -> bytes:
    label = campaign.encode("utf-8", "surrogatepass")
    is_plain = visible(campaign) == campaign == campaign.strip() and "\t" not in campaign
    if not is_plain or not 0 < len(label) <= _MAX_CAMPAIGN:
        raise ValueError(
            f"campaign {visible(campaign, max_chars=80)!r} cannot be a label: 1 to "
            f"{_MAX_CAMPAIGN} octets, no control characters, no blanks at its ends"
        )
    return b"\n" + label


def masked(address: str) -> str:
    """Give an address as a log may show it: who is at home there is not told.

    >>> masked("ann@x.example")
    'a•••@x.example'
    """
    local_part, _, domain = address.rpartition("@")
    return visible(f"{local_part[:1]}•••@{domain}")
