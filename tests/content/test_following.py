"""Links are followed when it is asked for, within bounds, and never one that leaves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trio

from smtpbook.content.checks import check_message, check_message_async
from smtpbook.content.following import MAX_FOLLOWED, follow_links
from smtpbook.content.mail import Mail


class Pages(BaseHTTPRequestHandler):
    """A small web: pages by their names."""

    def _answer(self) -> None:
        server: Any = self.server
        server.asked.append((self.command, self.path, self.headers["Cookie"]))
        name = self.path.strip("/")
        if name.startswith("hops-"):
            left = int(name[5:])
            self._say(302, f"/hops-{left - 1}" if left > 1 else "/fine")
        elif name == "file":
            self._say(302, "file:///etc/passwd")
        elif name == "ftp":
            self._say(302, "ftp://x.example/")
        elif name == "silent":
            if server.released.wait(30):
                self._say(200)
        elif name == "no-head":
            self._say(405 if self.command == "HEAD" else 200)
        else:
            self._say(int(name) if name.isdigit() else 200)

    do_HEAD = do_GET = _answer

    def _say(self, status: int, location: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Set-Cookie", "seen=1")
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[Any]:
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.asked, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


def letter(*urls: str) -> bytes:
    links = "".join(f"<a href='{url}'>more</a>\n" for url in urls)
    return f"From: a@x.example\nContent-Type: text/html\n\n{links}".encode()


def said(message: bytes) -> list[tuple[str, str]]:
    found = check_message(message, follow=True).astype({"verdict": "string"})
    found = found[found["check"] == "links_resolve"]
    return list(zip(found["verdict"], found["evidence"], strict=True))


def test_nothing_is_followed_unless_it_is_asked_for(web: Any) -> None:
    assert "links_resolve" not in set(check_message(letter(f"{web.url}/a"))["check"])
    assert web.asked == []


def test_each_link_is_asked_for_once_by_head_and_no_cookie_is_kept(web: Any) -> None:
    urls = [f"{web.url}/a", f"{web.url}/a#b", f"{web.url}/b", "mailto:a@x.example"]
    assert said(letter(*urls)) == [
        ("pass", "2 links lead somewhere; none that leaves the list was followed")
    ]
    assert sorted(web.asked) == [("HEAD", "/a", None), ("HEAD", "/b", None)]


@pytest.mark.parametrize(
    ("page", "verdict", "evidence"),
    [
        ("404", "fail", "404, there is no such page"),
        ("410", "fail", "410, there is no such page"),
        ("401", "unknown", "401; it may be there for readers"),
        ("503", "warn", "503, its server is in trouble"),
        ("hops-4", "warn", "4 redirects"),
        ("hops-9", "fail", "6 redirects, and no page"),
        ("file", "fail", "0 redirects, and no page"),
        ("ftp", "fail", "redirected to ftp://x.example/"),
    ],
)
def test_what_comes_of_a_link_is_told(
    page: str, verdict: str, evidence: str, web: Any
) -> None:
    ((its_verdict, text),) = said(letter(f"{web.url}/{page}"))
    assert (its_verdict, evidence in text) == (verdict, True), text


@pytest.mark.parametrize("page", ["fine", "no-head", "hops-3"])
def test_what_is_there_passes(page: str, web: Any) -> None:
    assert said(letter(f"{web.url}/{page}"))[0][0] == "pass"


def test_a_link_that_leaves_the_list_is_not_followed(web: Any) -> None:
    own = f"{web.url}/off"
    message = letter(own, f"{web.url}/unsubscribe?t=1", f"{web.url}/fine")
    assert said(f"List-Unsubscribe: <{own}>\n".encode() + message)[0][0] == "pass"
    assert [path for _, path, _ in web.asked] == ["/fine"]


def test_of_very_many_links_some_are_left(web: Any) -> None:
    urls = [f"{web.url}/{name}" for name in [*(f"p{n}" for n in range(MAX_FOLLOWED)), "x"]]
    assert said(letter(*urls)) == [("unknown", "1 link was left")]


def test_a_server_that_is_not_there_fails() -> None:
    (verdict, _) = said(letter("http://127.0.0.1:1/"))[0]
    assert verdict == "fail"


async def test_a_server_that_says_nothing_is_waited_for_no_longer_than_said(
    web: Any,
) -> None:
    mail = Mail.of(letter(f"{web.url}/silent"))
    told = await follow_links(mail, patience_s=0.3)
    assert [verdict for verdict, _, _ in told] == ["unknown"]


async def test_beside_a_link_that_is_silent_the_next_one_is_asked_for_and_told(
    web: Any,
) -> None:
    """It is silent until the next one has been asked for by HEAD and by GET."""

    async def release() -> None:
        while ("GET", "/404", None) not in web.asked:  # noqa: ASYNC110
            await trio.sleep(0.01)
        web.released.set()

    mail = Mail.of(letter(f"{web.url}/silent", f"{web.url}/404"))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(release)
        ((verdict, evidence, _),) = await follow_links(mail, patience_s=60)
    assert verdict == "fail"
    assert "/404: 404, there is no such page" in evidence


async def test_inside_trio_the_async_form_is_named(web: Any) -> None:
    with pytest.raises(RuntimeError, match="check_message_async"):
        check_message(letter(), follow=True)
    found = await check_message_async(letter(f"{web.url}/a"), follow=True)
    assert "links_resolve" in set(found["check"])
    await trio.lowlevel.checkpoint()
