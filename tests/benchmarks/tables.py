"""Tables of a log too large to hold: what each costs beside pandas, from the same Parquet.

    python -m tests.benchmarks.tables [--events N] [--rounds N] [--folder PATH]
                                      [--alone] [--memory BYTES] [--json]
                                      [--cluster WORKERS]

The log is made once: sealed pieces of 100,000 events, as a campaign writes them, with
recipients, ids and times that do not repeat.  Every table is made in an interpreter of its
own (`tests.benchmarks.memory`), by smtpbook from a scan and by pandas, which reads the
columns it needs and no other; both find the same, which is checked.  Memory is the growth
of the process, the table itself included.  At the end a query is interrupted.

With --cluster, the same tables are made instead by so many workers of dask, each a process
with one thread, of the log in files of a million events, and here; that both are the same
to the last bit is checked.  CPU is that of all processes: what putting together costs.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import smtpbook as sb
from smtpbook.log.frame import arrow_schema, fill_reasons, join_tables, to_batches, to_table
from smtpbook.tables.scan import MEMORY_BYTES
from tests.benchmarks.memory import measure
from tests.benchmarks.output import Row, parser, show
from tests.log.story import Story, day

EVENTS: Final = 10_000_000
_PIECE: Final = 100_000  # events in a sealed file of a campaign, and so in a row group
_FILE: Final = 1_000_000  # events in a file that a worker looks into at a time
_MESSAGES: Final = 16_000  # of the part that is repeated; some 96,000 events
_IDS: Final = ("session_id", "transaction_id", "message_id", "recipient")
_APART_US: Final = 600_000_000
_NUMBER: Final = "\0"  # in a text, where the number of the part is to stand
_PLAIN: Final = pa.schema(
    [
        (field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type)
        for field in arrow_schema()
    ]
)

# What pandas does is written as its users would: read what is needed, group it.
_PANDAS: Final = {
    "reply codes by verb": """
log = pd.read_parquet(path, columns=["kind", "verb", "reply_code"])
log = log[log["reply_code"].between(200, 599) & (log["kind"] != "outcome")]
answer = log.groupby(["verb", "reply_code"]).size()
""",
    "reply codes by hour": """
log = pd.read_parquet(path, columns=["kind", "time", "reply_code"])
log = log[log["reply_code"].between(200, 599) & (log["kind"] != "outcome")]
answer = log.groupby([log["time"].dt.floor("h"), "reply_code"]).size()
""",
    "latency by command": """
log = pd.read_parquet(path, columns=["kind", "verb", "reply_code", "service_s"])
log = log[log["reply_code"].between(200, 599) & (log["kind"] != "outcome")]
groups = log.groupby("verb")["service_s"]
answer = groups.quantile([0.5, 0.95, 0.99]).unstack().assign(
    n=groups.size(), mean=groups.mean(), max=groups.max())
""",
    "outcomes by domain": """
log = pd.read_parquet(path, columns=["kind", "recipient", "recipient_domain", "outcome"])
log = log[log["kind"] == "outcome"].drop_duplicates("recipient", keep="last")
answer = log.groupby(["recipient_domain", "outcome"]).size().unstack(fill_value=0)
""",
    "throughput": """
log = pd.read_parquet(path, columns=["time", "kind", "outcome", "reply_code", "bytes_sent"])
reply = log["reply_code"].between(200, 599) & (log["kind"] != "outcome")
ended = log["kind"] == "outcome"
start = log["time"].dt.floor("60s")
answer = pd.DataFrame({
    "attempts": ended.groupby(start).sum(),
    "accepted": (ended & (log["outcome"] == "accepted")).groupby(start).sum(),
    "replies": reply.groupby(start).sum(),
    "transient": (reply & log["reply_code"].between(400, 499)).groupby(start).sum(),
    "permanent": (reply & (log["reply_code"] >= 500)).groupby(start).sum(),
    "bytes_sent": log["bytes_sent"].groupby(start).sum(),
})
""",
    "retry curve": """
