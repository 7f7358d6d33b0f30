"""Following: whether the links of a letter lead anywhere, asked of their servers.

Only what is asked for: each link once, HEAD first and GET where a server knows no HEAD, no
body read, no cookie kept, at most so many links, redirects and seconds.  A link that leads
off the list is not followed: whoever follows it may leave.
"""

from __future__ import annotations

import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, Final

import trio

from smtpbook.content.leaving import is_leaving
from smtpbook.content.mail import Mail
from smtpbook.escape import visible
from smtpbook.findings import Said, fails, passes, unknown, warns
from smtpbook.wording import counted

MAX_FOLLOWED: Final = 50
"""At most so many links of a letter are followed."""

_AT_ONCE: Final = 6
_PATIENCE_S: Final = 10.0
_MAX_REDIRECTS: Final = 5
_MANY_REDIRECTS: Final = 3  # each costs the reader time, and filters mind chains
_KNOWS_NO_HEAD: Final = frozenset({400, 403, 404, 405, 501})
_GONE: Final = frozenset({404, 410})


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Counts redirects, and keeps to the web."""

    max_redirections = _MAX_REDIRECTS

    def __init__(self) -> None:
        self.count = 0

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: Any,
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> urllib.request.Request | None:
        self.count += 1
        if not newurl.lower().startswith(("https://", "http://")):
            raise urllib.error.URLError(f"redirected to {visible(newurl, max_chars=60)}")
        new = super().redirect_request(req, fp, code, msg, headers, newurl)
        if new is not None:
            new.method = req.get_method()
        return new


async def follow_links(mail: Mail, *, patience_s: float = _PATIENCE_S) -> list[Said]:
    """Ask the servers of a letter's links for them.

    Parameters
    ----------
    mail : Mail
    patience_s : float
        Seconds for each link, its redirects included.

    Returns
    -------
    list of (verdict, evidence, remedy)
        What is wrong with some; one that passes, if nothing is.
    """
    links = () if mail.page is None else mail.page.links
    named = {uri.strip("<> ") for uri in mail.header["list-unsubscribe"].split(",")}
    web = dict.fromkeys(
        link.url.partition("#")[0]
        for link in links
        if link.url.lower().startswith(("https://", "http://"))
        and not is_leaving(link, named)
    )
    chosen = list(web)[:MAX_FOLLOWED]
    said: dict[str, Said | None] = {}
    limit = trio.CapacityLimiter(_AT_ONCE)

    async def ask(url: str) -> None:
        async with limit:
            with trio.move_on_after(patience_s):
                # A server that says nothing keeps its thread, not us.
                said[url] = await trio.to_thread.run_sync(
                    _followed, url, patience_s, abandon_on_cancel=True
                )
                return
        said[url] = unknown(f"{_short(url)}: no answer in {patience_s:g} s")

    async with trio.open_nursery() as nursery:
        for url in chosen:
            nursery.start_soon(ask, url)
    return _in_order([said[url] for url in chosen], len(web))


def _in_order(said: Sequence[Said | None], total: int) -> list[Said]:
    found = [one for one in said if one is not None]
    if total > len(said):
        rest = total - len(said)
        found.append(unknown(f"{counted(rest, 'link was', 'links were')} left"))
    if not found:
        number = counted(len(said), "link leads", "links lead")
        return [passes(f"{number} somewhere; none that leaves the list was followed")]
    return found


def _followed(url: str, patience_s: float) -> Said | None:
    """Say what is wrong with a link; None = nothing."""
    problem: Said | None = None
    for method in ("HEAD", "GET"):
        redirects = _Redirects()
        try:
            status = _status(url, method, redirects, patience_s)
        except urllib.error.HTTPError as exc:
            status = exc.code
            exc.close()
            if status < 400:  # a redirect that is not followed: too many, or off the web
                told = counted(redirects.count, "redirect", "redirects")
                return fails(f"{_short(url)}: {told}, and no page", "mend the link")
        except (OSError, http.client.HTTPException, ValueError) as exc:
            return _unreached(url, exc)
        if status < 400:
            if redirects.count > _MANY_REDIRECTS:
                number = counted(redirects.count, "redirect", "redirects")
                return warns(f"{_short(url)}: {number}", "link to where it ends")
            return None
        problem = _refused(url, status)
        if status not in _KNOWS_NO_HEAD:
            break
    return problem


def _status(url: str, method: str, redirects: _Redirects, patience_s: float) -> int:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        redirects,
    ):
        opener.add_handler(handler)
    request = urllib.request.Request(  # noqa: S310 - https or http
        url, method=method, headers={"User-Agent": "smtpbook (checks links)"}
    )
    with opener.open(request, timeout=patience_s) as answer:
        status: int = answer.status
        return status


def _refused(url: str, status: int) -> Said:
    if status in _GONE:
        return fails(f"{_short(url)}: {status}, there is no such page", "mend the link")
    if status >= 500:
        return warns(f"{_short(url)}: {status}, its server is in trouble", "try again")
    return unknown(f"{_short(url)}: {status}; it may be there for readers")


def _unreached(url: str, error: Exception) -> Said:
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return unknown(f"{_short(url)}: no answer", "try again")
    what = "its certificate is not valid" if isinstance(cause, ssl.SSLError) else ""
    told = what or visible(str(cause) or type(cause).__name__, max_chars=80)
    return fails(f"{_short(url)}: {told}", "mend the link")


def _short(url: str) -> str:
    return visible(url, max_chars=80)
