"""Reading a list of a million people: rows per second and memory, beside plain pandas.

    python -m tests.benchmarks.lists [--rows N] [--rounds N] [--sources NAME …] [--json]

The same people, ten columns, are in PostgreSQL, MariaDB, a CSV and a Parquet file.
smtpbook reads them with `read_recipients`, every address checked; *unchecked* is the part
of that which `read_table` has; pandas reads them with ``read_sql``, ``read_csv`` or
``read_parquet`` and checks nothing.  Each measurement is a process of its own (see
`tests.benchmarks.memory`), libraries loaded and a first connection made beforehand.
Figures and ratios are medians over the rounds, ratios being taken within a round.
*addresses checked/s* is for checking alone, their column being in memory.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi
from pyarrow import csv, parquet
from sqlalchemy import create_engine, text

from tests.benchmarks.memory import Cost, measure
from tests.benchmarks.output import Row, parser, show
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ServerMissing

_MB: Final = 1_000_000
_WORDS: Final = {
    "first_name": ("Ann", "Bob", "Chloé", "Dan", "Eve", "Łukasz", "Mia", "Zoë"),
    "city": ("Graz", "Paris", "Rome", "Łódź", "東京", "Lisbon", "São Paulo"),
    "country": ("Austria", "France", "Italy", "Poland", "Japan", "Portugal", "Brazil"),
    "language": ("de", "fr", "it", "pl", "ja", "pt"),
}
_MARIADB: Final = """
    create table people (id int, email varchar(100), first_name varchar(50),
        last_name varchar(50), city varchar(50), country varchar(50), language varchar(5),
        opted_in boolean, balance decimal(10, 2), signed_up datetime)
"""

# What is loaded before anything is measured, and what is measured, for each reader.
_PREPARE: Final = """
from smtpbook import progress
from smtpbook.recipients.read import read_recipients
from smtpbook.sources.open import read_table
progress.use(lambda title, total: progress.Silent())
is_database = "://" in given["source"]
options = {"table": "people"} if is_database else {}
small = {"query": "select * from people limit 1"} if is_database else {}
read_recipients(given["source"] if is_database else given["small"], **small)
"""
_OURS: Final = _PREPARE, """
people = read_recipients(given["source"], **options)
answer = len(people)
"""  # fmt: skip
_UNCHECKED: Final = _PREPARE, """
people = read_table(given["source"], **options)
answer = len(people.rows)
"""  # fmt: skip
_PANDAS: Final = """
import pandas as pd, pathlib, sqlalchemy
readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
if "://" in given["source"]:
    connection = sqlalchemy.create_engine(given["source"]).connect()
    pd.read_sql(sqlalchemy.text("select * from people limit 1"), connection)
else:
    read = readers[pathlib.Path(given["source"]).suffix]
    read(given["small"])
""", """
if "://" in given["source"]:
    people = pd.read_sql(sqlalchemy.text("select * from people"), connection)
else:
    people = read(given["source"])
