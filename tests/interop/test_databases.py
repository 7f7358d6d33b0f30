"""Against Debian's PostgreSQL and MariaDB: what is read, what is refused, what it costs."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine, NullPool, create_engine, text

from smtpbook.databases.database import read_database
from smtpbook.errors import RecipientsError
from smtpbook.table import Table
from tests.benchmarks.memory import measure
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PASSWORD, PostgreSQL
from tests.servers.process import free_ports

pytestmark = [pytest.mark.real_server, pytest.mark.side_by_side]

Server = PostgreSQL | MariaDB
HOSTILE = "'; drop table people; --"


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def people(server: Server) -> Iterator[str]:
    """The URL of a database with a table ``people`` of three rows."""
    run(
        server.url(),
        "create table people (id int primary key, email varchar(90))",
        "insert into people values (1, 'ann@x.example'), (2, 'zoë@x.example'), (3, null)",
    )
    yield server.url()
    run(server.url(), "drop table people")


@pytest.fixture
def mood(postgresql: PostgreSQL) -> Iterator[None]:
    """A type that PostgreSQL has not had before."""
    run(postgresql.url(), "create type mood as enum ('happy', 'sad')")
    yield
    run(postgresql.url(), "drop type mood")


def engine_of(url: str) -> Engine:
    return create_engine(url, poolclass=NullPool)


@pytest.fixture(scope="module", autouse=True)
def _no_authorities() -> Iterator[None]:
    """PyMySQL reads all that the system trusts whenever it connects; here none vouches."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        yield


# Who makes and drops tables stays connected from test to test: to connect takes longer.
OWNERS: dict[str, Engine] = {}


@pytest.fixture(scope="module", autouse=True)
def _owners_leave() -> Iterator[None]:
    yield
    while OWNERS:
        OWNERS.popitem()[1].dispose()


def run(url: str, *statements: str) -> None:
    if url not in OWNERS:
        OWNERS[url] = create_engine(url)
    with OWNERS[url].begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def rows(table: Table) -> list[tuple[object, ...]]:
    columns = [column.to_pylist() for column in table.cells.columns]
    return list(zip(*columns, strict=True))


def row(table: Table) -> dict[str, object]:
    """The only row, by header."""
    (found,) = rows(table)
    return dict(zip(table.headers, found, strict=True))


def types(table: Table) -> dict[str, pa.DataType]:
    return dict(zip(table.headers, (c.type for c in table.cells.columns), strict=True))


# --- what is read ------------------------------------------------------------------------


def test_text_of_any_script_and_missing_cells(server: Server) -> None:
    texts = ["é", "日本語", "🎉 party", "a:b %s %(x)s", "", "  \t", None]
    query = " union all ".join(f"select {n}, :t{n}" for n in range(len(texts)))
    params = {f"t{n}": value for n, value in enumerate(texts)}
    query = query.replace(":t0", ":t0 as name").replace("0,", "0 as n,")
    found = read_database(server.url(), query=f"{query} order by n", params=params)
    assert found.headers == ("n", "name")
    assert found.cells.column(1).to_pylist() == [*texts[:4], None, None, None]
    assert found.rows.to_pylist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_table_is_read_whole(people: str) -> None:
    found = read_database(people, table="people")
    assert found.headers == ("id", "email")
    assert rows(found) == [(1, "ann@x.example"), (2, "zoë@x.example"), (3, None)]
    assert found.name.endswith(": people")
    assert found.problems == ()


