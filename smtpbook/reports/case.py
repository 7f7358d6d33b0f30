"""Case file: an event log that can be given away: no address, no secret, the same figures.

It is a log like any other, as Parquet, so `read_log` and `scan_log` open it.  Every column
is treated by what it may hold: figures and times stay; words of a closed list stay, others
get a pseudonym; names get a pseudonym; of texts only known words stay (`words`).  What the
log carries besides its columns (``attrs``) is left behind, except settings that concern
nobody.
"""

from __future__ import annotations

import builtins
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from smtpbook import errors
from smtpbook.codes import tables
from smtpbook.codes.provider_tables import providers
from smtpbook.events import CLEAR_TEXT, KINDS, OUTCOMES, SCHEMA, UNPROVED
from smtpbook.experiments.assign import SEED
from smtpbook.experiments.design import JOINT
from smtpbook.formats.registry import FORMATS
from smtpbook.log.distinct import number_of
from smtpbook.log.frame import arrow_schema, from_table
from smtpbook.log.store import ATTRS, attrs_of
from smtpbook.log.stream import SUFFIX as STREAM
from smtpbook.log.stream import read_stream
from smtpbook.reports.pseudonyms import Pseudonyms
from smtpbook.reports.words import kept_words, names_in, vocabulary
from smtpbook.tables.scan import Log, Scan

SUFFIX: Final = ".parquet"
"""How a case file's name ends."""

_BATCH_ROWS: Final = 250_000
# Settings that concern nobody; their values are looked at all the same.
_SETTINGS: Final = ("pace", "connections", "retry", "together", "stops when")
_UNITS: Final = ("s", "min", "h", "d")
_PARTS: Final = re.compile(r"[0-9.]+|[^\W0-9]+|.", re.DOTALL)
_FIGURE: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,2})?|[ /,;:()%-]")
_STATUS: Final = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")
_TLS: Final = re.compile(r"(?:TLS|SSL)v[0-9](?:\.[0-9])?")
_CIPHER: Final = re.compile(
    r"(?:(?:TLS|WITH|(?:EC|AEC)?DHE?|[AE]DH|RSA|ECDSA|DSS|PSK|SRP|(?:AES|ARIA|CAMELLIA)?"
    r"(?:128|256)|AES|GCM|CBC3?|CCM8?|CHACHA20|POLY1305|SHA(?:256|384)?|3?DES|EDE|RC4|MD5"
    r"|SEED|IDEA|NULL|ANON|EXPORT)(?:[-_]|$))+(?<![-_])",
    re.IGNORECASE,
)
_ENVELOPE: Final = re.compile(
    r"(MAIL FROM|RCPT TO): ?<(.*)>(.*)", re.IGNORECASE | re.DOTALL
)
# RFC 1870, 6152, 3030, 3461, 6531, 8689: what their values can be is known.
_PARAMETER: Final = re.compile(
    r"SIZE=[0-9]+|BODY=(?:7BIT|8BITMIME|BINARYMIME)|RET=(?:FULL|HDRS)|SMTPUTF8|REQUIRETLS"
    r"|NOTIFY=(?:NEVER|(?:SUCCESS|FAILURE|DELAY)(?:,(?:SUCCESS|FAILURE|DELAY))*)",
    re.IGNORECASE,
)
# A few words in small letters, a figure with its unit, a version of TLS: see `_arm`.
_LEVEL: Final = re.compile(
    r"(?P<words>[a-z]{2,}(?:[ -][a-z]{2,}){0,2})"
    r"|[0-9]{1,3}(?:\.[0-9]{1,2})?(?:/(?:s|min|h|d))?|TLSv1\.[0-9]"
)
_CHUNK: Final = re.compile(r"BDAT [0-9]+(?: LAST)?", re.IGNORECASE)
_AUTH: Final = re.compile(r"AUTH ([A-Z0-9-]+)(?: \S.*)?", re.IGNORECASE | re.DOTALL)
_Treatment = Callable[[Pseudonyms, str], str]
"""What becomes of a value of a column."""


def write_case(log: Log, path: Path, settings: Mapping[str, str]) -> Path:
    """Write a case file, whole or not at all.

    Parameters
    ----------
    log : DataFrame or Scan
        Event log, with all of its columns; a `Scan` is never whole in memory.
    path : Path
        A file that is there is replaced.
    settings : mapping of str to str
        Of these, pace, connections, retries and rules to stop are kept.
    """
    names = Pseudonyms()
    called: defaultdict[str, frozenset[str]] = defaultdict(frozenset)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with pq.ParquetWriter(
            unfinished, arrow_schema(), compression="zstd", store_schema=False
        ) as file:
            for part in _parts(log):
                file.write_table(_treated(part, names, called))
            attrs = {"case": {"settings": _shareable(settings)}}
            file.add_key_value_metadata({ATTRS: json.dumps(attrs).encode()})
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def kept_settings(log: Log) -> Mapping[str, str]:
    """Give the settings that a case file has kept; none where the log is of no case."""
    attrs: Mapping[Any, Any] = log.attrs if isinstance(log, pd.DataFrame) else _attrs(log)
    case = attrs.get("case")
    settings = case.get("settings") if isinstance(case, dict) else None
    return settings if isinstance(settings, dict) else {}


