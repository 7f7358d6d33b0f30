"""Policy file: an MTA-STS policy, fetched from its domain's web server (RFC 8461, 3.3).

One GET over TLS 1.2 or newer, the certificate verified, no redirect followed, everything
bounded.  HTTP itself is h11's; what the file says is `mta_sts`'s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import h11
import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.timeouts import Timeouts
from smtpbook.errors import RemoteProtocolError, TransportError
from smtpbook.escape import visible
from smtpbook.lookup.answer import Asker
from smtpbook.protocol.addresses import to_a_labels
from smtpbook.routes.addresses import addresses_of
from smtpbook.transport.connect import connect_to
from smtpbook.transport.stream import translated
from smtpbook.transport.tls import start_tls

# "a suggested timeout is one minute", "a suggested policy size limit is 64 kilobytes"
# -- RFC 8461 section 3.3
LIMIT_S: Final = 60.0
MAX_BYTES: Final = 64 * 1024
_PATH: Final = "/.well-known/mta-sts.txt"


async def fetch_policy(
    asker: Asker,
    domain: str,
    *,
    port: int = 443,
    ca_file: str | Path | None = None,
    limit_s: float = LIMIT_S,
) -> bytes:
    """Fetch a domain's policy file.

    Parameters
    ----------
    asker : Asker
        Knows the web server's addresses.
    domain : str
    port : int
        HTTPS's, but for tests.
    ca_file : path, optional
        Certificates to trust in place of the system's, as PEM.
    limit_s : float
        Seconds for all of it.

    Returns
    -------
    bytes

    Raises
    ------
    TransportError, TLSError
        The server cannot be reached, is too slow, or does not prove who it is.
    RemoteProtocolError
        It answers with something else than a policy file: no 200, no plain text, too much.
    LocalProtocolError
        The domain has no name that a web server could have.
    """
    host = f"mta-sts.{domain}"
    to_a_labels(host.replace("_", "-"))  # which real domains have
    account = Account(
        host=host,
        port=port,
        tls="implicit",
        ca_file=ca_file,
        timeouts=Timeouts.all(limit_s),
    )
    with translated(f"fetching the policy of {visible(domain)}", limit_s):
        addresses = await addresses_of(asker, host)
        if not addresses.found:
            raise TransportError(f"{visible(host)}: {addresses.error or 'no address'}")
        async with await connect_to(addresses.found, account, _Unheard()) as stream:
            return await _get(await start_tls(stream, account, _Unheard()), host)


class _Unheard:
    """Takes the steps of a connection that no log is kept of."""

    server_address: str | None = None
    tls: tuple[str | None, str | None] = (None, None)

    def note(self, *step: Any, **about: Any) -> None:
        """Forget a step."""


async def _get(stream: trio.abc.Stream, host: str) -> bytes:
    http = h11.Connection(h11.CLIENT)
    fields = [("Host", host), ("Accept", "text/plain"), ("Connection", "close")]
    asked = h11.Request(method="GET", target=_PATH, headers=fields)
    await stream.send_all(
        (http.send(asked) or b"") + (http.send(h11.EndOfMessage()) or b"")
    )
    body = bytearray()
    try:
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Response):
                _check(event)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BYTES:
                    raise RemoteProtocolError(f"{host}: more than {MAX_BYTES} octets")
    except h11.RemoteProtocolError as exc:
        raise RemoteProtocolError(f"{host}: no HTTP: {visible(str(exc))}") from exc
    return bytes(body)


def _check(answer: h11.Response) -> None:
    """Refuse what is no policy file.

    "Policies fetched via HTTPS are only valid if the HTTP response code is 200 (OK).  HTTP
    3xx redirects MUST NOT be followed"; "Senders SHOULD validate that the media type is
    "text/plain"" -- RFC 8461 sections 3.3 and 3.2
    """
    if answer.status_code != 200:
        raise RemoteProtocolError(
            f"the web server answers {answer.status_code} where the policy should be"
        )
    kind = next((value for name, value in answer.headers if name == b"content-type"), b"")
    if kind.split(b";")[0].strip().lower() != b"text/plain":
        shown = visible(kind.decode("latin-1"), max_chars=60)
        raise RemoteProtocolError(f"the policy is {shown or 'of no type'}, not text/plain")