@pytest.mark.parametrize("way", [str, engine_of], ids=["Arrow", "rows"])
@pytest.mark.usefixtures("mood")
def test_postgresqls_types(postgresql: PostgreSQL, way: Callable[[str], Any]) -> None:
    query = """
        select 7::smallint as small, 7 as whole, 1.5::float8 as float, true as truth,
            12.50::numeric(10, 2) as price, 'NaN'::numeric as nan, 'x'::varchar as short,
            date '2024-02-29' as day, timestamp '2024-02-29 12:00' as naive,
            timestamptz '2024-02-29 12:00+02' as aware, time '12:30' as clock,
            '{"vip": true}'::jsonb as object, array['a', 'b'] as list, 5::money as money,
            '1b671a64-40d5-491e-99b0-da01ff1f3341'::uuid as id, 'happy'::mood as mood,
            '\\x00ff'::bytea as octets, null as nothing
    """
    found = read_database(way(postgresql.url()), query=query)
    cells = row(found)
    assert str(cells.pop("nan")).lower() == "nan"
    assert cells == {
        "small": 7,
        "whole": 7,
        "float": 1.5,
        "truth": True,
        "price": Decimal("12.50"),
        "short": "x",
        "day": date(2024, 2, 29),
        "naive": datetime(2024, 2, 29, 12),
        "aware": datetime(2024, 2, 29, 10, tzinfo=UTC),
        "clock": "12:30:00",
        "object": '{"vip": true}',
        "list": '["a", "b"]',
        "money": "$5.00",
        "id": "1b671a64-40d5-491e-99b0-da01ff1f3341",
        "mood": "happy",
        "nothing": None,
    }
    assert types(found)["aware"] == pa.timestamp("us", "UTC")
    assert pa.types.is_decimal(types(found)["price"])
    assert types(found)["nothing"] == pa.large_string()
    (left_out,) = found.problems
    assert left_out.rule == "binary"
    assert "column 'octets' holds octets" in left_out.message


def test_mariadbs_types(mariadb: MariaDB) -> None:
    query = """
        select cast(7 as int) as whole, 18446744073709551615 as big, 1.5e0 as fraction,
            cast(12.5 as decimal(10, 2)) as price, date '2024-02-29' as day,
            timestamp '2024-02-29 12:00' as naive, time '12:30' as clock,
            json_object('vip', true) as object, x'00ff' as octets, null as nothing
    """
    found = read_database(mariadb.url(), query=query)
    assert row(found) == {
        "whole": 7,
        "big": "18446744073709551615",
        "fraction": 1.5,
        "price": Decimal("12.50"),
        "day": date(2024, 2, 29),
        "naive": datetime(2024, 2, 29, 12),
        "clock": "12:30:00",
        "object": '{"vip": true}',
        "nothing": None,
    }
    assert [problem.rule for problem in found.problems] == ["binary"]


def test_dates_that_python_has_none_for_are_missing_and_said(
    postgresql: PostgreSQL,
) -> None:
    query = """
        select date '2024-02-29' as until, timestamptz '2024-02-29 12:00Z' as moment
        union all select 'infinity', '-infinity'
        union all select date '0044-03-15 BC', timestamptz '9999-12-31 23:59:59.999999Z'
    """
    found = read_database(postgresql.url(), query=query)
    assert rows(found)[0] == (date(2024, 2, 29), datetime(2024, 2, 29, 12, tzinfo=UTC))
    assert rows(found)[1] == (None, None)
    assert rows(found)[2][0] is None
    assert [(p.rule, p.message.rpartition(": ")[2]) for p in found.problems] == [
        (
            "date",
            "column 'until' has dates before the year 1 or after 9999, 2 times, first in "
            "row 2; they are read as missing",
        ),
        (
            "date",
            "column 'moment' has dates before the year 1 or after 9999, 1 times, first in "
            "row 2; they are read as missing",
        ),
    ]


def test_numbers_keep_the_most_decimal_places_that_any_has(postgresql: PostgreSQL) -> None:
    query = "select * from (values (1::numeric), (2.125), (-0.5), (null)) as n (n)"
    found = read_database(postgresql.url(), query=query)
    assert found.cells.column(0).to_pylist() == [
        Decimal("1.000"),
        Decimal("2.125"),
        Decimal("-0.500"),
        None,
    ]


def test_a_query_that_finds_nobody_is_an_empty_table(people: str) -> None:
    found = read_database(people, query="select email from people where id = 9")
    assert found.headers == ("email",)
    assert found.cells.num_rows == len(found.rows) == 0
    assert found.cells.column(0).type == pa.large_string()


