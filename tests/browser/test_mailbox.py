"""The lab's mailbox page in a real browser: hostile mail loads nothing and runs nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from smtpbook.lab.lab import Lab
from tests.browser.conftest import CHROMIUM, CHROMIUM_ARGS
from tests.lab.wire import Wire

pytestmark = pytest.mark.heavy

# Each line is a way out of the frame, or into the page; {there} is a server that listens.
HOSTILE = """\
<base href="http://{there}/"><meta http-equiv=refresh content="0;url=http://{there}/meta">
<link rel=stylesheet href="http://{there}/css"><link rel=prefetch href="http://{there}/p">
<link rel=dns-prefetch href="//{there}"><link rel=preconnect href="//{there}">
<style>@import "http://{there}/import"; body {{ background: url(http://{there}/bg) }}
@font-face {{ font-family: x; src: url(http://{there}/font) }}
p {{ font-family: x }}</style>
<script>top.document.title = "owned"; fetch("http://{there}/fetch")</script>
<script src="http://{there}/script"></script>
<img src="http://{there}/img" onerror="top.document.title='owned'" srcset="//{there}/s 2x">
<img src=x onerror="parent.document.title='owned'"><svg onload="parent.owned=1"></svg>
<svg><image href="http://{there}/svg" /></svg><body background="http://{there}/body">
<iframe src="http://{there}/frame"></iframe><object data="http://{there}/object"></object>
<embed src="http://{there}/embed"><video poster="http://{there}/poster" autoplay></video>
<audio src="http://{there}/audio" autoplay></audio><input type=image src="//{there}/input">
<form action="http://{there}/form"><input autofocus onfocus="this.form.submit()"></form>
<a href="http://{there}/ping" ping="http://{there}/ping">a link</a>
<math href="javascript:top.owned=1">x</math><details open ontoggle="top.owned=1">d</details>
<p style="background: url(http://{there}/inline)">The letter's own words.</p>
"""


@pytest.fixture
def there() -> Iterator[socket.socket]:
    """A port of this machine that nobody is to come to."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@pytest.fixture
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=list(CHROMIUM_ARGS)
        )
        yield browser
        browser.close()


def give(lab: Lab, subject: str, html: str) -> None:
    head = f"From: Ann <a@x.test>\r\nSubject: {subject}\r\nContent-Type: text/html\r\n\r\n"
    body = html.replace("\n", "\r\n")
    with Wire(lab.port) as wire:
        wire.codes("EHLO c.test", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA")
        assert wire.ask(f"{head}{body}\r\n.").startswith("250")


def test_hostile_mail_loads_nothing_and_runs_nothing(
    browser: Any, there: socket.socket
) -> None:
    page = browser.new_page()
    got: list[str] = []  # what the policy forbids is a request, too, and gets no further
    page.on("response", lambda response: got.append(response.url))
    with Lab() as lab:
        home = lab.web()
        address = f"127.0.0.1:{there.getsockname()[1]}"
        give(lab, "<img src=x onerror=owned=1>", HOSTILE.format(there=address))
        page.goto(f"{home}message/1", wait_until="load")
        frame = page.frame_locator("iframe")
        frame.get_by_text("The letter's own words.").wait_for()
        assert "owned" not in page.title().replace("onerror=owned=1", "")
        assert page.evaluate("window.owned") is None
        page.goto(home)
        page.get_by_role("link", name="<img src=x").wait_for()
        assert page.evaluate("window.owned") is None
    assert all(url.startswith((home, "data:")) for url in got), got
    with pytest.raises(BlockingIOError):
        there.accept()


@pytest.mark.parametrize("width", [1280, 800])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_what_comes_and_fits(
    browser: Any, scheme: str, width: int
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text))
    with Lab() as lab:
        page.goto(lab.web())
        give(lab, "The first " + "long" * 60, "<h1>Hello</h1><p>A letter.</p>")
        page.get_by_role("link", name="The first").wait_for()  # no reload is needed
        fits = "document.documentElement.scrollWidth <= innerWidth"
        assert page.evaluate(fits)
        lab.clear()
        give(lab, "The second", "<p>Another.</p>")
        page.get_by_role("link", name="The second").click()
        page.frame_locator("iframe").get_by_text("Another.").wait_for()
        assert page.evaluate(fits)
        for view in ("Text", "Header", "Source", "Conversation"):
            page.get_by_role("link", name=view, exact=True).click()
            assert page.evaluate(fits), view
    assert problems == []
