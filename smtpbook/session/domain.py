"""Domain: logins that a Kerberos realm (GSSAPI) or a Windows domain (NTLM) vouches for.

pyspnego makes the tokens; here they become turns of a SASL mechanism.  It is not needed for
anything else, so it is an extra, and loaded when such a login is asked for.

Not done: a layer of the mechanism's own below SMTP.  TLS is there for that.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from smtpbook.errors import LocalProtocolError, RemoteProtocolError
from smtpbook.escape import visible
from smtpbook.sasl.mechanism import ClientMechanism, Credentials

if TYPE_CHECKING:
    import spnego

_SERVICE: Final = "smtp"  # RFC 4954 section 4
# "The first octet is a bit-mask ...: 1 No security layer" -- RFC 4752 section 3.3
_NO_LAYER: Final = 1
_OFFER_OCTETS: Final = 4
_MAX_TOLD: Final = 300  # characters of what a library says


class _Domain(ClientMechanism):
    """What both have in common: tokens go to and fro until the context stands."""

    is_slow = True  # it asks the realm, and may read files of tickets
    extra: str
    remedy: str

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._context: spnego.ContextProxy | None = None
        self._first = b""

    def start(self) -> bytes | None:
        """Give the first token."""
        with self._translated(LocalProtocolError, f"no login can be begun ({self.remedy})"):
            self._context = self._opened()
            self._first = self._context.step() or b""
        return self._first

    def respond(self, challenge: bytes) -> bytes:
        """Give the next token."""
        first, self._first = self._first, b""
        if first and not challenge:  # the initial response was left out, or ignored
            return first
        context = self._context
        if context is None or context.complete:
            return self._after(challenge)
        token: bytes | None = None
        with self._translated(RemoteProtocolError, "the server's token is not in order"):
            token = context.step(challenge)
        return token or b""

    @abstractmethod
    def _opened(self) -> spnego.ContextProxy:
        """Begin the security context."""

    def _after(self, challenge: bytes) -> bytes:
        """Answer what comes when the context stands."""
        raise LocalProtocolError("the server asks for more than the mechanism has to say")

    @contextmanager
    def _translated(
        self, kind: type[LocalProtocolError | RemoteProtocolError], what: str
    ) -> Iterator[None]:
        """Make an error of ours of whatever the libraries raise; each has its own kinds."""
        try:
            yield
        except ImportError as exc:
            raise LocalProtocolError(
                f"{self.name} needs a package that is not there ({exc}): "
                f'pip install "smtpbook[{self.extra}]"'
            ) from None
        except Exception as exc:
            # Without the cause: its frames may hold the password.
            told = visible(str(exc), max_chars=_MAX_TOLD)
            raise kind(f"{self.name}: {what}: {told}") from None


class Ntlm(_Domain):
    r"""NTLM: a user name such as ``DOMAIN\ann`` or ``ann@domain``, and a password.

    The server proves nothing.  Under TLS the answer is bound to its certificate, which
    Windows calls extended protection.

    References
    ----------
    MS-NLMP (tokens), MS-SMTPNTLM (in SMTP).
    """

    name = "NTLM"
    extra = "ntlm"
    remedy = "is the user name DOMAIN\\user?"

    def _opened(self) -> spnego.ContextProxy:
        import spnego
        from spnego.channel_bindings import GssChannelBindings

        binding = self._credentials.binding
        bindings = GssChannelBindings(application_data=b"tls-server-end-point:" + binding)
        return spnego.client(
            self._credentials.username,
            self._credentials.secret,
            hostname=self._credentials.host or "unspecified",
            service=_SERVICE,
            protocol="ntlm",
            channel_bindings=bindings if binding else None,
            context_req=spnego.ContextReq.integrity,
        )


class Gssapi(_Domain):
    """GSSAPI: a Kerberos ticket; without a password, the one ``kinit`` has got.

    References
    ----------
    RFC 4752 section 3.1 (the client's side).
    """

    name = "GSSAPI"
    extra = "kerberos"
    remedy = "get a ticket with kinit, or give password="

    def __init__(self, credentials: Credentials) -> None:
        super().__init__(credentials)
        self._is_agreed = False

    def _opened(self) -> spnego.ContextProxy:
        import spnego

        return spnego.client(
            self._credentials.username or None,
            self._credentials.secret or None,
            hostname=self._credentials.host,
            service=_SERVICE,
            protocol="kerberos",
            context_req=spnego.ContextReq.mutual_auth
            | spnego.ContextReq.sequence_detect
            | spnego.ContextReq.integrity,
        )

    def _after(self, challenge: bytes) -> bytes:
        """Agree on no layer; both sides' words are signed by the context."""
        context = self._context
        if context is None or self._is_agreed:
            return super()._after(challenge)
        offer = answer = b""
        with self._translated(RemoteProtocolError, "the server's offer is not in order"):
            offer = context.unwrap(challenge).data
            # No layer, hence no size; nobody to act for but the ticket's owner.
            answer = context.wrap(bytes((_NO_LAYER, 0, 0, 0)), encrypt=False).data
        if len(offer) != _OFFER_OCTETS or not offer[0] & _NO_LAYER:
            raise RemoteProtocolError(
                "GSSAPI: the server insists on a security layer of its own; TLS is the "
                "only one that is spoken here (RFC 4752 section 3.1)"
            )
        self._is_agreed = True
        return answer

    def finish(self) -> None:
        """See that the server has proved that it has the service's key."""
        if not self._is_agreed:
            raise RemoteProtocolError(
                "GSSAPI: the server let us in without proving who it is; it may not be "
                "the server it seems to be (RFC 4752 section 3.1)"
            )