@pytest.mark.parametrize("query", ["{};", "{}\n;\n", "{} -- all of them", "({})"])
def test_a_query_may_end_as_people_write_it(people: str, query: str) -> None:
    found = read_database(people, query=query.format("select id from people"))
    assert sorted(rows(found)) == [(1,), (2,), (3,)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_utf_8(postgresql: PostgreSQL, encoding: str) -> None:
    engine = engine_of(postgresql.url()).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(
            f"create database old encoding '{encoding}' locale 'C' template template0"
        )
    url = postgresql.url("old")
    query = "select convert_from('\\xe9'::bytea, 'LATIN1') as name"
    if encoding == "LATIN1":
        assert rows(read_database(url, query=query)) == [("é",)]
    else:  # a database that takes any octets for text, and answers with any
        with pytest.raises(RecipientsError, match=r'invalid byte sequence .*"UTF8": 0xe9'):
            read_database(url, query=query.replace("LATIN1", "SQL_ASCII"))
    with engine.connect() as connection:
        connection.exec_driver_sql("drop database old")


# --- parameters and names ----------------------------------------------------------------


def test_a_hostile_parameter_is_a_value_like_any_other(people: str) -> None:
    query = "select id from people where email = :email"
    assert rows(read_database(people, query=query, params={"email": HOSTILE})) == []
    run(people, f"insert into people values (4, {quoted(HOSTILE)})")
    found = read_database(people, query=query, params={"email": HOSTILE})
    assert rows(found) == [(4,)]
    assert len(read_database(people, table="people").rows) == 4


def quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def test_a_name_may_stand_several_times_and_colons_for_themselves(people: str) -> None:
    query = "select id, '\\:id' as a from people where id = :id or id = :id + :one"
    found = read_database(people, query=query, params={"id": 1, "one": 1})
    assert rows(found) == [(1, ":id"), (2, ":id")]
    found = read_database(people, query="select id, ':id 100%' as a from people")
    assert rows(found)[0] == (1, ":id 100%")


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("date", "2024-02-29"),
        ("date", date(2024, 2, 29)),
        ("timestamptz", datetime(2024, 2, 29, 12, tzinfo=UTC)),
        ("int", 5),
        ("int", "5"),
        ("numeric", Decimal("1.50")),
        ("boolean", True),
        ("uuid", "1b671a64-40d5-491e-99b0-da01ff1f3341"),
        ("mood", "happy"),
        ("bytea", b"\x00'\\"),
        ("text", HOSTILE),
    ],
)
@pytest.mark.usefixtures("mood")
def test_a_parameter_takes_the_type_it_is_compared_with(
    postgresql: PostgreSQL, kind: str, value: object
) -> None:
    run(postgresql.url(), f"create table kinds (it {kind})")
    engine = engine_of(postgresql.url())
    with engine.begin() as connection:
        connection.execute(
            text(f"insert into kinds values (cast(:it as {kind}))"), {"it": value}
        )
    query = "select 'found' as it from kinds where it = :it"
    assert rows(read_database(postgresql.url(), query=query, params={"it": value})) == [
        ("found",)
    ]
    run(postgresql.url(), "drop table kinds")


def test_a_parameter_may_be_missing(people: str) -> None:
    query = "select id from people where id = :id"
    assert rows(read_database(people, query=query, params={"id": None})) == []


@pytest.mark.parametrize(
    "name", ['Weird "Name', "it's `so`", "per%cent :x", "a.b", "größe"]
)
def test_any_name_of_a_table(server: Server, name: str) -> None:
    engine = engine_of(server.url())
    quote = engine.dialect.identifier_preparer.quote_identifier
    run(server.url(), f"create table {quote(name)} (email varchar(50))")
    run(server.url(), f"insert into {quote(name)} values ('a@x.example')")
    assert rows(read_database(server.url(), table=name)) == [("a@x.example",)]
    run(server.url(), f"drop table {quote(name)}")


def test_a_table_of_another_schema(server: Server) -> None:
    run(server.url(), "create schema crm", "create table crm.people (email varchar(50))")
    assert read_database(server.url(), table="crm.people").headers == ("email",)
    with pytest.raises(RecipientsError, match=r"'people'.*; did you mean 'crm\.people'"):
        read_database(server.url(), table="people")
    run(server.url(), "drop table crm.people", "drop schema crm")


