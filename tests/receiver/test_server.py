"""The receiver over real HTTP: what it keeps, what it refuses, and what it never says."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import requests

from smtpbook.receiver.server import MAX_BODY, UnsubscribeServer, serve_unsubscribes
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.unsubscribe import Unsubscribe

CLICK = "List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
UNSUBSCRIBE = Unsubscribe(url="https://news.example.org/leave", secret=bytes(16))
MAY = Unsubscribe(url="https://news.example.org/leave", secret=bytes(16), campaign="may")
TOKEN = UNSUBSCRIBE.token("ann@x.example")
TARGET = f"/leave?token={TOKEN}"
DEADLINE_S = 60  # only a server that hangs takes that long


@pytest.fixture
def stop(tmp_path: Path) -> SuppressionList:
    return SuppressionList.open(tmp_path / "never.csv")


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def server(stop: SuppressionList, log: list[str]) -> Iterator[UnsubscribeServer]:
    with UnsubscribeServer(UNSUBSCRIBE, stop, log=log.append) as server:
        yield server


def ask(
    server: UnsubscribeServer, method: str = "GET", target: str = TARGET, **more: Any
) -> requests.Response:
    return requests.request(method, server.url + target, timeout=DEADLINE_S, **more)


def send(server: UnsubscribeServer, octets: bytes) -> bytes:
    """Give what the server says to octets that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as client:
        client.sendall(octets)
        said = b""
        while piece := client.recv(1 << 16):
            said += piece
    return said


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def status(said: bytes) -> int:
    return int(said.split()[1])