log = pd.read_parquet(path, columns=["kind", "recipient", "outcome", "time"])
over = log["time"].max()
log = log[log["kind"] == "outcome"]
whom = log.groupby("recipient", sort=False)
table = pd.DataFrame({"first": whom["outcome"].first(), "last": whom["outcome"].last(),
    "start": whom["time"].min(), "end": whom["time"].max()})
table["accepted"] = log[log["outcome"] == "accepted"].groupby("recipient")["time"].min()
table = table[table["first"] == "deferred"]
end = table["end"].where(table["last"] != "rejected", over)
waited = table["accepted"].fillna(end) - table["start"]
steps = table["accepted"].notna().groupby(waited).agg(["sum", "size"])
risk = steps["size"][::-1].cumsum()[::-1]
answer = 1 - (1 - steps["sum"] / risk).cumprod()
""",
    "sessions": """
log = pd.read_parquet(path, columns=["session_id", "time", "latency_s", "server", "kind",
    "server_address", "account", "tls_version", "tls_cipher", "verb", "reply_code",
    "bytes_sent", "bytes_received", "error"])
reply = log["reply_code"].between(200, 599) & (log["kind"] != "outcome")
log = log.assign(mail=(log["kind"] == "command") & (log["verb"] == "MAIL"), reply=reply,
    refusal=reply & (log["reply_code"] >= 400),
    end=log["time"] + pd.to_timedelta(log["latency_s"].fillna(0), unit="s"))
last = {name: (name, "last") for name in (
    "server", "server_address", "account", "tls_version", "tls_cipher", "error")}
answer = log.groupby("session_id").agg(start=("time", "min"), end=("end", "max"),
    mail=("mail", "sum"), replies=("reply", "sum"), refusals=("refusal", "sum"),
    sent=("bytes_sent", "sum"), received=("bytes_received", "sum"), **last)
""",
}
_OURS: Final = {
    "reply codes by verb": "sb.reply_codes(scan, by='verb')",
    "reply codes by hour": "sb.reply_codes(scan, by='hour')",
    "latency by command": "sb.latency_by_command(scan)",
    "outcomes by domain": "sb.by_domain(scan)",
    "throughput": "sb.throughput(scan, every_s=60)",
    "retry curve": "sb.retry_curve(scan)",
    "sessions": "sb.sessions(scan)",
}
# One figure of each table, by which the two are seen to say the same.
_CHECKS: Final = {
    "reply codes by verb": ("t['replies'].sum()", "t.sum()"),
    "reply codes by hour": ("t['replies'].sum()", "t.sum()"),
    "latency by command": ("t['p95_s'].sum()", "t[0.95].sum()"),
    "outcomes by domain": ("t['accepted'].sum()", "t['accepted'].sum()"),
    "throughput": ("t['replies'].sum()", "t['replies'].sum()"),
    "retry curve": ("t['estimate'].iloc[-1]", "t.iloc[-1]"),
    "sessions": ("t['messages'].sum()", "t['mail'].sum()"),
}
# Libraries are there before; so is the database, with its threads.
_PREPARE_OURS: Final = """
import smtpbook as sb
from smtpbook.log.frame import to_frame
for table in (sb.reply_codes, sb.latency_by_command, sb.by_domain, sb.throughput,
              sb.retry_curve, sb.sessions):
    table(to_frame([]))
scan = sb.scan_log(given["path"], memory_bytes=given["memory_bytes"])
"""
_PREPARE_PANDAS: Final = """
import pandas as pd
import pyarrow.parquet
path = given["path"]
pd.DataFrame({"x": ["a"]}).groupby("x").size()
"""
_TIMED: Final = """
import time
began = time.process_time()
{}
answer = [float({}), time.process_time() - began]
"""
_INTERRUPT: Final = """
import os, signal, threading, time
import smtpbook as sb
from smtpbook.tables.engine import query
sb.reply_codes(scan)
sent = []
def interrupt():
    time.sleep(0.5)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    query(
        "SELECT a.session_id, count(*) FROM log a, log b WHERE a.seq < b.seq GROUP BY 1",
        {"session_id": "string", "n": "int64"}, needs=("session_id", "seq"), log=scan,
    )
