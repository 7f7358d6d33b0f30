"""Views: a step, and where the session stands, as HTML; all foreign text is escaped.

What is shown is `stepping`'s; what a widget does with it is `console`'s.
"""

from __future__ import annotations

import re
from typing import Final

from smtpbook.escape import to_html, visible
from smtpbook.palette import SEVERITY_COLORS, SEVERITY_NAMES
from smtpbook.protocol.states import State, to_svg
from smtpbook.stepping.ruling import Ruling
from smtpbook.stepping.situation import Situation
from smtpbook.stepping.step import Step, written

_STYLE: Final = re.compile(r"<style>.*?</style>", re.S)
_MAX_LINE: Final = 300  # characters of what is shown of one line
_MARKS: Final = {True: "✓", False: "✗"}


def picture(state: State, name: str, *, is_small: bool) -> str:
    """Draw the state machine with a state marked.

    Its own style is taken out, for it would be the whole page's: ``form.css`` has one for
    each theme, and leaves the labels out where it is small.

    Parameters
    ----------
    state : State
    name : str
        Of the picture, its own on the page.
    """
    svg = _STYLE.sub("", to_svg(state)).replace('id="head"', f'id="{name}"')
    svg = svg.replace("url(#head)", f"url(#{name})")
    svg = svg.replace(
        'aria-label="States of an SMTP session"',
        f'aria-label="States of an SMTP session; now {state.name}"',
    )
    if is_small:
        return f'<div class="smtpbook-map">{svg}</div>'
    return (  # it scrolls where the page is narrow, so the keyboard must reach it
        '<div class="smtpbook-map smtpbook-map-whole" tabindex="0" role="group" '
        f'aria-label="State machine">{svg}</div>'
    )


def standing(now: Situation, place: str, *, is_open: bool, is_busy: bool) -> str:
    """Say where the session stands."""
    facts = [now.protocol.upper(), "TLS" if now.is_secure else "clear text"]
    if now.is_authenticated:
        facts.append("logged in")
    if is_busy:
        facts.append("waiting for a reply …")
    told = ", ".join(facts) if is_open or is_busy else "no connection"
    return (
        f'<div class="smtpbook-standing" role="status"><b>{now.state.name}</b>: '
        f"{to_html(now.state.value)}<br>{to_html(place)}; {told}</div>"
    )


def step_view(step: Step) -> str:
    """Show a step: what was said, what the RFC has, what came, and what it means."""
    parts = [_said(step)]
    if step.ruling is not None:
        parts.append(_ruling(step.ruling))
    parts += [_reply_block(step)]
    if step.note:
        parts.append(f"<p>before it: <code>{to_html(step.note, newlines=True)}</code></p>")
    parts += [_meaning(step), _octets(step)]
    return f'<div class="smtpbook-step">{"".join(parts)}</div>'


def _said(step: Step) -> str:
    what = "The connection was made" if step.ruling is None else step.line or "(empty)"
    shown = visible(what, max_chars=_MAX_LINE)
    chunk = f" and {len(step.chunk):,} octets" if step.chunk else ""
    return f'<p class="smtpbook-said"><b>{to_html(shown)}</b>{chunk}</p>'


def _ruling(ruling: Ruling) -> str:
    return (
        f'<p class="smtpbook-ruling"><span aria-hidden="true">{_MARKS[ruling.is_right]}'
        f"</span> <b>{ruling.kind}</b>: {to_html(ruling.says)} "
        f"<i>({to_html(ruling.source)})</i></p>"
    )


def _reply_block(step: Step) -> str:
    """Show the replies, each with the colour and the name of its first digit."""
    blocks = []
    for reply in step.replies:
        digit = reply.code // 100
        lines = "\n".join(visible(line, max_chars=_MAX_LINE) for line in written(reply))
        name = SEVERITY_NAMES.get(digit, "")
        blocks.append(
            f'<pre style="border-left: 4px solid {SEVERITY_COLORS.get(digit, "#999999")}" '
            f'tabindex="0" aria-label="reply: {name}">{to_html(lines, newlines=True)}</pre>'
        )
    if step.error:
        blocks.append(f'<p role="alert">✗ {to_html(step.error)}</p>')
    elif not step.replies:
        blocks.append("<p>No reply is due.</p>")
    if not step.is_due and step.ruling is not None:
        due = " or ".join(map(str, step.ruling.codes))
        blocks.append(f"<p>The RFC has {due} for it.</p>")
    return "".join(blocks)


def _meaning(step: Step) -> str:
    """Say what the last reply means, and what is wrong with it, if anything is."""
    told = step.explanation
    if told is None:
        return ""
    says = [f"<p><b>It means</b>: {to_html(told.meaning)}"]
    if told.reason is not None:
        says.append(f" <i>({to_html(told.reason.replace('_', ' '))})</i>")
    says.append(f" <b>Next</b>: {to_html(told.remedy)}</p>" if told.remedy else "</p>")
    says += [f"<p>{to_html(fault)}</p>" for fault in told.faults]
    return "".join(says)


def _octets(step: Step) -> str:
    if not str(step.wire):
        return ""
    title = "Octets on the wire" + ", and what TLS hid" * step.wire.is_sealed
    return (
        f"<details><summary>{title}</summary>"
        f'<pre class="smtpbook-octets" tabindex="0" aria-label="{title}">'
        f"{to_html(str(step.wire), newlines=True)}</pre></details>"
    )


def step_name(number: int, step: Step) -> str:
    """Name a step on one line, for a menu."""
    line = "greeting" if step.ruling is None else step.line or "(empty line)"
    code = f" → {step.replies[-1].code}" if step.replies else ""
    return f"{number}: {visible(line, max_chars=60)}{code}"