answer = len(people)
"""  # fmt: skip
_CHECK: Final = """
import pyarrow as pa, pyarrow.parquet
from smtpbook.recipients.syntax import check_column
column = pyarrow.parquet.read_table(given["source"], columns=["email"])["email"]
addresses = pa.concat_arrays(column.cast(pa.large_string()).chunks)
check_column(addresses[:10])
""", """
answer = len(check_column(addresses).addresses)
"""  # fmt: skip
SOURCES: Final = ("PostgreSQL", "MariaDB", "CSV", "Parquet")
READERS: Final = {"smtpbook": _OURS, "unchecked": _UNCHECKED, "pandas": _PANDAS}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--rows", type=int, default=1_000_000, help="default: %(default)s")
    options.add_argument(
        "--sources", nargs="+", choices=SOURCES, default=SOURCES, help="default: all"
    )
    given = options.parse_args()
    people = make_people(given.rows)
    rows: list[Row] = []
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, source, small in open_sources(people, Path(folder), given.sources):
            rounds = [
                {
                    reader: _checked(measure(*code, source=source, small=small), given.rows)
                    for reader, code in READERS.items()
                }
                for _ in range(given.rounds)
            ]
            rows.extend(_rows(name, rounds, given.rows))
            ratios |= _ratios(name, rounds)
        path = str(Path(folder) / "people.parquet")
        taken = [
            _checked(measure(*_CHECK, source=path), given.rows) for _ in range(given.rounds)
        ]
        checked_s = statistics.median(cost.elapsed_s for cost in taken)
        ratios["addresses checked/s"] = given.rows / checked_s
    show(rows, ratios, as_json=given.json)


def make_people(count: int) -> pa.Table:
    """Make people who all have an address of their own, the same ones every time."""
    numbers = np.arange(count)
    digits = pa.array(numbers).cast(pa.string())
    hosts = pa.array(numbers % 1000).cast(pa.string())
    families = pa.array(numbers * 7919 % 5000).cast(pa.string())
    words = {
        name: pa.array(choices).take(pa.array(numbers * 31 % len(choices)))
        for name, choices in _WORDS.items()
    }
    cents = pa.array(numbers * 37 % 100_000).cast(pa.decimal128(19, 0))
    moments = pa.array(1_700_000_000 + numbers * 60).cast(pa.timestamp("s", "UTC"))
    return pa.table(
        {
            "id": pa.array(numbers.astype(np.int32)),
            "email": pc.binary_join_element_wise(
                "reader-", digits, "@mailbox", hosts, ".example", ""
            ),
            "first_name": words["first_name"],
            "last_name": pc.binary_join_element_wise("Family", families, ""),
            "city": words["city"],
            "country": words["country"],
            "language": words["language"],
            "opted_in": pa.array(numbers % 3 == 0),
            "balance": pc.multiply(cents, pa.scalar("0.01").cast(pa.decimal128(3, 2))),
            "signed_up": moments.cast(pa.timestamp("us", "UTC")),
        }
    )


def open_sources(
    people: pa.Table, folder: Path, wanted: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Put the people everywhere; give each place's name, URL or path, and a small one."""
    small = people[:10]
    for name, table in (("people", people), ("small", small)):
        parquet.write_table(table, folder / f"{name}.parquet")
        csv.write_csv(table, folder / f"{name}.csv")
    with ExitStack() as stack:
        for kind, load in ((PostgreSQL, _fill_postgresql), (MariaDB, _fill_mariadb)):
            if kind.__name__ not in wanted:
                continue
            try:
                server = stack.enter_context(kind.start())
            except ServerMissing as exc:
                print(exc, file=sys.stderr)
                continue
            load(server.url(), people, folder / "people.csv")
            yield kind.__name__, server.url(), ""
    for name in ("CSV", "Parquet"):
        if name in wanted:
            file = f"people.{name.lower()}"
            yield name, str(folder / file), str(folder / file.replace("people", "small"))


def _fill_postgresql(url: str, people: pa.Table, _: Path) -> None:
    address = url.replace("postgresql+psycopg", "postgresql")
    # What ADBC would make of a decimal is a text.
    plain = people.set_column(8, "balance", people["balance"].cast(pa.string()))
    with dbapi.connect(address) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("people", plain)
        cursor.execute(
            "alter table people alter balance type numeric(10, 2) "
            "using balance::numeric(10, 2)"
        )
        connection.commit()


def _fill_mariadb(url: str, _: pa.Table, path: Path) -> None:
    engine = create_engine(f"{url}?local_infile=1")
    with engine.begin() as connection:
        connection.execute(text(_MARIADB))
        connection.exec_driver_sql(
            f"load data local infile '{path}' into table people character set utf8mb4 "
            "fields terminated by ',' optionally enclosed by '\"' ignore 1 lines (id, "
            "email, first_name, last_name, city, country, language, @opted_in, balance, "
            "@signed_up) "
            "set opted_in = @opted_in = 'true', signed_up = left(@signed_up, 19)"
        )
    engine.dispose()


def _checked(cost: Cost, count: int) -> Cost:
    if cost.answer != count:
        raise AssertionError(f"{cost.answer:,} of {count:,} people were read")
    return cost


def _rows(name: str, rounds: Sequence[Mapping[str, Cost]], count: int) -> Iterator[Row]:
    for reader in READERS:
        taken = [costs[reader] for costs in rounds]
        elapsed_s = statistics.median(cost.elapsed_s for cost in taken)
        growth = statistics.median(cost.growth_bytes for cost in taken)
        yield {
            "source": name,
            "reader": reader,
            "rows/s": round(count / elapsed_s),
            "memory MB": round(growth / _MB, 1),
        }


def _ratios(name: str, rounds: Sequence[Mapping[str, Cost]]) -> Iterator[tuple[str, float]]:
    for reader in ("smtpbook", "unchecked"):
        pairs = [(costs[reader], costs["pandas"]) for costs in rounds]
        speed = statistics.median(
            theirs.elapsed_s / ours.elapsed_s for ours, theirs in pairs
        )
        memory = statistics.median(
            ours.growth_bytes / max(theirs.growth_bytes, 1) for ours, theirs in pairs
        )
        yield f"rows/s, {reader} to pandas ({name})", speed
        yield f"memory, {reader} to pandas ({name})", memory


if __name__ == "__main__":
    main()
