"""What an event takes on disk: as JSON lines, as it is sealed, as it is compacted.

    python -m tests.benchmarks.octets [--recipients N] [--json]

The events are those of a campaign sent in earnest to a lab server in another process, in
its ``mixed-day``, to people of two thousand domains.  What the lab calls messages is short
and in a row; they are called as Postfix calls them instead.  JSON lines are as short as
they can be: an object for each event, without blanks and without what is null.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pandas as pd

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.events import COLUMNS, Row
from smtpbook.log.compact import compact_folder
from smtpbook.log.journal import Journal
from smtpbook.messages.template import Template
from tests.benchmarks import output
from tests.servers.lab import open_lab_process

# Of Postfix's long queue ids: digits and letters without vowels -- postconf(5)
_LETTERS: Final = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_FIRST: Final = (
    "ann bob chloe david eva frank gina hugo ines jan karla louis maria noah olga"
)
_LAST: Final = "smith jones mueller martin garcia rossi novak kim chen patel silva dubois"
_LARGE: Final = ("gmail.com", "outlook.com", "yahoo.com", "orange.fr", "gmx.de", "web.de")
_ODD: Final = ("patience", "fullbox", "gone", "slowlane", "strictgate")  # mixed-day's


def main() -> None:
    """Measure and print."""
    options = output.parser(__doc__, rounds=1)
    options.add_argument(
        "--recipients", type=int, default=40_000, help="default: %(default)s"
    )
    given = options.parse_args()
    rows = list(sent(given.recipients))
    lines = sum(len(json_line(row)) for row in rows)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with Journal(folder, "log") as journal:
            for row in rows:
                journal.append(row)
        done = compact_folder(folder)
    found = [
        ("JSON lines", 1, lines),
        ("sealed", done.files_before, done.bytes_before),
        ("compacted", done.files, done.bytes),
    ]
    shown: list[output.Row] = [
        {"kept as": what, "files": files, "octets/event": octets / len(rows)}
        for what, files, octets in found
    ]
    ratios = {f"times smaller, {what}": lines / octets for what, _, octets in found[1:]}
    output.show(shown, {"events": len(rows), **ratios}, as_json=given.json)


def sent(recipients: int) -> Iterator[Row]:
    """Send a campaign, and give the rows of its log in the order of their times."""
    chance = random.Random(1)
    letter = Template(header_from="Ann <ann@shop.example>", subject="Hello", text="Come.")
    people = pd.DataFrame({"email": [_address(chance, n) for n in range(recipients)]})
    with open_lab_process("mixed-day") as port:
        account = Account(host="127.0.0.1", port=port, tls="none", is_lab=True)
        campaign = Campaign("november", account, people, letter, connections=8, folder=None)
        log = campaign.send(progress=False, confirm=False).log
    log["time"] = log["time"].astype("int64")
    names: dict[str, str] = {}
    queue_id, text = COLUMNS.index("queue_id"), COLUMNS.index("reply_text")
    plain = log.astype(object).where(log.notna(), None)
    for row in plain.itertuples(index=False, name=None):
        if row[queue_id] is None:
            yield row
            continue
        if row[queue_id] not in names:
            names[row[queue_id]] = "4c" + "".join(chance.choices(_LETTERS, k=13))
        cells = [*row]
        cells[queue_id] = names[row[queue_id]]
        cells[text] = cells[text].replace(row[queue_id], cells[queue_id])
        yield tuple(cells)


def json_line(row: Row) -> bytes:
    """Write an event as a line of JSON, its time as it is commonly written."""
    cells = dict(zip(COLUMNS, row, strict=True))
    cells["time"] = pd.Timestamp(cells["time"], unit="us", tz="UTC").isoformat()
    there = {name: cell for name, cell in cells.items() if cell is not None}
    return json.dumps(there, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _address(chance: random.Random, number: int) -> str:
    who = f"{chance.choice(_FIRST.split())}.{chance.choice(_LAST.split())}{number}"
    if chance.random() < 0.5:
        return f"{who}@{chance.choice(_LARGE)}"
    if chance.random() < 0.3:
        return f"{who}@{chance.choice(_ODD)}.example"
    return f"{who}@{chance.choice(_LAST.split())}-{chance.randrange(2000)}.example"


if __name__ == "__main__":
    main()
