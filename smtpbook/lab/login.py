"""Login: the lab server's side of AUTH, from the list of mechanisms to the verdict.

Who may come in is told by the lab's users; what a mechanism says is `sasl`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

import trio

from smtpbook.protocol.commands import Auth, AuthResponse
from smtpbook.protocol.replies import Reply
from smtpbook.sasl import registry as sasl
from smtpbook.sasl.mechanism import Known, ServerMechanism


class Login:
    """The logins that one client tries.

    Parameters
    ----------
    users : mapping of str to str
        User name to password or token.
    server : str
        Its own name.
    seed : str
        From which the challenges are drawn.
    binding : bytes
        ``tls-server-end-point`` of the certificate that is shown under TLS.

    Attributes
    ----------
    has_proved : bool
        The last challenge proves that the server knows the password: it is as good as a
        hash of it for whoever wants to try some, and not for a log.
    """

    def __init__(
        self, users: Mapping[str, str], server: str, *, seed: str, binding: bytes
    ) -> None:
        self._users, self._server = users, server
        self._seed, self._binding = seed, binding
        self._mechanism: ServerMechanism | None = None
        self.has_proved = False

    def offered(self, stream: trio.abc.Stream) -> tuple[str, ...]:
        """Give the mechanisms that may be used on a stream."""
        return sasl.servable(self._known(stream))

    def reply(self, command: Auth | AuthResponse, stream: trio.abc.Stream) -> Reply:
        """Answer what a client says of itself."""
        response: bytes | None
        self.has_proved = False
        if isinstance(command, Auth):
            known = self._known(stream)
            if command.mechanism not in sasl.servable(known):
                return Reply(code=504, lines=("5.5.4 Mechanism not offered",))
            self._mechanism = sasl.server(command.mechanism, known)
            response = command.initial_response
        else:
            response = command.data
        if self._mechanism is None or (
            isinstance(command, AuthResponse) and response is None
        ):
            return Reply(code=501, lines=("5.7.0 Authentication cancelled",))
        turn = self._mechanism.turn(response)
        if isinstance(turn, bytes):
            # SCRAM's last word, "v=" and a signature -- RFC 5802 section 7
            self.has_proved = turn.startswith(b"v=")
            return Reply(code=334, lines=(AuthResponse(turn).line,))
        if turn:
            return Reply(code=235, lines=("2.7.0 Authentication successful",))
        return Reply(code=535, lines=("5.7.8 Authentication credentials invalid",))

    def _known(self, stream: trio.abc.Stream) -> Known:
        """Give what is known about a client that wants to log in."""
        # From the seed, not from chance: a transcript is to be the same again.
        draw = Random(self._seed)  # noqa: S311
        return Known(
            passwords=self._users,
            nonce=f"<{draw.getrandbits(64):016x}@{self._server}>",
            binding=self._binding if isinstance(stream, trio.SSLStream) else b"",
            identity=self._identity(stream),
        )

    def _identity(self, stream: trio.abc.Stream) -> str:
        """Say which user the client's certificate names; empty: none."""
        shown = stream.getpeercert() if isinstance(stream, trio.SSLStream) else None
        subject = (pair for part in (shown or {}).get("subject", ()) for pair in part)
        names = [value for kind, value in subject if kind == "commonName"]
        return next((name for name in names if name in self._users), "")