def _attrs(scan: Scan) -> dict[str, Any]:
    files = scan.files()
    if len(files) == 1 and files[0].suffix == SUFFIX:
        with suppress(pa.ArrowInvalid):  # what is damaged is told by who reads its rows
            return attrs_of(pq.read_metadata(files[0]).metadata)
    return {}


def _parts(log: Log) -> Iterator[pd.DataFrame]:
    if isinstance(log, pd.DataFrame):
        yield log
        return
    for path in log.files():
        if path.suffix == STREAM:
            yield from_table(read_stream(path)[0])
            continue
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                yield from_table(pa.Table.from_batches([batch]))


def _treated(
    log: pd.DataFrame, names: Pseudonyms, called: defaultdict[str, frozenset[str]]
) -> pa.Table:
    """Treat every column; `called` are words that are names in a transaction, so far."""
    fields = {field.name: field.type for field in arrow_schema()}
    columns = {}
    for column in SCHEMA:
        given = log[column.name]
        if column.dtype not in ("string", "category"):
            columns[column.name] = pa.array(given, fields[column.name], from_pandas=True)
        elif column.name == "reply_text":
            columns[column.name] = _texts(log, called)
        else:
            treat = TREATMENTS[column.name]
            numbers, values = number_of(given)
            treated = [None if pd.isna(one) else treat(names, str(one)) for one in values]
            if isinstance(given.dtype, pd.CategoricalDtype):
                treated = _used(numbers, treated)
            columns[column.name] = _taken(numbers, treated).cast(fields[column.name])
    return pa.table(columns, schema=arrow_schema())


def _used(numbers: Any, values: list[str | None]) -> list[str | None]:
    """Forget categories that no row has: they are somebody's names, too."""
    there = np.zeros(len(values) + 1, bool)
    there[numbers] = True
    return [one if there[place] else None for place, one in enumerate(values)]


def _taken(numbers: Any, values: list[str | None]) -> pa.Array:
    return pa.array(values, pa.string()).take(pa.array(numbers, mask=numbers < 0))


def _texts(log: pd.DataFrame, called: defaultdict[str, frozenset[str]]) -> pa.Array:
    """Treat the replies' texts, each knowing what those it is about are called."""
    transactions, ids = number_of(log["transaction_id"])
    own = np.full(len(log), -1)
    sets: list[frozenset[str]] = []
    for column in ("recipient", "reverse_path"):
        numbers, addresses = number_of(log[column])
        found = [
            names_in(one) if isinstance(one, str) else frozenset() for one in addresses
        ]
        for row in np.flatnonzero(
            np.isin(numbers, [n for n, one in enumerate(found) if one])
        ):
            words = found[numbers[row]]
            if transactions[row] >= 0:
                called[str(ids[transactions[row]])] |= words
            if own[row] >= 0:
                words |= sets[own[row]]
            own[row] = len(sets)
            sets.append(words)
    in_transaction = [called.get(str(one), frozenset()) for one in ids]
    numbers, texts = number_of(log["reply_text"])
    # Most texts are about nobody whose name is a word: each of them is treated once.
    treated: list[str | None] = [kept_words(str(one)) for one in texts]
    special = np.array([bool(one) for one in [*in_transaction, False]])[transactions]
    for row in np.flatnonzero((special | (own >= 0)) & (numbers >= 0)):
        words = sets[own[row]] if own[row] >= 0 else frozenset()
        if transactions[row] >= 0:
            words |= in_transaction[transactions[row]]
        treated.append(kept_words(str(texts[numbers[row]]), words))
        numbers[row] = len(treated) - 1
    return _taken(numbers, treated)


def _shareable(settings: Mapping[str, str]) -> dict[str, str]:
    """Keep figures, units and known words of those settings that concern nobody."""
    known = vocabulary().union(_UNITS)
    return {
        name: "".join(
            part if part in known or _FIGURE.fullmatch(part) else "*"
            for part in _PARTS.findall(str(settings[name]))
        )
        for name in _SETTINGS
        if name in settings
    }


# -- what becomes of each column


def _pseudonym(kind: str) -> _Treatment:
    return lambda names, name: names.of(kind, name)