@pytest.mark.parametrize("name", ["people; drop table people", HOSTILE, "x.y.z"])
def test_no_such_table(people: str, name: str) -> None:
    with pytest.raises(RecipientsError, match="no table"):
        read_database(people, table=name)


def test_what_is_misspelt_is_answered_with_what_there_is(people: str) -> None:
    with pytest.raises(
        RecipientsError, match=r"no table 'peple' .*did you mean 'people'\?"
    ):
        read_database(people, table="peple")
    with pytest.raises(RecipientsError, match=r"peple.*; did you mean 'people'\?"):
        read_database(people, query="select email from peple")
    with pytest.raises(RecipientsError, match=r"emial.*; did you mean 'email'\?"):
        read_database(people, query="select emial from people")
    with pytest.raises(
        RecipientsError, match=r"table= or query=; .* of addresses: 'people'"
    ):
        read_database(people)
    with pytest.raises(RecipientsError, match=r"pass params={'id': …}"):
        read_database(people, query="select email from people where id = :id")
    with pytest.raises(RecipientsError, match="two columns are called 'id'"):
        read_database(people, query="select id, email, id from people")


def test_tables_with_types_unknown_to_sqlalchemy_are_listed(postgresql: PostgreSQL) -> None:
    run(postgresql.url(), "create table odd (mail text, at xid8, point point[])")
    with pytest.raises(RecipientsError, match="of addresses: 'odd'"):
        read_database(postgresql.url())
    run(postgresql.url(), "drop table odd")


# --- only reading ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "insert into people values (4, 'x')",
        "insert into people values (4, 'x') returning id",
        "update people set email = 'x'",
        "delete from people",
        "delete from people returning id",
        "with gone as (delete from people returning id) select id from gone",
        "drop table people",
        "truncate table people",
        "alter table people add city varchar(9)",
        "create table more (id int)",
        "select 1 as a; drop table people",
        "select 1 as a; commit; drop table people",
        "select 1) to stdout; drop table people; --",
        "commit",
    ],
)
def test_nothing_is_written(people: str, query: str) -> None:
    for source in (people, engine_of(people)):
        with pytest.raises(RecipientsError):
            read_database(source, query=query)
    found = read_database(people, table="people")
    assert found.headers == ("id", "email")
    assert len(found.rows) == 3


@pytest.mark.parametrize("way", [str, engine_of], ids=["URL", "engine"])
def test_a_select_that_writes_is_refused(
    postgresql: PostgreSQL, way: Callable[[str], Any]
) -> None:
    run(postgresql.url(), "create sequence numbers")
    with pytest.raises(RecipientsError, match="read-only transaction"):
        read_database(way(postgresql.url()), query="select nextval('numbers') as n")
    run(postgresql.url(), "drop sequence numbers")


def test_a_connection_is_given_back_as_it_was(people: str) -> None:
    engine = engine_of(people)
    with engine.connect() as connection:
        assert len(read_database(connection, table="people").rows) == 3
        with pytest.raises(RecipientsError):
            read_database(connection, query="delete from people")
        assert not connection.in_transaction()
        connection.exec_driver_sql("insert into people values (4, 'x')")
        with pytest.raises(RecipientsError, match="inside a transaction"):
            read_database(connection, table="people")
        connection.commit()
        assert len(read_database(connection, table="people").rows) == 4


# --- what goes wrong ---------------------------------------------------------------------


def test_a_wrong_password_is_said_and_not_shown(server: Server) -> None:
    wrong = "hunter2/@:%"
    with pytest.raises(RecipientsError, match="cannot connect to") as caught:
        read_database(server.url(password=wrong), table="people")
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "hunter2" not in shown
    assert "tester:***@127.0.0.1" in str(caught.value)
    assert "are user, password and name right?" in str(caught.value)


def test_a_passwords_place_in_a_drivers_words_is_masked(server: Server) -> None:
    query = f"select missing from t where a = {quoted(PASSWORD)}"
    with pytest.raises(RecipientsError) as caught:
        read_database(f"{server.url()}?{PASSWORD.strip('%1')}={PASSWORD}", query=query)
    assert PASSWORD not in str(caught.value)


