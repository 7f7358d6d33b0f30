"""STARTTLS for a server that has none: a front that ends TLS and passes octets on.

For measurements beside ``smtp-sink``.  It adds STARTTLS to the reply to the first EHLO,
does the handshake, and is a pipe from then on.  Blocking sockets and OpenSSL in a process
of its own, a thread for each connection: it costs the server's side little and the
sender's nothing.  It believes the client knows its manners.
"""

from __future__ import annotations

import select
import socket
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import trustme

from tests.servers.process import running

_READ_BYTES = 64 * 1024


@contextmanager
def open_tls_front(target_port: int) -> Iterator[tuple[int, Path]]:
    """Run a front of a port of 127.0.0.1; give its own port and its authority's file."""
    with tempfile.TemporaryDirectory(prefix="smtpbook-tls-") as folder:
        authority = trustme.CA()
        ca_file, chain = Path(folder, "ca.pem"), Path(folder, "chain.pem")
        authority.cert_pem.write_to_path(str(ca_file))
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(chain))
        with running(__name__, target_port, chain) as (_, port):
            yield port, ca_file


def main() -> None:
    """Serve until terminated; print the port."""
    target_port, chain = int(sys.argv[1]), sys.argv[2]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            job = threading.Thread(
                target=_serve, args=(client, target_port, context), daemon=True
            )
            job.start()


def _serve(client: socket.socket, target_port: int, context: ssl.SSLContext) -> None:
    # Whoever leaves first ends the conversation; there is nobody to tell.
    with suppress(OSError), socket.create_connection(("127.0.0.1", target_port)) as server:
        for sock in (client, server):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with client:
            client.sendall(_reply(server))
            server.sendall(client.recv(_READ_BYTES))  # EHLO
            first, *others = _reply(server).splitlines(keepends=True)
            offer = [b"250-" + first[4:], b"250-STARTTLS\r\n", *(others or [b"250 OK\r\n"])]
            client.sendall(b"".join(offer))
            client.recv(_READ_BYTES)  # STARTTLS
            client.sendall(b"220 go ahead\r\n")
            with context.wrap_socket(client, server_side=True) as secure:
                _pass_on(secure, server)


def _reply(server: socket.socket) -> bytes:
    octets = b""
    while not octets.endswith(b"\r\n") or octets.splitlines()[-1][3:4] == b"-":
        if not (more := server.recv(_READ_BYTES)):
            raise ConnectionResetError
        octets += more
    return octets


def _pass_on(client: ssl.SSLSocket, server: socket.socket) -> None:
    while True:
        # What OpenSSL has already deciphered shows in no select().
        ready = [client] if client.pending() else select.select([client, server], [], [])[0]
        for source, target in ((client, server), (server, client)):
            if source in ready:
                if not (octets := source.recv(_READ_BYTES)):
                    return
                target.sendall(octets)


if __name__ == "__main__":
    main()
