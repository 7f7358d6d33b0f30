"""Scores: what students reached, kept as one file each, read as one table.

A file holds a line of JSON for each check.  It is not sealed against its owner: who must
be sure runs the notebooks again.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd

_FOLDER: Final = "smtpbook-scores"
_NOT_IN_NAMES: Final = re.compile(r"[^\w.@+-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one check came to.

    Attributes
    ----------
    time : str
        ISO 8601, UTC.
    student, lesson, exercise : str
    points, of : int
    hints : int
        How many had been shown by then.
    why : str
        The verdict's reason.
    """

    time: str
    student: str
    lesson: str
    exercise: str
    points: int
    of: int
    hints: int
    why: str


_DTYPES: Final[dict[str, Any]] = {
    "student": "string",
    "lesson": "string",
    "exercise": "string",
    "points": "int64",
    "of": "int64",
    "tries": "int64",
    "hints": "int64",
    "solved_at": "datetime64[us, UTC]",
    "why": "string",
}


def now() -> str:
    """Give the time as scores hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def score_file(student: str, folder: str | os.PathLike[str] | None = None) -> Path:
    """Give a student's file; it may not exist yet.

    Whatever a file name could not hold becomes a hyphen.
    """
    name = _NOT_IN_NAMES.sub("-", student).strip("-.") or "student"
    return Path(_FOLDER if folder is None else folder) / f"{name}.jsonl"


def keep(score: Score, path: Path) -> None:
    """Add a score to a file, which is made if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(score), ensure_ascii=False) + "\n")


def read_scores(
    where: str | os.PathLike[str] | None = None,
) -> pd.DataFrame:
    """Read what students reached: the teacher's table.

    Parameters
    ----------
    where : path, optional
        A score file, or a folder that holds some, however deep; default: the folder
        ``smtpbook-scores`` here.

    Returns
    -------
    DataFrame
        A row for each student and exercise tried: ``student``, ``lesson``, ``exercise``
        (string), ``points`` (int64, the best try), ``of`` (int64), ``tries`` (int64),
        ``hints`` (int64, shown before it was solved, or so far), ``solved_at``
        (datetime64[us, UTC]; null = not yet), ``why`` (string, of the last try).

    Raises
    ------
    FileNotFoundError
        There is nothing at that place.
    ValueError
        A line is no score; the message names file and line.
    """
    path = Path(_FOLDER if where is None else where)
    if not path.exists():
        raise FileNotFoundError(f"no scores at {path}: students' checks write them")
    files = [path] if path.is_file() else sorted(path.rglob("*.jsonl"))
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for score in (score for file in files for score in _scores(file)):
        key = (score.student, score.lesson, score.exercise)
        row = rows.setdefault(key, dict.fromkeys(_DTYPES))
        row.update(student=key[0], lesson=key[1], exercise=key[2], of=score.of)
        row["tries"] = (row["tries"] or 0) + 1
        if row["solved_at"] is None:
            row["hints"] = score.hints
            if score.points:
                row["solved_at"] = datetime.fromisoformat(score.time)
        row["points"] = max(row["points"] or 0, score.points)
        row["why"] = score.why
    return pd.DataFrame(list(rows.values()), columns=list(_DTYPES)).astype(_DTYPES)


def _scores(path: Path) -> Iterator[Score]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                yield Score(**json.loads(line))
            except (ValueError, TypeError):
                raise ValueError(
                    f"{path}, line {number} is not a score: each line is what one check "
                    "wrote; take the line out, or the file"
                ) from None
