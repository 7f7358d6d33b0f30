"""OAuth endpoints: where a provider gives tokens, and which way of asking works there.

A small table of two, and the record for any other.  Nothing is asked here.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from smtpbook.errors import near_miss

Flow = Literal["device", "loopback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where a provider gives tokens, and for what.

    Attributes
    ----------
    title : str
        The provider, for people.
    token, authorization : str
        URLs of the token endpoint and of the page where a person agrees.
    device : str or None
        URL of the device authorization endpoint (RFC 8628); None = there is none.
    scope : str
        What is asked for: to send mail, and a refresh token.
    flow : {"device", "loopback"}
        The way that works for this scope.
    redirect_host : {"127.0.0.1", "localhost"}
        What the provider lets this machine be called in the loopback flow.
    source : str
        Where the provider writes this.

    Raises
    ------
    ValueError
        A URL is not https; plain http is for this machine only.
    """

    title: str
    token: str
    authorization: str
    device: str | None
    scope: str
    flow: Flow = "device"
    redirect_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    source: str = ""

    def __post_init__(self) -> None:
        for url in (self.token, self.authorization, self.device):
            if url is not None:
                check_url(url)


def host_of(url: str) -> str:
    """Give a URL's host and port, for messages."""
    return urlsplit(url).netloc


def check_url(url: str) -> None:
    """Check that what goes there is under TLS, or stays on this machine.

    Raises
    ------
    ValueError
        It does not; or the URL holds a login, which would be shown, or a character that
        none may hold.
    """
    parts = urlsplit(url)
    # To a browser, a backslash ends the host; to urlsplit, "@" does what stands before it.
    if "@" in parts.netloc:
        raise ValueError("a URL of an OAuth server must not hold a login")
    if "\\" in url or not url.isascii() or not url.isprintable():
        raise ValueError(f"{url!a} holds characters that no URL may hold")
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
        return
    raise ValueError(f"{url!a} is not an https URL")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# The device flow is there, but not for mail: "Invalid device flow scope" (its list of
# allowed scopes, developers.google.com/identity/protocols/oauth2/limited-input-device,
# has no Gmail scope; github.com/googleapis/oauth2client/issues/88).
GOOGLE: Final = Endpoints(
    title="Google",
    token="https://oauth2.googleapis.com/token",  # noqa: S106
    authorization="https://accounts.google.com/o/oauth2/v2/auth",
    device="https://oauth2.googleapis.com/device/code",
    # The scope of SMTP -- developers.google.com/workspace/gmail/imap/xoauth2-protocol
    scope="https://mail.google.com/",
    flow="loopback",
    source="developers.google.com/identity/protocols/oauth2/native-app",
)


def microsoft(tenant: str = "common") -> Endpoints:
    """Give Microsoft's endpoints.

    Parameters
    ----------
    tenant : str
        ``"common"`` for any account, ``"consumers"`` for Outlook.com, ``"organizations"``,
        or an organisation's id or domain.

    References
    ----------
    learn.microsoft.com: "OAuth 2.0 device authorization grant", "Authenticate an IMAP, POP
    or SMTP connection using OAuth" (scopes), "Redirect URI restrictions" (localhost).

    >>> microsoft("example.org").token
    'https://login.microsoftonline.com/example.org/oauth2/v2.0/token'
    """
    if not tenant or not all(c.isascii() and (c.isalnum() or c in ".-") for c in tenant):
        raise ValueError(f"tenant {tenant!a} is not an id, a domain or a name")
    base = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
    return Endpoints(
        title="Microsoft",
        token=f"{base}/token",
        authorization=f"{base}/authorize",
        device=f"{base}/devicecode",
        scope="https://outlook.office.com/SMTP.Send offline_access",
        redirect_host="localhost",
        source="learn.microsoft.com/entra/identity-platform/v2-oauth2-device-code",
    )


def find_endpoints(provider: str) -> Endpoints:
    """Give the endpoints of a provider by its name, ``"google"`` or ``"microsoft"``.

    Raises
    ------
    ValueError
        There is none; the message suggests the near miss.
    """
    found = {"google": GOOGLE, "microsoft": microsoft()}
    name = provider.strip().lower()
    if name not in found:
        raise ValueError(
            f"no OAuth endpoints of {provider!a} are known{near_miss(name, found)}; there "
            f"are {', '.join(found)}, or give Endpoints(...)"
        )
    return found[name]
