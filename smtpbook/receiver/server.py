"""Server: answers the links of unsubscribing, and keeps who followed them.

A reference for trying the links and for small lists, over plain HTTP: it belongs behind a
proxy that ends TLS, passes the path as it is and limits how often one client may ask.

Theory of operation.  GET shows a page and changes nothing, because programs that check mail
follow its links.  POST, from the page's button or from one click in a mail program, puts
the address into the suppression list, whose `add` returns when it is on disk; only then is
it answered with 200.  Each request has a connection and a thread of its own.  A fixed
number of them is at work, the next waits unaccepted; one that has not been read to its end
in time is cut off, so slow clients cannot hold all threads.
"""

from __future__ import annotations

import math
import os
import re
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from smtpbook.errors import RecipientsError, SMTPBookError
from smtpbook.escape import visible
from smtpbook.receiver import pages
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.unsubscribe import ONE_CLICK, Unsubscribe, Unsubscribed, masked

MAX_BODY: Final = 4096
"""Octets of a request's body; one click takes 26 or 124 (RFC 8058 section 8)."""

MAX_THREADS: Final = 32
_POLL_S: Final = 0.1  # how often overdue requests are looked for
_MAX_DRAINED: Final = 1 << 20  # octets

_LENGTH: Final = re.compile(r"[0-9]{1,18}")
# The boundary is not looked at.  The example of RFC 8058 section 8.3 declares one that its
# own body does not have (erratum 5117), and some send it as it is printed there.
_FORM_FIELD: Final = re.compile(
    rb'\bname="?%s"?[^\r\n]*\r?\n(?:[^\r\n]+\r?\n)*\r?\n[ \t]*%s[ \t]*\r?\n'
    % tuple(word.encode() for word in ONE_CLICK)
)


class UnsubscribeServer:
    """A server of unsubscribe links, in threads of its own, until `close`.

    Parameters
    ----------
    unsubscribe : Unsubscribe
        As in the letters; it must have a `url`, whose path is answered here.
    suppression : SuppressionList
        Where addresses are kept, with the reason ``unsubscribed`` and, if the token has a
        label, for that campaign alone.
    host : str
        The address to listen at.
    port : int
        Default: any free one.
    log : callable, optional
        Gets a line for each request, the address masked.  Default: standard error.
    timeout_s : float
        Seconds a client has to send its request.
    max_threads : int
        Requests that are worked on at the same time.

    Raises
    ------
    ValueError
        `unsubscribe` has no `url`.
    OSError
        It cannot listen there.

    Examples
    --------
    >>> import tempfile, urllib.request
    >>> unsubscribe = Unsubscribe(url="https://x.example/leave", secret=bytes(16))
    >>> stop = SuppressionList.open(f"{tempfile.mkdtemp()}/never.csv")
    >>> with UnsubscribeServer(unsubscribe, stop, log=lambda line: None) as server:
    ...     click = b"List-Unsubscribe=One-Click"
    ...     link = server.link("ann@y.example")
    ...     urllib.request.urlopen(link, click, timeout=10).status
    200
    >>> "ann@y.example" in stop
    True
    """

    def __init__(
        self,
        unsubscribe: Unsubscribe,
        suppression: SuppressionList,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        log: Callable[[str], object] | None = None,
        timeout_s: float = 10.0,
        max_threads: int = MAX_THREADS,
    ) -> None:
        if unsubscribe.url is None:
            raise ValueError("a server of links needs an Unsubscribe with url=")
        self._unsubscribe = unsubscribe
        self._host = host
        desk = _Desk(unsubscribe, suppression, log or _to_stderr)
        self._http = _HTTPServer((host, port), desk, timeout_s, max_threads)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            args=(_POLL_S,),
            name="smtpbook-unsubscribes",
            daemon=True,
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens at."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """Where it is asked, without a path."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def link(self, address: str) -> str:
        """Give a recipient's link with this server in place of the public one.

        Raises
        ------
        LocalProtocolError
            It is no address.
        """
        parts = urlsplit(self._unsubscribe.link(address))
        query = f"?{parts.query}" if parts.query else ""
        return f"{self.url}{parts.path or '/'}{query}"

    def wait(self) -> None:
        """Wait until it is closed, or the wait is interrupted."""
        self._thread.join()

    def close(self) -> None:
        """Stop listening, answer what has been read, drop what has not."""
        if self._thread.is_alive():
            self._http.shutdown()
        self._http.cut_off(math.inf)
        self._http.server_close()

    def __enter__(self) -> UnsubscribeServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def serve_unsubscribes(
    unsubscribe: Unsubscribe,
    suppression: SuppressionList,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Callable[[UnsubscribeServer], object] | None = None,
    log: Callable[[str], object] | None = None,
) -> None:
    """Serve unsubscribe links until interrupted.

    Parameters
    ----------
    unsubscribe, suppression, host, port, log
        As for `UnsubscribeServer`.
    ready : callable, optional
        Called with the server when it listens; its ``close()``, from any thread, ends this.

    Raises
    ------
    ValueError
        `unsubscribe` has no `url`.
    OSError
        It cannot listen there.
    KeyboardInterrupt
        Ctrl-C, after what was under way has been answered.

    References
    ----------
    RFC 8058 section 3.2 (one click), RFC 9110 (HTTP).
    """
    with UnsubscribeServer(
        unsubscribe, suppression, host=host, port=port, log=log
    ) as server:
        if ready is not None:
            ready(server)
        server.wait()