def _known(kind: str, *words: str) -> _Treatment:
    """Keep the words of a closed list."""
    kept = frozenset(words)
    return lambda names, word: word if word in kept else names.of(kind, word)


def _matching(kind: str, pattern: re.Pattern[str]) -> _Treatment:
    return lambda names, word: word if pattern.fullmatch(word) else names.of(kind, word)


def _block(names: Pseudonyms, block: str) -> str:
    """Keep a provider's name; what may be a domain is called as in its own column.

    An experiment's block ends in the seed it was drawn with, which names nobody.
    """
    name, mark, seed = block.rpartition(SEED)
    if mark and seed.isdecimal():
        return _block(names, name) + mark + seed
    if block in providers():
        return block
    return names.domain(block) if "." in block else names.of("block", block)


def _arm(names: Pseudonyms, arm: str) -> str:
    """Keep an experiment's factors, and such levels as can be nobody's.

    >>> names = Pseudonyms(b"only for this example")
    >>> kept = _arm(names, "sender=Ann <ann@x.example>; pace=10/s; subject=short")
    >>> kept.partition("; ")[2]
    'pace=10/s; subject=short'
    """
    # Imported here: few logs are of an experiment, and it brings all that sends one.
    from smtpbook.experiments.experiment import FACTORS

    parts = [part.partition("=") for part in arm.split(JOINT)]
    if not all(factor in FACTORS for factor, _, _ in parts):
        return names.of("arm", arm)
    return JOINT.join(f"{factor}={_level(names, level)}" for factor, _, level in parts)


def _level(names: Pseudonyms, level: str) -> str:
    found = _LEVEL.fullmatch(level)
    words = re.split("[ -]", found["words"] or "") if found else [level]
    return level if {*words} <= {*vocabulary(), ""} else names.of("level", level)


def _command(names: Pseudonyms, command: str) -> str:
    """Write a command anew from the parts that are understood.

    >>> names = Pseudonyms(b"only for this example")
    >>> _command(names, "MAIL FROM:<> SIZE=512 ENVID=ann")
    'MAIL FROM:<> SIZE=512 *'
    >>> _command(names, "VRFY ann")
    'VRFY *'
    """
    if command in (CLEAR_TEXT, UNPROVED, "."):
        return command
    if envelope := _ENVELOPE.fullmatch(command):
        parameters = [
            one if _PARAMETER.fullmatch(one) else "*" for one in envelope[3].split()
        ]
        path = f"{envelope[1].upper()}:<{names.address(envelope[2])}>"
        return " ".join([path, *parameters])
    if _CHUNK.fullmatch(command):
        return command.upper()
    verb, _, rest = command.partition(" ")
    verb = verb.upper()
    if verb in ("EHLO", "HELO", "LHLO"):
        return f"{verb} {names.server(rest)}" if rest else verb
    if (login := _AUTH.fullmatch(command)) and login[1].upper() in _MECHANISMS:
        secret = " [redacted]" if len(command.split()) > 2 else ""
        return f"AUTH {login[1].upper()}{secret}"
    if verb not in tables.commands():
        return "*"
    return f"{verb} *" if rest else verb


_MECHANISMS: Final = frozenset(
    one.name for one in tables.spoken() if one.kind == "mechanism"
)
_EXCEPTIONS: Final = (
    *(name for name in vars(errors) if name.endswith(("Error", "Timeout"))),
    *(name for name in vars(builtins) if name.endswith("Error")),
)
_SOURCES: Final = ("live", "lab", "rehearsal", "dsn", "bounce", "arf", *FORMATS)
TREATMENTS: Final[dict[str, _Treatment]] = {
    "campaign_id": _pseudonym("campaign"),
    "session_id": _pseudonym("session"),
    "transaction_id": _pseudonym("transaction"),
    "message_id": _pseudonym("message"),
    "kind": _known("kind", *KINDS),
    "verb": _known("verb", "GREETING", *tables.commands()),
    "command": _command,
    "enhanced_status": _matching("status", _STATUS),
    "reverse_path": Pseudonyms.address,
    "recipient": Pseudonyms.address,
    "recipient_domain": Pseudonyms.domain,
    "server": Pseudonyms.server,
    "server_address": Pseudonyms.ip,
    "tls_version": _matching("tls", _TLS),
    "tls_cipher": _matching("cipher", _CIPHER),
    "outcome": _known("outcome", *OUTCOMES),
    "reason": _known("reason", *tables.reasons()),
    "queue_id": _pseudonym("queue"),
    "error": _known("error", *_EXCEPTIONS),
    "account": _pseudonym("account"),
    "arm": _arm,
    "block": _block,
    "source": _known("source", *_SOURCES),
}
"""What becomes of a value, for each column of names and words but ``reply_text``."""
