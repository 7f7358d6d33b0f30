"""What the benchmarks have in common at a terminal: options, and a table or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence

Row = Mapping[str, str | int | float]


def parser(
    description: str | None, *, rounds: int, messages: int | None = None
) -> argparse.ArgumentParser:
    """Give the options with their defaults; those of sending where `messages` is given."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--rounds", type=int, default=rounds, help="default: %(default)s")
    made.add_argument("--json", action="store_true", help="print JSON, not a table")
    if messages is not None:
        made.add_argument(
            "--messages", type=int, default=messages, help="default: %(default)s"
        )
        made.add_argument(
            "--size", type=int, default=2048, help="octets each; default: %(default)s"
        )
    return made


def show(rows: Sequence[Row], ratios: Mapping[str, float], *, as_json: bool) -> None:
    """Print the rows under their names, then each ratio on a line of its own."""
    if as_json:
        print(json.dumps({"rows": rows, "ratios": ratios}, indent=1))
        return
    cells = [list(rows[0]), *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    words = [isinstance(value, str) for value in rows[0].values()]
    for line in cells:
        columns = zip(line, widths, words, strict=True)
        print("  ".join(f"{c:<{w}}" if word else f"{c:>{w}}" for c, w, word in columns))
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.2f}")


def _text(value: str | float) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)