class _Form(HTMLParser):
    """Fills in a form as a browser does."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.form: dict[str, str | None] = {}
        self.fields: dict[str, str | None] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "form":
            self.form = given
        elif tag == "input":
            self.fields[given["name"] or ""] = given["value"]


def test_following_the_link_shows_a_page_and_changes_nothing(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    """Programs that check mail follow links (RFC 8058 section 1)."""
    for method in ("GET", "HEAD", "GET"):
        assert ask(server, method).status_code == 200
    assert not stop.path.exists()
    page = ask(server).text
    assert "ann@x.example" in page
    assert ask(server, "HEAD").text == ""
    assert ask(server, "HEAD").headers["Content-Length"] == str(len(page.encode()))


def test_the_pages_button_unsubscribes(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    form = _Form(ask(server).text)
    assert form.form == {"method": "post"}  # to where the page came from
    assert form.tags.count("button") == 1
    assert {"html", "title", "main", "h1"} <= set(form.tags)
    done = ask(server, "POST", data=form.fields)
    assert done.status_code == 200
    assert "ann@x.example</b> is unsubscribed" in done.text
    assert "ann@x.example" in stop


def test_one_click_as_rfc_8058_section_8_1_shows_it(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    said = send(
        server,
        f"POST {TARGET} HTTP/1.1\r\n"
        "Host: example.com\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 26\r\n"
        "\r\n"
        "List-Unsubscribe=One-Click".encode(),
    )
    assert status(said) == 200
    assert [(entry.address_or_rule, entry.reason) for entry in stop] == [
        ("ann@x.example", "unsubscribed")
    ]
    assert next(iter(stop)).date is not None


@pytest.mark.parametrize(
    "boundary", ["---FormBoundaryjWmhtjORrn", "-FormBoundaryjWmhtjORrn"]
)
def test_one_click_as_rfc_8058_section_8_3_shows_it(
    server: UnsubscribeServer, stop: SuppressionList, boundary: str
) -> None:
    """As it is printed, and as erratum 5117 corrects its boundary."""
    said = send(
        server,
        f"POST {TARGET} HTTP/1.1\r\n"
        "Host: example.com\r\n"
        f"Content-Type: multipart/form-data; boundary={boundary}\r\n"
        "Content-Length: 124\r\n"
        "\r\n"
        "---FormBoundaryjWmhtjORrn\r\n"
        'Content-Disposition: form-data; name="List-Unsubscribe"\r\n'
        "\r\n"
        "One-Click\r\n"
        "---FormBoundaryjWmhtjORrn--".encode(),
    )
    assert status(said) == 200
    assert "ann@x.example" in stop


def test_forms_of_http_libraries_are_read(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    key, value = CLICK.split("=")
    for number, body in enumerate(
        (
            {"data": {key: value}},
            {"files": {key: (None, value)}},
            {"files": {"other": (None, "x"), key: (None, value)}},
            {"data": f"{CLICK}\r\n"},
            {"data": f"a=b&{CLICK}", "headers": {"Content-Type": f"{FORM}; charset=utf-8"}},
        )
    ):
        token = UNSUBSCRIBE.token(f"a{number}@x.example")
        assert ask(server, "POST", f"/leave?token={token}", **body).status_code == 200
    assert len(stop) == 5
    with urllib.request.urlopen(
        server.link("u@x.example"), CLICK.encode(), timeout=DEADLINE_S
    ) as answer:
        assert answer.status == 200
    assert "u@x.example" in stop


def test_it_answers_without_redirect_and_without_cookies(
    server: UnsubscribeServer,
) -> None:
    """RFC 8058 sections 3.1 and 3.2."""
    done = ask(server, "POST", data=CLICK, headers={"Content-Type": FORM})
    assert done.history == []
    assert "Set-Cookie" not in done.headers
    assert "Location" not in done.headers


def test_asking_again_is_done_again_and_kept_once(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    for _ in range(3):
        assert ask(server, "POST", data=CLICK).status_code == 200
    assert len(stop) == 1


def test_a_label_is_left_and_nothing_else(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    target = f"/leave?token={MAY.token('ann@x.example')}"
    assert "Stop “may” to" in ask(server, "GET", target).text
    assert ask(server, "POST", target, data=CLICK).status_code == 200
    assert len(stop.match(["ann@x.example"], campaign="may")) == 1
    assert "ann@x.example" not in stop


@pytest.mark.parametrize(
    ("method", "target", "body", "expected"),
    [
        ("GET", "/", None, 404),
        ("GET", "/leave/", None, 404),
        ("GET", "/../leave", None, 404),
        ("POST", "/", CLICK, 404),
        ("GET", "/leave", None, 400),
        ("GET", "/leave?token=", None, 400),
        ("GET", TARGET[:-1], None, 400),
        ("GET", f"{TARGET}x", None, 400),
        ("HEAD", f"{TARGET}x", None, 400),
        ("GET", f"/leave?token={'A' * 30_000}", None, 400),
        ("GET", "/leave?token=%00%0d%0aSet-Cookie:%20a=b", None, 400),
        ("GET", "/leave?" + "a&" * 500, None, 400),
        ("POST", f"{TARGET}x", CLICK, 400),
        ("POST", TARGET, "List-Unsubscribe=Two-Clicks", 400),
        ("POST", TARGET, "list-unsubscribe=one-click", 400),
        ("POST", TARGET, "\xff" * 40, 400),
        ("POST", TARGET, "&" * 4000, 400),
        ("POST", TARGET, "x" * (MAX_BODY + 1), 413),
        ("POST", TARGET, "x" * 500_000, 413),
        ("PUT", TARGET, CLICK, 501),
        ("OPTIONS", TARGET, None, 501),
    ],
)
def test_what_is_refused_is_told_in_one_sentence(
    server: UnsubscribeServer,
    stop: SuppressionList,
    log: list[str],
    method: str,
    target: str,
    body: str | None,
    expected: int,
) -> None:
    data = None if body is None else body.encode("latin-1")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE_S)
    connection.request(method, target, data, {"Content-Type": FORM})
    answer = connection.getresponse()
    page = answer.read().decode()
    connection.close()
    assert answer.status == expected
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"
    assert page.count("<p>") == (0 if method == "HEAD" else 1)
    assert "example" not in page
    assert TOKEN[:-2] not in page
    assert not stop.path.exists()
    server.close()  # the log is written behind the answer
    assert [line.split(" ", 1)[1] for line in log] == [f"{method} {expected}"]


def test_every_wrong_token_gets_the_same_answer(server: UnsubscribeServer) -> None:
    """Nobody learns how near a guess was."""
    other = Unsubscribe(url=UNSUBSCRIBE.url, secret=b"another secret, 1")
    answers = {
        (answer.status_code, answer.text)
        for token in ("", "x", TOKEN[:-1], TOKEN.swapcase(), other.token("ann@x.example"))
        for answer in [ask(server, target=f"/leave?token={token}")]
    }
    assert len(answers) == 1


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"POST %s HTTP/1.1\r\n\r\n", 411),
        (b"POST %s HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 411),
        (b"POST %s HTTP/1.1\r\nContent-Length: 26, 26\r\n\r\n", 411),
        (b"POST %s HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 411),
        (b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1a\r\n", 411),
        (b"POST %s HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"POST %s HTTP/1.1\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000, 413),
        (b"GET %s HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n", 431),
        (b"GET %s HTTP/1.1\r\nA: " + b"b" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"b" * 70_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET %s HTTP/9.9\r\n\r\n", 505),
        (b"GET %s HTTP/1.1 x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n", 400),
        (b"<script>alert(1)</script> / HTTP/1.0\r\n\r\n", 501),
    ],
)
def test_requests_made_by_hand_to_do_harm_are_refused(
    server: UnsubscribeServer,
    stop: SuppressionList,
    log: list[str],
    octets: bytes,
    expected: int,
) -> None:
    said = send(server, octets.replace(b"%s", TARGET.encode()))
    assert status(said) == expected
    assert b"alert" not in said
    assert not stop.path.exists()
    assert ask(server).status_code == 200
    server.close()
    assert all(line.isprintable() and len(line) < 100 for line in log)


def test_a_body_that_does_not_come_to_its_end_keeps_nothing(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    octets = f"POST {TARGET} HTTP/1.1\r\nContent-Length: 300\r\n\r\n{CLICK}".encode()
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as client:
        client.sendall(octets)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert not stop.path.exists()


def test_browsers_are_told_to_run_nothing_keep_nothing_and_tell_nobody(
    server: UnsubscribeServer,
) -> None:
    for answer in (ask(server), ask(server, "POST", data=CLICK), ask(server, target="/")):
        headers = answer.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Server"] == "smtpbook"
        assert headers["Connection"] == "close"
        assert not re.search("<(script|style|img|link)|http", answer.text)


def test_names_from_letters_are_text_on_the_page(stop: SuppressionList) -> None:
    hostile = Unsubscribe(url="https://x.example/", secret=bytes(16), campaign="<b>$x$\\(y")
    with UnsubscribeServer(hostile, stop, log=len) as server:
        link = server.link('"<script>&\'"@x.example')
        for method, body in (("GET", None), ("POST", CLICK)):
            page = requests.request(method, link, data=body, timeout=DEADLINE_S).text
            assert "&lt;script&gt;&amp;" in page
            assert "&lt;b&gt;&#36;x&#36;&#92;(y" in page
    assert next(iter(stop)).address_or_rule == '"<script>&\'"@x.example'


def test_the_log_names_nobody(server: UnsubscribeServer, log: list[str]) -> None:
    ask(server)
    ask(server, "POST", data=CLICK)
    server.close()
    assert [line.split(" ", 1)[1] for line in log] == [
        "GET 200 a•••@x.example",
        "POST 200 a•••@x.example",
    ]
    assert TOKEN not in "".join(log)


def test_twenty_at_once_are_all_kept_once(
    server: UnsubscribeServer, stop: SuppressionList
) -> None:
    links = [server.link(f"reader{number}@x.example") for number in range(20)]
    start = threading.Barrier(20)

    def click(link: str) -> int:
        start.wait(DEADLINE_S)
        return requests.post(link, CLICK, timeout=DEADLINE_S).status_code

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(click, links)) == {200}
    addresses = [entry.address_or_rule for entry in SuppressionList.open(stop.path)]
    assert sorted(addresses) == sorted(f"reader{number}@x.example" for number in range(20))


def test_more_than_there_are_threads_are_answered_in_turn(stop: SuppressionList) -> None:
    with (
        UnsubscribeServer(UNSUBSCRIBE, stop, log=len, max_threads=2) as server,
        ThreadPoolExecutor(20) as pool,
    ):
        answers = list(pool.map(lambda _: ask(server).status_code, range(40)))
    assert answers == [200] * 40


def answers(server: UnsubscribeServer) -> bool:
    """Ask until it answers: on a busy computer, who asks may be taken for a slow client."""
    for _ in range(100):
        with suppress(requests.RequestException):
            return ask(server).status_code == 200
    return False


def test_slow_clients_are_cut_off_and_others_served(stop: SuppressionList) -> None:
    """Two say nothing, or half of something; they have both threads there are."""
    with UnsubscribeServer(
        UNSUBSCRIBE, stop, log=len, timeout_s=0.3, max_threads=2
    ) as server:
        slow = [
            socket.create_connection(("127.0.0.1", server.port), DEADLINE_S)
            for _ in range(2)
        ]
        slow[0].sendall(f"POST {TARGET} HTTP/1.1\r\nContent-Length: 26\r\n\r\nL".encode())
        assert answers(server)
        for client in slow:
            assert client.recv(100) == b""
            client.close()
    assert not stop.path.exists()


def test_closing_does_not_wait_for_slow_clients(stop: SuppressionList) -> None:
    server = UnsubscribeServer(UNSUBSCRIBE, stop, log=len, timeout_s=1000.0)
    with socket.create_connection(("127.0.0.1", server.port), DEADLINE_S) as slow:
        slow.sendall(b"GET /lea")
        assert ask(server).status_code == 200  # the slow one has been accepted before
        server.close()
        assert slow.recv(100) == b""
    server.close()  # twice is once
    with pytest.raises(requests.ConnectionError):
        ask(server)


def test_what_cannot_be_kept_is_not_acknowledged(
    server: UnsubscribeServer,
    stop: SuppressionList,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stop.path.write_text("this,is,no,suppression,list\n")
    answer = ask(server, "POST", data=CLICK)
    assert answer.status_code == 503
    assert "try again later" in answer.text
    assert "never.csv" not in answer.text
    said = capfd.readouterr().err
    assert said.startswith(
        "smtpbook: a•••@x.example could not be unsubscribed and was told"
    )
    assert "never.csv is no suppression list" in said
    stop.path.unlink()
    assert ask(server, "POST", data=CLICK).status_code == 200
    assert "ann@x.example" in stop


def test_a_folder_that_cannot_be_written_is_not_acknowledged(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stop = SuppressionList(tmp_path / "file" / "never.csv")
    with UnsubscribeServer(UNSUBSCRIBE, stop, log=len) as server:
        assert ask(server, "POST", data=CLICK).status_code == 503


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    code = (
        "import sys, smtpbook as sb\n"
        "unsubscribe = sb.Unsubscribe(url='https://news.example.org/leave',"
        " secret=bytes(16))\n"
        "stop = sb.SuppressionList.open(sys.argv[1])\n"
        "sb.serve_unsubscribes(unsubscribe, stop, log=lambda line: None,"
        " ready=lambda server: print(server.port, flush=True))\n"
    )
    path = tmp_path / "never.csv"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            for number in range(3):
                token = UNSUBSCRIBE.token(f"a{number}@x.example")
                url = f"http://127.0.0.1:{port}/leave?token={token}"
                assert requests.post(url, CLICK, timeout=DEADLINE_S).status_code == 200
        finally:
            process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert len(SuppressionList.open(path)) == 3


def test_serving_ends_when_it_is_closed(stop: SuppressionList) -> None:
    seen = []

    def ready(server: UnsubscribeServer) -> None:
        seen.append(ask(server).status_code)
        server.close()

    serve_unsubscribes(UNSUBSCRIBE, stop, ready=ready, log=len)
    assert seen == [200]


def test_it_listens_where_it_is_told(stop: SuppressionList) -> None:
    with UnsubscribeServer(UNSUBSCRIBE, stop, log=len) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        with pytest.raises(OSError, match="in use"):
            UnsubscribeServer(UNSUBSCRIBE, stop, port=server.port)


@pytest.mark.skipif(not has_ipv6(), reason="there is no ::1 here")
def test_it_listens_on_ipv6(stop: SuppressionList) -> None:
    with UnsubscribeServer(UNSUBSCRIBE, stop, host="::1", log=len) as server:
        assert ask(server).status_code == 200
        assert server.url.startswith("http://[::1]:")


def test_links_by_mail_alone_cannot_be_served(stop: SuppressionList) -> None:
    by_mail = Unsubscribe(mailto="leave@x.example", secret=bytes(16))
    with pytest.raises(ValueError, match="needs an Unsubscribe with url="):
        UnsubscribeServer(by_mail, stop)


def test_without_a_log_it_says_on_standard_error_what_it_did(
    stop: SuppressionList, capfd: pytest.CaptureFixture[str]
) -> None:
    with UnsubscribeServer(UNSUBSCRIBE, stop) as server:
        ask(server)
    assert capfd.readouterr().err.endswith("Z GET 200 a•••@x.example\n")
