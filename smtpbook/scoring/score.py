"""Score: a message handed to the spam filter of this machine, and what it says as rows."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Iterator
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, get_args

import trio

from smtpbook.errors import LocalProtocolError, SMTPBookError, TransportTimeout, near_miss
from smtpbook.protocol.addresses import check_helo
from smtpbook.protocol.message import Message
from smtpbook.runner import SENDER, refuse_inside_trio
from smtpbook.scoring import rspamd, spamassassin
from smtpbook.scoring.ask import NobodyThere, Place
from smtpbook.scoring.verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

By = Literal["auto", "rspamd", "spamassassin"]

PATIENCE_S: Final = 60.0
"""For all of it; the program SpamAssassin reads its rules for seconds."""

_INSTALL: Final = {
    "rspamd": "apt-get install rspamd",
    "spamassassin": "apt-get install spamassassin spamd",
}
_SCHEMES: Final = {"http": "rspamd", "spamd": "spamassassin"}


def content_score(
    message: Message | EmailMessage | bytes,
    *,
    by: By = "auto",
    url: str | None = None,
    elsewhere: bool = False,
    ip: str | None = None,
    helo: str | None = None,
    patience_s: float = PATIENCE_S,
) -> pd.DataFrame:
    """Have a message judged by a spam filter on this machine.

    It tells what this filter, with its rules, makes of the content; receivers have filters
    of their own, which look at who sends and at who reads besides.

    Parameters
    ----------
    message : Message, EmailMessage or bytes
        Such as ``letter.render(row)``; of octets no envelope is known.
    by : {"auto", "rspamd", "spamassassin"}
        Default: the first that is there: rspamd, SpamAssassin's daemon spamd, the program
        ``spamassassin``.
    url : str, optional
        Where it listens: ``http://127.0.0.1:11333`` (rspamd), ``spamd://127.0.0.1:783``, or
        ``spamd:///run/spamd.sock``.  Default: these ports, and rspamd's controller at
        11334.
    elsewhere : bool
        Allow a URL of another machine: the message goes there without TLS.
    ip, helo : str, optional
        From where it will be sent, for rspamd, whose rules on the connection otherwise
        count against it.
    patience_s : float
        For the whole of it.

    Returns
    -------
    DataFrame
        A row for each rule that the message meets, the worst first: ``filter``, ``rule``,
        ``score`` (below 0 speaks for the message), ``description`` and ``options`` (what
        the rule found; string, null = none).  ``attrs``: ``filter``, ``total``,
        ``threshold`` (from which on it is spam), ``action`` (what the filter would do) and
        ``asked``, where it is.

    Raises
    ------
    SMTPBookError
        There is no filter here, and the message says what to install; or it answers
        something else than a filter does.
    TransportTimeout
        It took too long.
    LocalProtocolError
        An argument is not what it should be.
    RuntimeError
        Called where trio runs: use `content_score_async`.
    """
    refuse_inside_trio("content_score_async")
    return SENDER.run(
        partial(
            content_score_async,
            message,
            by=by,
            url=url,
            elsewhere=elsewhere,
            ip=ip,
            helo=helo,
            patience_s=patience_s,
        )
    )


async def content_score_async(
    message: Message | EmailMessage | bytes,
    *,
    by: By = "auto",
    url: str | None = None,
    elsewhere: bool = False,
    ip: str | None = None,
    helo: str | None = None,
    patience_s: float = PATIENCE_S,
) -> pd.DataFrame:
    """Do what `content_score` does, inside a trio program."""
    judged = _message(message)
    place = None if url is None else Place.parse(url, elsewhere=elsewhere)
    _check(by, place, ip, helo)
    missing: list[str] = []
    with trio.move_on_after(patience_s):
        for name, ask in _filters(judged, by, place, ip, helo):
            try:
                verdict = await ask()
            except NobodyThere as exc:
                missing.append(f"{exc}")
                continue
            return verdict.frame(asked=name)
        raise SMTPBookError(_nobody(by, missing))
    raise TransportTimeout(f"the spam filter has not answered within {patience_s:g} s")


_Ask = Callable[[], Awaitable[Verdict]]


def _filters(
    message: Message, by: By, place: Place | None, ip: str | None, helo: str | None
) -> Iterator[tuple[str, _Ask]]:
    """Give whom to ask, one after the other, and where each is."""
    wanted = _SCHEMES[place.scheme] if place is not None else by
    if wanted in ("auto", "rspamd"):
        for one in rspamd.PLACES if place is None else (place,):
            yield str(one), partial(rspamd.ask_rspamd, one, message, ip=ip, helo=helo)
    if wanted in ("auto", "spamassassin"):
        for one in spamassassin.PLACES if place is None else (place,):
            yield str(one), partial(spamassassin.ask_spamd, one, message)
        if place is None and spamassassin.is_installed():
            yield spamassassin.PROGRAM, partial(spamassassin.run_program, message)


def _check(by: By, place: Place | None, ip: str | None, helo: str | None) -> None:
    if by not in get_args(By):
        raise LocalProtocolError(
            f"by={by!a} is no filter{near_miss(str(by), get_args(By))}; expected one of "
            f"{', '.join(get_args(By))}"
        )
    if place is not None and by not in ("auto", _SCHEMES[place.scheme]):
        raise LocalProtocolError(
            f"by={by!r}, but a URL of {place.scheme}:// is {_SCHEMES[place.scheme]}'s"
        )
    if helo is not None:
        check_helo(helo)
    try:
        ipaddress.ip_address(ip or "127.0.0.1")
    except ValueError:
        raise LocalProtocolError(f"ip={ip!a} is not an IP address") from None


def _message(message: Message | EmailMessage | bytes) -> Message:
    if isinstance(message, Message):
        return message
    if isinstance(message, EmailMessage):
        return Message.from_email(message)
    if isinstance(message, bytes | bytearray):
        return Message(reverse_path=None, recipients=(), data=bytes(message))
    raise TypeError(
        f"a message is judged, such as letter.render(row), not a {type(message).__name__}"
    )


def _nobody(by: By, missing: list[str]) -> str:
    names = list(_INSTALL) if by == "auto" else [by]
    commands = " or ".join(_INSTALL[name] for name in names)
    return (
        f"no spam filter answers ({'; '.join(missing)}): install one on this machine and "
        f"start it, in Debian by {commands}, or say where it listens by url="
    )