class _Desk:
    """Where requests are read and kept, whoever brings them."""

    def __init__(
        self,
        unsubscribe: Unsubscribe,
        suppression: SuppressionList,
        log: Callable[[str], object],
    ) -> None:
        self.token_in = unsubscribe.token_in
        self.read = unsubscribe.read
        self._suppression = suppression
        self._log = log

    def keep(self, asked: Unsubscribed) -> bool:
        """Put somebody on the list; when this gives True, it is on disk."""
        try:
            self._suppression.add(
                asked.address, reason="unsubscribed", campaign=asked.label
            )
        except (SMTPBookError, OSError) as error:
            print(
                f"smtpbook: {masked(asked.address)} could not be unsubscribed and was told "
                f"to try again: {visible(str(error))}",
                file=sys.stderr,
                flush=True,
            )
            return False
        return True

    def note(self, said: str) -> None:
        self._log(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {said}")


class _HTTPServer(socketserver.ThreadingTCPServer):
    """Threads, as many as are allowed, and an eye on slow clients.

    Not http.server's: that one asks DNS for its own name when it starts.
    """

    allow_reuse_address = os.name == "posix"
    request_queue_size = 128
    daemon_threads = False  # closing waits for what has been read
    block_on_close = True

    def __init__(
        self, address: tuple[str, int], desk: _Desk, timeout_s: float, max_threads: int
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.desk = desk
        self._timeout_s = timeout_s
        self._free = threading.Semaphore(max_threads)
        self._since: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        while not self._free.acquire(timeout=_POLL_S):
            self.service_actions()
        self._since[request] = time.monotonic()
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no thread can be had: `process_request_thread` never runs
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def shutdown_request(self, request: Any) -> None:
        self.has_been_read(request)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        self.cut_off(time.monotonic() - self._timeout_s)

    def has_been_read(self, request: socket.socket) -> None:
        """Stop the clock of a request."""
        self._since.pop(request, None)

    def cut_off(self, before: float) -> None:
        """End connections that have been read from since then, and still are."""
        for request, since in list(self._since.items()):
            if since <= before:
                try:
                    request.shutdown(socket.SHUT_RDWR)
                except OSError:  # it has ended by itself
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        if isinstance(sys.exception(), OSError):  # the client has gone
            self.desk.note(f"no answer: {type(sys.exception()).__name__}")
        else:
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One request.  HTTP/1.0, so that the connection ends with it.

    Reads have no limit of their own: `_HTTPServer.cut_off` limits all of them together.
    """

    server: _HTTPServer
    default_request_version = "HTTP/1.0"  # 0.9 has no status to tell what is wrong

    def do_GET(self) -> None:
        asked = self._asked()
        if asked is not None:
            self._answer(200, pages.ask(asked), asked)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self._body()
        if body is None:
            return
        self.server.has_been_read(self.connection)
        asked = self._asked()
        if asked is None:
            return
        if not _is_one_click(self.headers.get_content_type(), body):
            self._refuse(400)
        elif self.server.desk.keep(asked):
            self._answer(200, pages.done(asked), asked)
        else:
            self._refuse(503, asked)

    def _asked(self) -> Unsubscribed | None:
        """Read the token, or refuse the request: in one way, whatever is wrong with it."""
        token = self.server.desk.token_in(self.path)
        if token is None:
            self._refuse(404)
            return None
        try:
            return self.server.desk.read(token)
        except RecipientsError:
            self._refuse(400)
            return None

    def _body(self) -> bytes | None:
        """Read the body, or refuse the request."""
        said = self.headers.get("Content-Length", "")
        if not _LENGTH.fullmatch(said) or "Transfer-Encoding" in self.headers:
            self.send_error(411)
        elif int(said) > MAX_BODY:
            self.send_error(413)
        elif len(body := self.rfile.read(int(said))) == int(said):
            return body
        return None

    def _answer(self, status: int, page: str, asked: Unsubscribed | None = None) -> None:
        octets = page.encode()
        self.send_response(status)
        for name, value in pages.HEADERS.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(octets)
        who = "" if asked is None else f" {masked(asked.address)}"
        self.server.desk.note(f"{visible(self.command or '?', max_chars=20)} {status}{who}")

    def _refuse(self, status: int, asked: Unsubscribed | None = None) -> None:
        self._answer(status, pages.failed(status), asked)

    def send_error(
        self, code: int, message: str | None = None, explain: str | None = None
    ) -> None:
        """Refuse a request that was not read to its end; it is not repeated to anybody."""
        self._refuse(code)
        # To close with octets unread would reset the connection, and the answer might be
        # lost with it (RFC 9112 section 9.6).
        self.connection.shutdown(socket.SHUT_WR)
        left = _MAX_DRAINED
        while left > 0 and (piece := self.connection.recv(1 << 16)):
            left -= len(piece)

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing here: the target holds the token."""

    def version_string(self) -> str:
        return "smtpbook"


def _is_one_click(content_type: str, body: bytes) -> bool:
    """Tell whether a form says List-Unsubscribe=One-Click (RFC 8058 section 3.2)."""
    if content_type == "multipart/form-data":
        return _FORM_FIELD.search(body) is not None
    try:
        fields = parse_qsl(body.decode("ascii"), max_num_fields=100)
    except ValueError:
        return False
    return ONE_CLICK in ((name, value.strip()) for name, value in fields)


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
