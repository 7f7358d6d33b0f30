"""Samples: the lists, letters, dialogues and logs of ``data/``, ready to use.

They are what the demo sends, what the notebooks begin with and what tests read.  They
travel in the wheel; in a checkout they are taken from there.  Every name in them is made
up, and every address is at a domain kept for examples (RFC 2606), so none of it reaches
anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from smtpbook.bounces.dmarc import read_dmarc_reports
from smtpbook.bounces.read import read_bounces
from smtpbook.errors import near_miss
from smtpbook.formats.read import read_log
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients

_FILES: Final = {
    "people": "people.csv",
    "never": "never.csv",
    "letter": "letter.txt",
    "seed-dialogue": "transcripts/seed-dialogue.txt",
    "october": "sent/october.parquet",
    "november": "sent/november.parquet",
}
_SUBJECT: Final = (
    "{{ first_name ~ ', the' if first_name is defined else 'The' }} reading room opens "
    "its doors on 4 December"
)


def sample(name: str, *, size: int | None = None, seed: int | None = None) -> Any:
    """Give one of the samples, as the object it stands for.

    Parameters
    ----------
    name : {"people", "never", "letter", "october", "november", "seed-dialogue"} or a log's
        ``"people"``: `Recipients`, 300 of them.  ``"never"``: the addresses among them
        that must not be written to, a list.  ``"letter"``: the `Template` to send them.
        ``"october"``, ``"november"``: the event logs of two campaigns to ``"people"`` of
        ``size=2000``, sent in virtual time to a server that is made up.
        ``"seed-dialogue"``: an SMTP dialogue with two mistakes, text.  The logs are those
        of many programs and providers, such as ``"postfix.log"``, ``"mail.log.gz"``,
        ``"swaks.txt"``, ``"ses.jsonl"`` and ``"smtp.pcap"``, each as `read_log` gives it,
        the bounces of ``"bounces.mbox"`` and the DMARC report of ``"dmarc-report.xml"``.
    size : int, optional
        For ``"people"``, how many: fewer are drawn; more are made by giving the same
        people each other's names, at the same domains in the same proportions.
    seed : int, optional
        Another one gives other people.  Default: 0.

    Raises
    ------
    ValueError
        There is no such sample, or it has no size.

    Examples
    --------
    >>> sample("people", size=1000)
    Recipients: 1,000 addresses at 12 domains, 0 problems, 1 hint; fields: email, \
first_name, last_name, company, language, city
    """
    _check_name(name)
    if size is not None and (name != "people" or size < 0):
        raise ValueError(f"sample {name!r} has no size {size}")
    if name == "people":
        return _people(size, np.random.default_rng(seed or 0))
    if name in _OBJECTS:
        return _OBJECTS[name]()
    return _READERS.get(name, read_log)(sample_path(name))


def sample_path(name: str) -> Path:
    """Give the file a sample is read from.

    Raises
    ------
    ValueError
        There is no such sample.
    """
    _check_name(name)
    return share_path("data") / _FILES.get(name, f"logs/{name}")


def share_path(part: str) -> Path:
    """Give the folder ``data`` or ``notebooks``, in the wheel or in the checkout.

    Raises
    ------
    FileNotFoundError
        It is in neither.
    """
    package = Path(str(files("smtpbook")))
    for folder in (package / "_share" / part, package.parent / part):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"no folder {part!r} was installed with smtpbook in {package}")


def sample_names() -> tuple[str, ...]:
    """Give the names of all samples."""
    logs = sorted(path.name for path in (share_path("data") / "logs").iterdir())
    return (*_FILES, *logs)


def _check_name(name: str) -> None:
    names = sample_names()
    if name not in names:
        hint = near_miss(name, names)
        raise ValueError(f"no sample {name!r}{hint}; there are: {', '.join(names)}")


def _letter() -> Template:
    text = sample_path("letter")
    return Template(
        header_from="Ann Harbor <ann@smtpbook.example>",
        subject=_SUBJECT,
        text=text.read_text(encoding="utf-8"),
        html=text.with_suffix(".html").read_text(encoding="utf-8"),
    )


def _people(size: int | None, rng: np.random.Generator) -> Recipients:
    people = read_recipients(sample_path("people"))
    if size is None:
        return people
    if size <= len(people):
        return people.sample(size, seed=int(rng.integers(2**32)))
    return read_recipients(_more_people(people.frame, size, rng))


def _more_people(people: pd.DataFrame, size: int, rng: np.random.Generator) -> pd.DataFrame:
    """Put made-up people below the given ones: each has the place of one, the names of two.

    Names come from people of the same language, so that they go together.  Local parts are
    ``first.last`` throughout, and the pieces move with the names.
    """
    given = people.drop(columns=["source", "source_row"])
    place = np.arange(len(given), size) % len(given)
    first, last = np.empty_like(place), np.empty_like(place)
    language = given["language"].to_numpy()
    for spoken in pd.unique(language):
        speakers = np.flatnonzero(language == spoken)
        theirs = np.flatnonzero(language[place] == spoken)
        first[theirs] = rng.choice(speakers, len(theirs))
        last[theirs] = rng.choice(speakers, len(theirs))
    more = given.iloc[place].reset_index(drop=True)
    parts = given["email"].str.extract(
        r"^(?P<first>[^.]+)\.(?P<last>[^@]+)@(?P<domain>.+)$"
    )
    stem = parts["first"].iloc[first].array + "." + parts["last"].iloc[last].array
    domain = parts["domain"].iloc[place].array
    more["first_name"] = given["first_name"].iloc[first].array
    more["last_name"] = given["last_name"].iloc[last].array
    # The given people have no number, so every namesake gets one: ann.marsh2@…
    number = (
        more.assign(stem=stem, domain=domain).groupby(["stem", "domain"]).cumcount() + 2
    )
    more["email"] = stem + number.astype(stem.dtype).array + "@" + domain
    return pd.concat([given, more], ignore_index=True)


_READERS: Final[dict[str, Callable[[Path], Any]]] = {
    "bounces.mbox": read_bounces,
    "dmarc-report.xml": read_dmarc_reports,
}
_OBJECTS: Final[dict[str, Callable[[], Any]]] = {
    "never": lambda: read_recipients(sample_path("never")).addresses,
    "letter": _letter,
    "seed-dialogue": lambda: sample_path("seed-dialogue").read_text(encoding="utf-8"),
}
