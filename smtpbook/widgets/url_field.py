"""URL field: a database's URL, of which the password is never shown and never saved.

It is typed like a secret, because a URL that is pasted may hold one; what is left without
the password is put back into the field.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from smtpbook.accounts.secret import Secret
from smtpbook.widgets.secret_field import SecretField

# To the last "@": what people paste may hold "@" and "/" unquoted in the password.
_WITH_PASSWORD: Final = re.compile(r"(?s)(\w[\w+.-]*://[^:/?#@]*):(.*)@(.*)")
_IN_QUERY: Final = re.compile(r"(?i)([?&])(?:password|passwd|pwd)=([^&#]*)&?")


class UrlField(SecretField):
    """A field for a URL; a password in it goes to the field for that.

    Parameters
    ----------
    label : str
    password : SecretField
        Where the password is typed, and where one found in a URL is kept.
    """

    def __init__(self, label: str, password: SecretField, *, placeholder: str = "") -> None:
        self._password = password
        self.url = ""
        super().__init__(label, placeholder=placeholder)
        self._masked = False

    def keep(self, text: str) -> None:
        """Take a URL as if it had been typed."""
        self.url, password = split_password(text.strip())
        if password is not None:
            self._password.keep(password)
        self._put(Secret(self.url))

    def clear(self) -> None:
        """Forget the URL and its password."""
        self.url = ""
        self._password.clear()
        super().clear()

    @property
    def full(self) -> Secret:
        """The URL with the password in its place."""
        secret = self._password.secret
        if secret is None:
            return Secret(self.url)
        return Secret(with_password(self.url, secret.reveal()))

    def _tell(self, **more: str) -> None:
        super()._tell(shown=self.url, **more)


def split_password(url: str) -> tuple[str, str | None]:
    """Give a URL without its password, and the password; None = it has none.

    >>> split_password("postgresql://ann:p%40ss@db.example/crm")
    ('postgresql://ann@db.example/crm', 'p@ss')
    >>> split_password("mysql://db.example/crm?user=ann&password=x&ssl=1")
    ('mysql://db.example/crm?user=ann&ssl=1', 'x')
    >>> split_password("sqlite:///crm.db")
    ('sqlite:///crm.db', None)
    """
    if found := _WITH_PASSWORD.fullmatch(url):
        return f"{found[1]}@{found[3]}", unquote(found[2])
    if found := _IN_QUERY.search(url):
        rest = url[: found.start()] + found[1] + url[found.end() :]
        return rest.rstrip("?&"), unquote(found[2])
    return url, None


def with_password(url: str, password: str) -> str:
    """Put a password back into a URL.

    >>> with_password("postgresql://ann@db.example/crm", "p@ss")
    'postgresql://ann:p%40ss@db.example/crm'
    """
    scheme, mark, rest = url.partition("://")
    user, _, place = rest.rpartition("@")
    return f"{scheme}{mark}{user}:{quote(password, safe='')}@{place}"
