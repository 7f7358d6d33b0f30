"""Databases as a source, as far as SQLite and the text of a URL go.

PostgreSQL and MariaDB are in tests/interop/test_databases.py.
"""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import URL, StaticPool, create_engine

from smtpbook import progress
from smtpbook.databases import sql
from smtpbook.databases.database import is_database_url, read_database
from smtpbook.errors import RecipientsError
from smtpbook.table import Table


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a table ``people`` of three rows."""
    path = tmp_path / "crm & more %41.db"
    write(
        path,
        "create table people (id integer primary key, email text, city text, joined date);"
        "insert into people values (1, 'ann@x.example', 'Łódź', '2024-02-29'),"
        " (2, 'bob@x.example', ' ', null), (3, null, '東京 🎉', null)",
    )
    return path


def write(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def url(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def rows(table: Table) -> list[tuple[object, ...]]:
    columns = [column.to_pylist() for column in table.cells.columns]
    return list(zip(*columns, strict=True))


# --- what is a database's URL ------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["sqlite:///a.db", "postgresql://h/d", "mariadb+pymysql://h/d", "mssql+pyodbc://dsn"],
)
def test_urls_of_databases(text: str) -> None:
    assert is_database_url(text)


@pytest.mark.parametrize(
    "text", ["people.csv", "C://people.csv", "https://x.example/a.csv", "file:///a.db", ""]
)
def test_what_is_no_url_of_a_database(text: str) -> None:
    assert not is_database_url(text)


def test_telling_a_url_loads_no_sqlalchemy() -> None:
    code = (
        "import sys; from smtpbook.databases.database import is_database_url; "
        "is_database_url('sqlite://'); sys.exit('sqlalchemy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- reading -----------------------------------------------------------------------------


def test_a_table_is_read_whole(file: Path) -> None:
    found = read_database(url(file), table="people")
    assert found.name == "sqlite: people"
    assert found.headers == ("id", "email", "city", "joined")
    assert rows(found) == [
        (1, "ann@x.example", "Łódź", "2024-02-29"),
        (2, "bob@x.example", None, None),
        (3, None, "東京 🎉", None),
    ]
    assert found.rows.to_pylist() == [1, 2, 3]
    assert found.rows.type == pa.int64()


def test_a_views_name_and_a_quoted_one(file: Path) -> None:
    write(file, """create view "Weird ""Name; --" as select email from people""")
    assert len(read_database(url(file), table='Weird "Name; --').rows) == 3


def test_parameters_are_bound(file: Path) -> None:
    query = "select id from people where city = :city"
    hostile = "x'; drop table people; --"
    assert rows(read_database(url(file), query=query, params={"city": "Łódź"})) == [(1,)]
    assert rows(read_database(url(file), query=query, params={"city": hostile})) == []
    assert len(read_database(url(file), table="people").rows) == 3


def test_a_column_of_mixed_types_becomes_text_only_if_it_must(tmp_path: Path) -> None:
    path = tmp_path / "mixed.db"
    write(
        path,
        "create table mixed (number, big, text, octets);"
        "insert into mixed values (1, 1.5, 'a', 'a'), (2.5, 1152921504606846977, 2, x'ff'),"
        " (null, null, null, null)",
    )
    found = read_database(url(path), table="mixed")
    assert rows(found)[:2] == [
        (1.0, "1.5", "a", "a"),
        (2.5, "1152921504606846977", "2", "\ufffd"),
    ]


def test_the_source_is_named_by_a_short_query(file: Path) -> None:
    found = read_database(url(file), query="select\n\n   id, email, city\nfrom people")
    assert found.name == "sqlite: select id, email, city from people"
    long = read_database(
        url(file), query=f"select id {' ' * 9} from people where id in (1{',1' * 50})"
    )
    assert len(long.name) == 60
    assert long.name.endswith("…")


def test_text_that_repeats_itself_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "large.db"
    write(
        path,
        "create table large as with recursive n (n) as (select 1 union all select n + 1 "
        "from n where n < 25000) select n, 'reader-' || n || '@x.example' as email, "
        "'City ' || (n % 200) as city, case when n < 12000 then 'same' else 'x' || n end "
        "as later from n",
    )
    found = read_database(url(path), table="large")
    kinds = [str(column.type) for column in found.cells.columns]
    words = "dictionary<values=large_string, indices=int16, ordered=0>"
    assert kinds == ["int64", "large_string", words, "large_string"]
    assert found.cells.column(2)[24_998].as_py() == "City 199"
    assert found.cells.column(3)[24_998].as_py() == "x24999"
    assert found.cells.column(3)[5].as_py() == "same"


def test_progress_is_shown_where_the_number_of_rows_is_known(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    class Display(progress.Silent):
        def update(self, done: int, counts: object) -> None:
            shown.append(done)

        def close(self) -> None:
            shown.append("closed")

    def open_display(title: str, total: int) -> Display:
        shown.append((title, total))
        return Display()

    monkeypatch.setattr(sql, "_WORTH_SHOWING", 3)
    progress.use(open_display)
    try:
        read_database(url(file), table="people")
        read_database(url(file), query="select id from people")
    finally:
        progress.use(None)
    assert shown == [("reading sqlite: people", 3), 3, "closed"]


# --- engines and connections -------------------------------------------------------------


def test_an_engine_in_memory_is_left_writable() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table people (email)")
    with pytest.raises(RecipientsError, match="readonly database"):
        read_database(engine, query="insert into people values ('x') returning email")
    with engine.begin() as connection:
        connection.exec_driver_sql("insert into people values ('a@x.example')")
    assert rows(read_database(engine, table="people")) == [("a@x.example",)]
    with engine.connect() as connection:
        assert rows(read_database(connection, table="people")) == [("a@x.example",)]
        with pytest.raises(RecipientsError, match="no table"):
            read_database(connection, table="zebra")
        assert not connection.in_transaction()
        connection.exec_driver_sql("delete from people")
        with pytest.raises(RecipientsError, match="inside a transaction"):
            read_database(connection, table="people")
    engine.dispose()


@pytest.mark.parametrize("source", [7, object()])
def test_what_is_no_database_is_refused(source: Any) -> None:
    with pytest.raises(
        RecipientsError, match=r"cannot read a \w+; expected a database's URL"
    ):
        read_database(source, table="people")


# --- only reading ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "insert into people (id) values (4)",
        "delete from people returning id",
        "drop table people",
        "create table more (id)",
        "pragma user_version = 7",
        "select 1; drop table people",
        "vacuum",
        "vacuum into 'more.db'",
        "attach 'more.db' as more",
    ],
)
def test_nothing_is_written(
    file: Path, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = file.read_bytes()
    with pytest.raises(RecipientsError):
        read_database(url(file), query=query)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_a_database_that_others_write_to_is_read(file: Path) -> None:
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("pragma journal_mode = wal")
        writer.execute("insert into people (id) values (4)")
        writer.commit()
        writer.execute("insert into people (id) values (5)")
        assert len(read_database(url(file), table="people").rows) == 4


# --- what goes wrong ---------------------------------------------------------------------


def test_a_file_that_is_not_there_is_not_made(file: Path, tmp_path: Path) -> None:
    with pytest.raises(
        RecipientsError, match=r"no file .*mor.db'; did you mean 'crm & more"
    ):
        read_database(f"sqlite:///{tmp_path}/crm & mor.db", table="people")
    with pytest.raises(RecipientsError, match="no file"):
        read_database(f"sqlite:///{tmp_path}/no/folder.db", table="people")
    with pytest.raises(RecipientsError, match="unable to open database file"):
        read_database(f"sqlite:///file:{tmp_path}/new.db?uri=true", table="people")
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_is_shown_by_its_path(file: Path) -> None:
    with pytest.raises(RecipientsError, match="no such column") as refused:
        read_database(url(file), query="select nobody from people")
    assert url(file) in str(refused.value)


def test_a_password_with_an_at_sign_is_not_taken_for_a_host() -> None:
    with pytest.raises(RecipientsError, match="no database's URL") as refused:
        read_database("postgresql://ann:s3c@Zqx@h.example/crm", table="people")
    assert "Zqx" not in str(refused.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    path.write_text("email,name\n" * 100)
    with pytest.raises(RecipientsError, match="file is not a database"):
        read_database(url(path), table="people")


def test_a_locked_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("begin exclusive")
        with pytest.raises(RecipientsError, match="database is locked"):
            read_database(f"{url(file)}?timeout=0.01", table="people")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "say what to read: table= or query=; .* of addresses: 'people'"),
        ({"table": "peple"}, r"no table 'peple' in .*; did you mean 'people'\?"),
        ({"table": "zebra"}, "no table 'zebra' in .*; its tables: 'people'"),
        ({"table": ""}, "is empty"),
        ({"query": " ;\n"}, "is empty"),
        ({"query": "select 1", "table": "people"}, "exclude each other"),
        ({"table": "people", "params": {"a": 1}}, "there is no query="),
        (
            {"query": "select emial from people"},
            r"no such column: emial; did you mean 'email",
        ),
        ({"query": "select id from peple"}, r"no such table: peple; did you mean 'people'"),
        ({"query": "select 1 as a, 2 as a"}, "two columns are called 'a'"),
        ({"query": "analyze sqlite_schema"}, "readonly"),
        ({"query": "begin"}, "gives no rows and columns"),
        ({"query": "select id from people where city = :city"}, "pass params={'city': …}"),
        (
            {"query": "select :city", "params": {"citty": "x"}},
            "params= has 'citty', but there is no :citty in query=; did you mean 'city'",
        ),
        (
            {"query": "select ':x', :city", "params": {"city": "x"}},
            r"query= has :x, but there is no 'x' in params=; a colon .* is written \\:",
        ),
        (
            {"query": "select 1 where 1 in :ids", "params": {"ids": [1]}},
            r"params=\{'ids': …\} is one value, not a list",
        ),
    ],
)
def test_what_cannot_be_read_is_answered_with_what_can(
    file: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipientsError, match=said):
        read_database(url(file), **options)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("postgresql://ann:p@ss:w/ord@h:x/d", "this is no database's URL; .* as %40 %3A"),
        ("postgrsql://h/d", "knows no database 'postgrsql'; did you mean 'postgresql'"),
        ("nosuch://h/d", "knows no database 'nosuch'; for other databases install"),
        ("mysql+mysqldb://h/d", "needs the driver 'MySQLdb': pip install mysqlclient"),
        ("mssql+pyodbc://h/d", "needs the driver 'pyodbc': pip install pyodbc"),
        ("mysql://127.0.0.1/d?nosuch=1", "cannot connect .*argument 'nosuch'"),
        ("postgresql://127.0.0.1/d?nosuch=1", 'cannot connect .*option "nosuch"'),
    ],
)
def test_a_url_that_leads_nowhere(written: str, said: str) -> None:
    with pytest.raises(RecipientsError, match=said) as caught:
        read_database(written, table="people")
    assert "p@ss" not in str(caught.value)


def test_options_of_a_url_are_not_shown() -> None:
    with pytest.raises(RecipientsError) as caught:
        read_database("postgresql://h/d?password=hunter2&nosuch=hunter2", table="people")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_stays_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(RecipientsError, match=f":{port}/crm: .*timed out"):
            read_database(
                f"mysql://ann@127.0.0.1:{port}/crm?read_timeout=1", table="people"
            )


def test_without_sqlalchemy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(RecipientsError, match=r"pip install 'smtpbook\[sql\]'"):
        read_database("sqlite://", table="people")
