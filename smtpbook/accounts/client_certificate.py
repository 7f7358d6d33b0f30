"""Client certificate: by which this side proves who it is in a TLS handshake.

It names files and the key's passphrase; they are read by `transport`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from smtpbook.accounts.passwords import FromPrompt, Password, check_hidden, hidden, hiding


@hiding(passphrase=hidden)
@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """A certificate and its private key.

    Attributes
    ----------
    file : path
        PEM: the certificate, then those of the authorities between it and one the server
        knows; and the key, unless that has a file of its own.
    key_file : path, optional
        PEM: the private key.
    passphrase : str, Secret or callable, optional
        Of an encrypted key; asked for when the files are read.  None = it is not encrypted.

    Raises
    ------
    ValueError
        The passphrase would have to be typed while sending.
    TypeError
        The passphrase is none of what it may be.

    References
    ----------
    RFC 8446 section 4.4.2 (certificates in the handshake).
    """

    file: str | os.PathLike[str]
    key_file: str | os.PathLike[str] | None = None
    passphrase: Password = None

    def __post_init__(self) -> None:
        check_hidden(self.passphrase, "passphrase")
        if isinstance(self.passphrase, FromPrompt):
            raise ValueError(
                "client_certificate: nobody is asked for a passphrase while sending; give "
                "it where the account is made: passphrase=getpass.getpass()"
            )

    def __repr__(self) -> str:
        if not hasattr(self, "file"):  # refused before it was whole; a traceback shows it
            return "ClientCertificate(...)"
        return f"ClientCertificate({os.fspath(self.file)!r})"

    @classmethod
    def of(
        cls, given: str | os.PathLike[str] | tuple[str, str] | ClientCertificate
    ) -> ClientCertificate:
        """Make one of a file, or of two: the certificate's and the key's.

        Raises
        ------
        ValueError
            It is neither, nor a `ClientCertificate`.
        """
        if isinstance(given, ClientCertificate):
            return given
        files = given if isinstance(given, tuple | list) else (given,)
        if len(files) not in (1, 2) or not all(
            isinstance(file, str | os.PathLike) for file in files
        ):
            raise ValueError(
                "client_certificate is a PEM file, a pair of them (certificate, key), or a "
                "ClientCertificate"
            )
        return cls(file=files[0], key_file=files[1] if len(files) == 2 else None)
