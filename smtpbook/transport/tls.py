"""TLS: how a connection is encrypted, and what the server has to prove first.

The handshake, whom it trusts, our own certificate, and pins.  How TLS is asked for, and
what may be said under it, is `session`'s.
"""

from __future__ import annotations

import os
import ssl
import sys
from functools import lru_cache
from pathlib import Path
from typing import Final

import trio

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.passwords import revealed
from smtpbook.certificates.certificate import fingerprints
from smtpbook.errors import TLSError
from smtpbook.events import UNPROVED
from smtpbook.transport.notes import Notes
from smtpbook.transport.stream import translated
from smtpbook.transport.tls_stream import TlsStream

_OWN_STORES: Final = ("darwin", "win32")


async def start_tls(stream: trio.abc.Stream, account: Account, record: Notes) -> TlsStream:
    """Do the handshake on a connected stream; the certificate must prove the host's name.

    Where TLS is opportunistic it proves nothing, and the record says so.

    Raises
    ------
    TLSError
        The handshake failed, or the certificate is not valid for this host or not one that
        is pinned; or a file that the account names cannot be used.
    TransportTimeout
    LocalProtocolError
        There is no passphrase where one was to be found.
    """
    started = trio.current_time()
    try:
        if account.client_certificate is None:
            context = tls_context(account)
        else:
            # A passphrase may be asked for, and is slow to check: not on the trio thread.
            context = await trio.to_thread.run_sync(tls_context, account)
        secure = TlsStream(stream, context, server_hostname=account.host)
        with translated(f"TLS handshake with {account.host}", account.limits.tls_s):
            try:
                await secure.do_handshake()
            except trio.BrokenResourceError as exc:
                if isinstance(exc.__cause__, ssl.SSLError):
                    raise
                # Many a server just hangs up where it does not like what is offered.
                said = exc.__cause__ or exc
                raise TLSError(f"TLS handshake with {account.host}: {said}") from exc
        if account.pin:
            _check_pins(secure.getpeercert(binary_form=True), account)
    except BaseException as exc:
        record.note("tls", started, error=type(exc).__name__)
        raise
    cipher = secure.cipher()
    record.tls = (secure.version(), cipher[0] if cipher else None)
    about = UNPROVED if account.tls == "opportunistic" else None
    record.note("tls", started, took_s=trio.current_time() - started, about=about)
    return secure


def _check_pins(der: bytes, account: Account) -> None:
    try:
        key, whole = fingerprints(der)
    except ValueError as exc:
        raise TLSError(f"the certificate of {account.host} cannot be read: {exc}") from exc
    if not {key, whole} & set(account.pin):
        raise TLSError(
            f"the certificate of {account.host} is not one of those pinned: its key "
            f"is {key}, and the SHA-256 of the whole is {whole}; this may be another "
            "server, unless those who run it confirm that the certificate has changed"
        )


# --- contexts -----------------------------------------------------------------------------


_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def tls_context(account: Account) -> ssl.SSLContext:
    """Give the context of an account's connections: verified, TLS 1.2 or newer, or as told.

    Reading the authorities takes as long as a handshake, so a context is kept until one of
    its files changes.  Whoever gets one shares it.

    Raises
    ------
    TLSError
        `ca_file` is not there, or holds no certificates; likewise `client_certificate`, or
        its passphrase is not right.
    LocalProtocolError
        There is no passphrase where one was to be found.

    References
    ----------
    RFC 8314 section 4.1 (minimum version), RFC 7817 (certificate names).
    """
    own = account.client_certificate
    assert own is None or isinstance(own, ClientCertificate)  # Account saw to it
    ca_file = None if account.ca_file is None else os.fspath(account.ca_file)
    is_verified = account.tls != "opportunistic"
    try:
        read = ca_file or ssl.get_default_verify_paths().cafile
        changed = [_state_of(read) if read is not None else None]
    except OSError as exc:
        raise _unreadable("ca_file", ca_file, exc) from exc
    if own is not None:
        try:
            changed += [_state_of(path) for path in (own.file, own.key_file) if path]
        except OSError as exc:
            raise _unreadable("client_certificate", exc.filename, exc) from exc
    return _context(ca_file, is_verified, account.tls_version, own, tuple(changed))


def _state_of(path: str | os.PathLike[str]) -> tuple[int, int]:
    state = os.stat(path)
    return state.st_mtime_ns, state.st_size


def _unreadable(field: str, path: str | Path | None, exc: Exception) -> TLSError:
    return TLSError(f"{field} {str(path)!r} cannot be read: {exc}")


@lru_cache(maxsize=16)
def _context(
    ca_file: str | None,
    is_verified: bool,
    version: str | None,
    own: ClientCertificate | None,
    changed: object,
) -> ssl.SSLContext:
    """Read the files; `changed` is only there to be another one when they are."""
    if not is_verified:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_file is None:
        context = _system_context()
    else:
        try:
            context = ssl.create_default_context(cafile=ca_file)
        except OSError as exc:  # an SSLError is one too
            raise _unreadable("ca_file", ca_file, exc) from exc
    context.minimum_version = _VERSIONS[version or "1.2"]
    if version is not None:
        context.maximum_version = _VERSIONS[version]
    # A handshake in the middle of a session of TLS 1.2, which `TlsStream` has no turn for,
    # is declined by an alert (RFC 5246 section 7.2.2), and not left half done.
    context.options |= ssl.OP_NO_RENEGOTIATION
    if own is not None:
        _show(own, context)
    return context


def _system_context() -> ssl.SSLContext:
    """Trust whom the system trusts.

    OpenSSL reads a file, which on Linux is the system's own.  Elsewhere it knows nothing of
    the system's store, where an organisation's own authority stands, and on Linux the file
    may not be where it was built to look.  truststore knows; but it reads the file anew for
    each connection, so it is not asked where OpenSSL can do it.
    """
    paths = ssl.get_default_verify_paths()
    is_told = {paths.openssl_cafile_env, paths.openssl_capath_env} & os.environ.keys()
    is_known = sys.platform not in _OWN_STORES and (paths.cafile or paths.capath)
    if is_told or is_known:
        return ssl.create_default_context()
    import truststore

    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _show(own: ClientCertificate, context: ssl.SSLContext) -> None:
    """Have the handshake show our own certificate, if it is asked for one."""
    passphrase = revealed(own.passphrase)
    try:
        context.load_cert_chain(
            own.file,
            own.key_file,
            # Without a function, OpenSSL would ask on the terminal.
            lambda: passphrase.reveal() if passphrase is not None else "",
        )
    except OSError as exc:  # an SSLError is one too
        raise _unusable(own, exc) from exc


def _unusable(own: ClientCertificate, exc: OSError) -> TLSError:
    path = os.fspath(own.key_file or own.file)
    reason = str(getattr(exc, "reason", None) or exc.strerror or "not PEM")
    said = reason.replace("_", " ").lower()
    hint = (
        "it may be encrypted: ClientCertificate(file=…, passphrase=…)"
        if own.passphrase is None
        else "is the passphrase right?"
    )
    return TLSError(
        f"client_certificate {path!r} cannot be used ({said}); "
        f"it holds a certificate and its key, as PEM; {hint}"
    )