except KeyboardInterrupt:
    answer = time.perf_counter() - sent[0]
"""


def write_campaign(path: Path, events: int) -> int:
    """Write a log of about so many events; the answer is how many."""
    part = _part(min(_MESSAGES, events // 7 + 1))
    rows = 0
    unfinished = path.with_suffix(".part")
    with pq.ParquetWriter(
        unfinished, part.schema, compression="zstd", compression_level=3, store_schema=False
    ) as file:
        for number in range(-(-events // part.num_rows)):
            piece = _moved(part, number).slice(0, events - rows)
            file.write_table(piece, row_group_size=_PIECE)
            rows += piece.num_rows
    unfinished.rename(path)
    return rows


def _part(messages: int) -> pa.Table:
    """Make sessions with latencies and refusals; most of the deferred are tried again."""
    rows = list(day(messages, sessions=max(4, messages // 250)))
    late = Story("late", start=rows[0][0] + 400_000_000).opened()
    deferred = [row for row in rows if "outcome" in row and "deferred" in row]
    names = {field.name: place for place, field in enumerate(arrow_schema())}
    for number, row in enumerate(deferred):
        late.time += 90_000
        recipient = row[names["recipient"]]
        if number % 7 == 0:
            late.message(recipient, rcpt="550 5.1.1 No", outcome="rejected", attempt=2)
        elif number % 5:
            late.message(recipient, attempt=2)
    table = join_tables([to_table(list(to_batches([*rows, *late.closed().rows])))])
    table = fill_reasons(table)
    ids = table["transaction_id"].cast(pa.string())
    texts = pc.binary_join_element_wise(f"2.0.0 Ok: queued as {_NUMBER}", ids, "")
    queued = pc.and_(pc.equal(table["reply_code"], 250), pc.is_valid(table["message_id"]))
    texts = pc.if_else(queued, texts, table["reply_text"].cast(pa.string()))
    table = table.set_column(table.column_names.index("reply_text"), "reply_text", texts)
    plain = table.cast(_PLAIN)
    return pa.table(
        [
            column.combine_chunks().dictionary_encode()
            if pa.types.is_string(column.type)
            else column
            for column in plain.columns
        ],
        plain.column_names,
    )


def _moved(part: pa.Table, number: int) -> pa.Table:
    """Give the part as it would be later, of other sessions with other recipients."""
    moved = part
    for name in (*_IDS, "reply_text"):
        column = part[name].chunk(0)
        texts = (
            pc.binary_join_element_wise(str(number), column.dictionary, "")
            if name in _IDS
            else pc.replace_substring(column.dictionary, _NUMBER, str(number))
        )
        column = pa.DictionaryArray.from_arrays(column.indices, texts)
        moved = moved.set_column(part.column_names.index(name), name, column)
    shift = pa.scalar(np.timedelta64(number * _APART_US, "us"))
    return moved.set_column(0, "time", pc.add(part["time"], shift))


def _race(path: Path, rounds: int, *, memory_bytes: int, is_alone: bool) -> list[Row]:
    rows: list[Row] = []
    given = {"path": str(path), "memory_bytes": memory_bytes}
    for name, ours in _OURS.items():
        check_ours, check_pandas = _CHECKS[name]
        left = _TIMED.format(f"t = {ours}", check_ours)
        right = _TIMED.format(f"{_PANDAS[name]}\nt = answer", check_pandas)
        mine, theirs = [], []
        for _ in range(rounds):  # by turns: others may compute meanwhile
            mine.append(measure(_PREPARE_OURS, left, **given))
            if not is_alone:
                theirs.append(measure(_PREPARE_PANDAS, right, **given))
        found = [costs[0].answer[0] for costs in (mine, theirs) if costs]
        assert np.allclose(found, found[0]), f"{name}: {found}"
        row: dict[str, str | float] = {"table": name}
        for who, costs in (("", mine), ("pandas ", theirs)):
            if not costs:
                continue
            row[f"{who}s"] = min(cost.elapsed_s for cost in costs)
            row[f"{who}CPU s"] = min(cost.answer[1] for cost in costs)
            row[f"{who}MB"] = min(cost.growth_bytes for cost in costs) / 1e6
        rows.append(row)
    return rows


def _on_cluster(path: Path, workers: int, memory_bytes: int) -> list[Row]:
    """Make each table here and by the workers."""
    from distributed import Client, LocalCluster

    folder = path.with_suffix(f".{_FILE}")
    if not folder.exists():
        folder.mkdir()
        with pq.ParquetFile(path) as file:
            for number, batch in enumerate(file.iter_batches(_FILE)):
                table = pa.Table.from_batches([batch])
                name = folder / f"log-{number:04}.parquet"
                pq.write_table(table, name, store_schema=False)
    here = sb.scan_log(folder, memory_bytes=memory_bytes, max_threads=1)
    rows: list[Row] = []
    with (
        LocalCluster(
            workers, threads_per_worker=1, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as client,
    ):
        there = replace(here, cluster=client, piece_bytes=1)
        for name, ours in _OURS.items():
            row: dict[str, str | float] = {"table": name}
            tables = []
            for who, scan in (("", here), ("cluster ", there)):
                eval(ours, {"sb": sb, "scan": scan})  # the workers' first time is not told
                began = _cpu_s(client)
                tables.append(eval(ours, {"sb": sb, "scan": scan}))
                row[f"{who}CPU s"] = _cpu_s(client) - began
            pd.testing.assert_frame_equal(*tables, check_exact=True)
            rows.append(row)
    return rows


def _cpu_s(client: Any) -> float:
    return sum(client.run(time.process_time).values(), time.process_time())


def main() -> None:
    """Measure and print."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--events", type=int, default=EVENTS, help="default: %(default)s")
    options.add_argument("--folder", type=Path, help="keep the log there for next time")
    options.add_argument(
        "--alone", action="store_true", help="without pandas, which has no room for more"
    )
    options.add_argument(
        "--memory", type=int, default=MEMORY_BYTES, help="scan_log's; default: %(default)s"
    )
    options.add_argument("--cluster", type=int, default=0, help="workers of dask")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (given.folder or Path(folder)) / f"log-{given.events}.parquet"
        if not path.exists():
            write_campaign(path, given.events)
        if given.cluster:
            rows = _on_cluster(path, given.cluster, given.memory)
            whole, parted = (
                sum(float(row[name]) for row in rows) for name in ("CPU s", "cluster CPU s")
            )
            more = {"times the CPU, workers and client together": parted / whole}
            show(rows, more, as_json=given.json)
            return
        rows = _race(path, given.rounds, memory_bytes=given.memory, is_alone=given.alone)
        stopped = measure(
            _PREPARE_OURS, _INTERRUPT, path=str(path), memory_bytes=given.memory
        )
    ratios = {"MB, the most of any table": max(float(row["MB"]) for row in rows)}
    if not given.alone:
        ratios |= _beside_pandas(rows)
    ratios["s from an interrupt to its end"] = float(stopped.answer)
    show(rows, ratios, as_json=given.json)


def _beside_pandas(rows: list[Row]) -> dict[str, float]:
    def ratio(row: Row, unit: str) -> float:
        return float(row[f"pandas {unit}"]) / float(row[unit])

    total = {
        name: sum(float(row[name]) for row in rows) for name in rows[0] if name != "table"
    }
    return {
        "times faster than pandas, all tables": ratio(total, "s"),
        "times faster than pandas, the least of any table": min(
            ratio(r, "s") for r in rows
        ),
        "times less CPU than pandas, all tables": ratio(total, "CPU s"),
        "times less CPU than pandas, the least": min(ratio(r, "CPU s") for r in rows),
        "part of pandas' memory, the most of any table": max(
            1 / ratio(r, "MB") for r in rows
        ),
    }


if __name__ == "__main__":
    main()