def test_a_database_that_is_down_or_missing(server: Server) -> None:
    (port,) = free_ports(1)
    down = server.url().replace(f":{server.port}/", f":{port}/")
    with pytest.raises(RecipientsError, match=r"refused.*; is the database running there"):
        read_database(down, table="people")
    with pytest.raises(RecipientsError, match=r"cannot connect .*nodb"):
        read_database(server.url("nodb"), table="people")


@pytest.mark.parametrize("way", [str, engine_of], ids=["Arrow", "rows"])
def test_postgresql_ends_in_the_middle(
    postgresql: PostgreSQL, way: Callable[[str], Any]
) -> None:
    query = """
        select n, case when n = 190000 then pg_terminate_backend(pg_backend_pid()) end as x,
            repeat('x', 100) as filling
        from generate_series(1, 200000) as n
    """
    with pytest.raises(RecipientsError, match=r"broke off after row [\d,]+: .*again"):
        read_database(way(postgresql.url()), query=query)


def test_mariadb_ends_in_the_middle(mariadb: MariaDB) -> None:
    # The answer stops at a row that waits for a lock; then its connection is ended.
    query = "select seq, if(seq = 90000, get_lock('gate', 60), 0) as x from seq_1_to_100000"
    engine = engine_of(mariadb.url())

    def end_the_one_that_waits() -> None:
        with engine.connect() as watcher:
            waiting = text(
                "select max(id), sleep(0.01) from information_schema.processlist "
                "where state = 'User lock'"
            )
            while (found := watcher.execute(waiting).scalar()) is None:
                pass
            watcher.execute(text(f"kill {found}"))

    with engine.connect() as holder:
        assert holder.execute(text("select get_lock('gate', 0)")).scalar() == 1
        ending = Thread(target=end_the_one_that_waits)
        ending.start()
        with pytest.raises(
            RecipientsError, match=r"broke off after row [1-8]0,000: .*again"
        ):
            read_database(mariadb.url(), query=query)
        ending.join()


def test_a_query_that_takes_too_long_for_the_server(server: Server) -> None:
    url = server.url()
    if isinstance(server, PostgreSQL):
        url, query = f"{url}?options=-c statement_timeout=100", "select pg_sleep(60)"
        said = "canceling statement due to statement timeout"
    else:
        query = "set statement max_statement_time = 0.1 for select sleep(60) as x"
        said = "max_statement_time exceeded"
    with pytest.raises(RecipientsError, match=said):
        read_database(url, query=query)


# --- what it costs -----------------------------------------------------------------------


@pytest.mark.heavy
@pytest.mark.parametrize("params", [None, {"least": 0}], ids=["table", "parameters"])
def test_a_large_table_streams(server: Server, params: dict[str, int] | None) -> None:
    numbers = (
        "generate_series(1, 200000) as n"
        if isinstance(server, PostgreSQL)
        else "(select seq as n from seq_1_to_200000) as n"
    )
    run(
        server.url(),
        "create table large as select n, concat('reader-', n, '@mailbox.example') as email,"
        f" concat('City ', n %% 50) as city from {numbers}",
    )
    cost = measure(
        """
from smtpbook.databases.database import read_database
read_database(given["url"], query="select * from large limit 2000")
""",
        """
table = read_database(given["url"], **given["options"])
answer = [len(table.rows), table.cells.nbytes, str(table.cells.column(2).type)]
""",
        url=server.url(),
        options={"table": "large"}
        if params is None
        else {"query": "select * from large where n > :least", "params": params},
    )
    run(server.url(), "drop table large")
    count, size_bytes, kind = cost.answer
    assert count == 200_000
    assert kind.startswith("dictionary<values=large_string, indices=int8")
    # Fetched before it is converted, the answer takes more than 140 MB.
    assert size_bytes < 10_000_000
    assert cost.growth_bytes < size_bytes + 40_000_000


def test_an_engine_of_ones_own_is_used(people: str) -> None:
    engine = create_engine(people)
    assert len(read_database(engine, table="people").rows) == 3
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]
    engine.dispose()
