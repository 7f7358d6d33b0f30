"""Frozen letter: a template as a file, so that a campaign goes on with what it began with.

Texts, files and pictures are kept.  What cannot be, or must not be, is only described: a
DataFrame or a figure, what signs, the secret of unsubscribing.  Such a letter has to be
given again, and is compared with its description.  No secret is written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import pandas as pd

from smtpbook.bodies.picture import Picture
from smtpbook.errors import LedgerError
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.transfer.options import DeliveryOptions

_TEXTS: Final = (
    *("header_from", "subject", "text", "html", "markdown", "flowed"),
    *("reverse_path", "reply_to", "to_name"),
)
# An address of nobody (RFC 6761 section 6.4), for a token that tells two secrets apart.
_NOBODY: Final = "nobody@frozen.invalid"
_SCALARS: Final = (str, bool, int, float, date, datetime, time)

Plain = dict[str, Any]
"""What TOML can hold."""


def freeze_letter(letter: Template) -> tuple[Plain, dict[str, bytes]]:
    """Describe a letter.

    Returns
    -------
    dict
        For TOML.  ``missing`` describes what is not in it, by name.
    dict of str to bytes
        The files it refers to, by the SHA-256 of their octets.
    """
    files: dict[str, bytes] = {}

    def kept(octets: bytes) -> str:
        name = hashlib.sha256(octets).hexdigest()
        files[name] = octets
        return name

    plain: Plain = {
        name: value for name in _TEXTS if (value := getattr(letter, name)) is not None
    }
    if letter.options is not None:
        plain["options"] = _options(letter.options)
    plain["headers"] = dict(letter.headers or {})
    plain["attachments"] = [
        {
            "column": one.column,
            "folder": str(Path(one.folder).absolute()),
            "required": one.required,
        }
        if isinstance(one, AttachmentColumn)
        else {"name": one.name, "content_type": one.content_type, "sha256": kept(one.data)}
        for one in letter.attachments
        if isinstance(one, Attachment | AttachmentColumn)  # paths are read by Template
    ]
    plain["inline"] = [
        {
            "name": one.name,
            "content_type": one.content_type,
            "alt": one.alt,
            "sha256": kept(one.data),
        }
        for one in letter.inline
        if isinstance(one, Picture)
    ]
    values = dict(letter.values or {})  # noqa: PD011 - a mapping
    plain["values"] = {name: v for name, v in values.items() if _is_plain(v)}
    plain["missing"] = _missing(letter, values)
    return plain, files


def thaw_letter(plain: Plain, files: Path, given: Template | None) -> Template:
    """Make the letter from its description.

    Parameters
    ----------
    plain : dict
        From `freeze_letter`.
    files : Path
        The folder with its files.
    given : Template, optional
        The letter itself, needed where something is missing.

    Raises
    ------
    LedgerError
        Something is missing and no letter was given (the message names it), or the one
        given is another.
    TemplateError
        A file of it is no longer what it was.
    """
    if given is not None:
        compare_letters(plain, given)
        return given
    if plain["missing"]:
        needed = ", ".join(f"{name} ({what})" for name, what in plain["missing"].items())
        raise LedgerError(
            f"the campaign's letter holds what no file keeps: {needed}; give the same "
            f"letter again, with letter="
        )
    texts = {name: plain[name] for name in _TEXTS if name in plain}
    return Template(
        **texts,
        options=DeliveryOptions(**plain["options"]) if "options" in plain else None,
        headers=plain["headers"],
        values=plain["values"],
        attachments=[_attachment(one, files) for one in plain["attachments"]],
        inline=[
            Picture(
                name=one["name"],
                content_type=one["content_type"],
                alt=one["alt"],
                data=_octets(files, one["sha256"]),
            )
            for one in plain["inline"]
        ],
    )


def compare_letters(plain: Plain, given: Template) -> None:
    """Refuse a letter that is not the frozen one.

    Raises
    ------
    LedgerError
        The message names what differs.
    """
    other, _ = freeze_letter(given)
    names = dict.fromkeys([*plain, *other])
    changed = [name for name in names if plain.get(name) != other.get(name)]
    if changed:
        raise LedgerError(
            f"the letter is not the one this campaign began with; different: "
            f"{', '.join(map(_told, changed))}. open_campaign(…) goes on with its "
            f"own letter, and .amend(letter) changes it for those still to be written to; "
            f"a campaign with another name begins anew"
        )


def _told(name: str) -> str:
    return "what is not kept in files" if name == "missing" else name


def _missing(letter: Template, values: Mapping[str, Any]) -> dict[str, str]:
    missing = {
        f"values[{name!r}]": _described(value)
        for name, value in values.items()
        if not _is_plain(value)
    }
    if letter.unsubscribe is not None:
        one = letter.unsubscribe
        # It is signed with the secret, as what every reader gets is, and tells none of it.
        token = hashlib.sha256(one.token(_NOBODY).encode()).hexdigest()[:16]
        about = [f"{k}={v}" for k in ("url", "mailto", "list_id") if (v := getattr(one, k))]
        missing["unsubscribe"] = ", ".join([*about, f"its secret: {token}"])
    signers = letter.sign if isinstance(letter.sign, tuple) else ()
    for number, signer in enumerate(signers):
        missing[f"sign[{number}]"] = repr(signer)  # shows no key
    return missing


def _described(value: Any) -> str:
    """Describe a value that is not kept; only tables can be told apart."""
    kind = type(value).__name__
    if isinstance(value, pd.DataFrame):
        octets = value.to_csv().encode("utf-8", "surrogatepass")
        return f"{kind} of {len(value)} rows, {hashlib.sha256(octets).hexdigest()[:16]}"
    return kind


def _is_plain(value: Any) -> bool:
    if type(value) is list:
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(type(name) is str and _is_plain(one) for name, one in value.items())
    # Subclasses, such as pandas' times, would come back as something else; NaN as another.
    return type(value) in _SCALARS and value == value


def _options(options: DeliveryOptions) -> Plain:
    """Give what was asked for, as TOML has it."""
    asked = (one for one in fields(options) if one.init)
    plain = {
        one.name: value
        for one in asked
        if (value := getattr(options, one.name)) != one.default
    }
    plain["notify"] = list(options.notify)
    plain["original_recipients"] = [list(pair) for pair in options.original_recipients]
    return plain


def _attachment(one: Plain, files: Path) -> Attachment | AttachmentColumn:
    if "column" in one:
        return AttachmentColumn(one["column"], one["folder"], one["required"])
    return Attachment(one["name"], _octets(files, one["sha256"]), one["content_type"])


def _octets(files: Path, name: str) -> bytes:
    try:
        octets = (files / name).read_bytes()
    except OSError as exc:
        raise LedgerError(
            f"a file of the campaign's letter cannot be read: {exc.strerror}: "
            f"{str(files / name)!r}; put it back from a copy"
        ) from exc
    if hashlib.sha256(octets).hexdigest() != name:
        raise LedgerError(
            f"a file of the campaign's letter was changed: {str(files / name)!r}; put the "
            f"original back, or begin a new campaign"
        )
    return octets
