"""The state machine of a session: one table, for client and server alike.

``python -m smtpbook.protocol.states > states.svg`` draws the picture of it; with
``--table`` it prints the rows.  The table knows verbs and first digits, nothing of texts,
addresses or time.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from smtpbook.protocol.verdicts import Protocol


class State(Enum):
    """Where a session stands; the value says it in words."""

    CONNECTED = "connected: the greeting is awaited"
    GREETED = "greeted: EHLO or HELO comes next"
    REFUSED = "refused by the greeting: only QUIT is left"
    TLS = "TLS handshake"
    AUTH = "AUTH: a challenge awaits its response"
    READY = "ready: no transaction is open"
    MAIL = "reverse-path given: no recipient accepted yet"
    RCPT = "at least one recipient accepted"
    CHUNKS = "some chunks of mail data given with BDAT"
    DATA = "mail data: only the lone dot ends it"
    CLOSED = "closed"

    # By identity: the table is asked for every command and reply, and Enum's own hash is a
    # Python function.
    __hash__ = object.__hash__


class Next(NamedTuple):
    """The state after a reply, by its first digit; None: the server broke the protocol.

    A code that no list holds is acted on by its first digit alone (RFC 5321 section 4.2).
    """

    success: State | None  # 2yz
    intermediate: State | None  # 3yz
    transient: State | None  # 4yz
    permanent: State | None  # 5yz


def _stays(state: State, *, success: State | None = None) -> Next:
    """Only a 2yz moves on; a refusal changes nothing; a 3yz has no business here."""
    return Next(success or state, None, state, state)


_S = State
_TRANSACTION: Final = (_S.MAIL, _S.RCPT, _S.CHUNKS)
_IDLE: Final = (_S.GREETED, _S.READY)

TABLE: Final[dict[tuple[State, str], Next]] = {
    # "a 554 response MAY be given in the initial connection opening message instead of the
    # 220.  A server taking this approach MUST still wait for the client to send a QUIT"
    # -- RFC 5321 section 3.1
    (_S.CONNECTED, "GREETING"): Next(_S.GREETED, None, _S.REFUSED, _S.REFUSED),
    # "an EHLO command MAY be issued by a client later in the session", and then acts as
    # RSET -- RFC 5321 section 4.1.4.  LHLO is what LMTP has instead of both.
    **{
        (state, verb): _stays(state, success=_S.READY)
        for state in (*_IDLE, *_TRANSACTION)
        for verb in ("EHLO", "HELO", "LHLO")
    },
    (_S.READY, "STARTTLS"): _stays(_S.READY, success=_S.TLS),
    # "the SMTP protocol is reset to the initial state" -- RFC 3207 section 4.2
    (_S.TLS, "HANDSHAKE"): Next(_S.GREETED, None, None, None),
    # "the AUTH command is not permitted during a mail transaction" -- RFC 4954 section 4
    **{
        (state, verb): Next(_S.READY, _S.AUTH, _S.READY, _S.READY)
        for state, verb in ((_S.READY, "AUTH"), (_S.AUTH, "RESPONSE"))
    },
    # XCLIENT takes a session back to its greeting (Postfix's XCLIENT_README); ETRN starts a
    # queue (RFC 1985).  After TURN's 250 the server is the client (RFC 821 section 3.8),
    # which ends the session for one that is no server.
    (_S.READY, "XCLIENT"): _stays(_S.READY, success=_S.GREETED),
    (_S.READY, "ETRN"): _stays(_S.READY),
    (_S.READY, "TURN"): _stays(_S.READY, success=_S.CLOSED),
    # MAIL "MUST NOT be sent if a mail transaction is already open" -- section 4.1.4.
    # SEND, SOML and SAML are RFC 821's, and begin a transaction too (section 3.4 there).
    **{
        (_S.READY, verb): _stays(_S.READY, success=_S.MAIL)
        for verb in ("MAIL", "SEND", "SOML", "SAML")
    },
    (_S.MAIL, "RCPT"): _stays(_S.MAIL, success=_S.RCPT),
    (_S.RCPT, "RCPT"): _stays(_S.RCPT),
    # A refused DATA leaves the transaction open: RSET ends it -- section 3.3
    (_S.RCPT, "DATA"): Next(None, _S.DATA, _S.RCPT, _S.RCPT),
    # Without an accepted RCPT 503 or 554 is due -- section 3.3.  DATA can stand here all
    # the same when it was pipelined behind its RCPTs.
    (_S.MAIL, "DATA"): Next(None, _S.DATA, _S.MAIL, _S.MAIL),
    (_S.DATA, "END-OF-DATA"): Next(_S.READY, None, _S.READY, _S.READY),
    # A refused chunk leaves a transaction that only RSET ends -- RFC 3030 section 2
    **{(state, "BDAT"): _stays(state, success=_S.CHUNKS) for state in (_S.RCPT, _S.CHUNKS)},
    **{
        (state, "BDAT LAST"): _stays(state, success=_S.READY)
        for state in (_S.RCPT, _S.CHUNKS)
    },
    (_S.GREETED, "RSET"): _stays(_S.GREETED),
    **{
        (state, "RSET"): _stays(state, success=_S.READY)
        for state in (_S.READY, *_TRANSACTION)
    },
    # "can be used at any time during a session, or without previously initializing a
    # session" -- section 4.1.4
    **{
        (state, verb): _stays(state)
        for state in (*_IDLE, *_TRANSACTION)
        for verb in ("NOOP", "HELP", "VRFY", "EXPN")
    },
    # Whatever the server says to QUIT, the session is over -- section 4.1.1.10
    **{
        (state, "QUIT"): Next(*[_S.CLOSED] * 4)
        for state in (*_IDLE, *_TRANSACTION, _S.REFUSED)
    },
}
VERBS: Final = tuple(dict.fromkeys(verb for _, verb in TABLE))
# "the HELO and EHLO commands of ESMTP are replaced by the LHLO command" -- RFC 2033 section
# 4.1; TURN, which makes a client of a server, is SMTP's alone.
FOREIGN: Final[dict[Protocol, frozenset[str]]] = {
    "smtp": frozenset({"LHLO"}),
    "lmtp": frozenset({"EHLO", "HELO", "TURN"}),
}
# Where a reply can find a session although no client may say the verb there.
ONLY_PIPELINED: Final = frozenset({(_S.MAIL, "DATA")})


def allowed_verbs(state: State, protocol: Protocol = "smtp") -> tuple[str, ...]:
    """Give the verbs a client may say in this state, in the table's order.

    ``END-OF-DATA`` is the lone dot, ``RESPONSE`` the answer to a challenge of AUTH,
    ``GREETING`` and ``HANDSHAKE`` come by themselves.

    >>> allowed_verbs(State.DATA)
    ('END-OF-DATA',)
    """
    return tuple(
        verb
        for from_state, verb in TABLE
        if from_state is state
        and (from_state, verb) not in ONLY_PIPELINED
        and verb not in FOREIGN[protocol]
    )


def out_of_order(state: State, verb: str, digit: int) -> State | None:
    """Give the state after a reply to a command the table does not have in this one.

    A server may answer what it should have refused.  None: it broke the protocol.
    """
    if state is State.CLOSED:  # a 421 came before
        return State.CLOSED
    if digit == 3:
        return State.DATA if verb == "DATA" else None
    if verb == "QUIT":
        return State.CLOSED
    if verb == "STARTTLS" and digit == 2:  # the server hears nothing but TLS now
        return State.TLS
    return state


def _edges() -> dict[tuple[State, State], list[str]]:
    """Give the picture's arrows: state, next state, what moves it (loops left out)."""
    moves: dict[tuple[State, State], dict[str, list[str]]] = {}
    for (state, verb), after in TABLE.items():
        for digit, target in zip("2345", after, strict=True):
            if target is not None and target is not state and verb not in _IN_WORDS:
                verbs = moves.setdefault((state, target), {})
                verbs.setdefault(verb, []).append(f"{digit}yz")
    edges: dict[tuple[State, State], list[str]] = {}
    for ends, verbs in moves.items():
        by_digits: dict[str, list[str]] = {}
        for verb, digits in verbs.items():
            by_digits.setdefault(" ".join(digits), []).append(_WORDS.get(verb, verb))
        edges[ends] = [f"{', '.join(names)} → {key}" for key, names in by_digits.items()]
    return edges


_WORDS: Final = {
    "GREETING": "greeting",
    "HANDSHAKE": "handshake",
    "RESPONSE": "response",
    "END-OF-DATA": "lone dot",
}
# Where the boxes stand (centre, in pixels); the arrows follow from the table.
_PLACES: Final[dict[State, tuple[int, int]]] = {
    _S.CONNECTED: (130, 60),
    _S.GREETED: (520, 60),
    _S.TLS: (910, 60),
    _S.REFUSED: (130, 250),
    _S.READY: (520, 330),
    _S.AUTH: (910, 330),
    _S.MAIL: (130, 600),
    _S.RCPT: (520, 600),
    _S.DATA: (910, 600),
    _S.CLOSED: (130, 830),
    _S.CHUNKS: (910, 830),
}
# Arrows that would run through a box go around it by so many pixels.
_DETOURS: Final = {(_S.MAIL, _S.DATA): 190}
# How far along its arrow a label stands; half way unless others cross there.
_LABELS_AT: Final = {
    (_S.CHUNKS, _S.READY): 0.22,
    (_S.RCPT, _S.CHUNKS): 0.25,
    (_S.RCPT, _S.READY): 0.25,
    (_S.GREETED, _S.READY): 0.35,
    (_S.READY, _S.GREETED): 0.35,
}
# Arrows that are said in words: they lead to the end.
_IN_WORDS: Final = frozenset({"QUIT", "TURN"})
_BOX: Final = (210, 64)
_SIZE: Final = (1040, 920)
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1b1b1b;--paper:#fff;--box:#e8f1f8;--line:#0072b2}
@media(prefers-color-scheme:dark){:root{--ink:#eee;--paper:#111;--box:#12303f;--line:#56b4e9}}
svg{background:var(--paper);font:12px sans-serif}
text{fill:var(--ink);text-anchor:middle;paint-order:stroke;stroke:var(--paper);
stroke-width:5px}g text{stroke:none}
rect{fill:var(--box);stroke:var(--line);stroke-width:1.5}.here rect{stroke-width:5}
path{fill:none;stroke:var(--line);stroke-width:1.5}.head{fill:var(--line);stroke:none}
.name{font-weight:bold;font-size:15px}
"""


def to_svg(here: State | None = None) -> str:
    """Draw the table as an SVG picture, with one state marked if wanted.

    QUIT and 421 end a session nearly anywhere; those arrows are left out and said in words,
    as TURN's is.
    """
    width, height = _SIZE
    edges = _edges()
    arrows = [_arrow(*ends, labels, edges) for ends, labels in edges.items()]
    x, y = _PLACES[State.CLOSED]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="img" '
            f'aria-label="States of an SMTP session"><style>{_STYLE}</style>',
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
            'markerHeight="8" orient="auto-start-reverse">'
            '<path class="head" d="M0 0L8 4L0 8z"/></marker></defs>',
            *(path for path, _ in arrows),
            *(label for _, label in arrows),
            *(_box(state, is_here=state is here) for state in _PLACES),
            f'<text x="{x}" y="{y + 52}">QUIT and 421 lead here from every state,</text>',
            f'<text x="{x}" y="{y + 68}">a lost connection, TURN → 2yz too</text></svg>',
        ]
    )


def _box(state: State, *, is_here: bool) -> str:
    x, y = _PLACES[state]
    width, height = _BOX
    first, second = _wrapped(state.value)
    mark = ' class="here"' if is_here else ""
    return (
        f'<g{mark}><rect x="{x - width // 2}" '
        f'y="{y - height // 2}" width="{width}" height="{height}" rx="9"/>'
        f'<text class="name" x="{x}" y="{y - 12}">{state.name}</text>'
        f'<text x="{x}" y="{y + 6}">{first}</text>'
        f'<text x="{x}" y="{y + 22}">{second}</text></g>'
    )


def _arrow(
    start: State,
    end: State,
    labels: list[str],
    edges: dict[tuple[State, State], list[str]],
) -> tuple[str, str]:
    """Give an arrow's path and its label; two that run both ways stand side by side."""
    (x1, y1), (x2, y2) = _PLACES[start], _PLACES[end]
    dx, dy = x2 - x1, y2 - y1
    length = (dx * dx + dy * dy) ** 0.5
    nx, ny = -dy / length, dx / length  # a step to the right of the way
    side = 15 if (end, start) in edges else 0
    # From the edge of one box to the edge of the other.
    reach = min(_BOX[0] / 2 / abs(dx) if dx else 1.0, _BOX[1] / 2 / abs(dy) if dy else 1.0)
    sx, sy = x1 + dx * reach + nx * side, y1 + dy * reach + ny * side
    ex, ey = x2 - dx * reach + nx * side, y2 - dy * reach + ny * side
    bend = _DETOURS.get((start, end), 0)
    if bend:  # leave and arrive from below
        sx, sy, ex, ey = x1, y1 + _BOX[1] / 2, x2, y2 + _BOX[1] / 2
    mx, my = (sx + ex) / 2 + nx * bend, (sy + ey) / 2 + ny * bend
    path = (
        f'<path d="M{sx:.0f} {sy:.0f}Q{mx:.0f} {my:.0f} {ex:.0f} {ey:.0f}" '
        f'marker-end="url(#head)"/>'
    )
    t = _LABELS_AT.get((start, end), 0.5)
    lx = (1 - t) ** 2 * sx + 2 * t * (1 - t) * mx + t**2 * ex
    ly = (1 - t) ** 2 * sy + 2 * t * (1 - t) * my + t**2 * ey + 4 - 8 * (len(labels) - 1)
    texts = (
        f'<text x="{lx:.0f}" y="{ly + 16 * i:.0f}">{text}</text>'
        for i, text in enumerate(labels)
    )
    return path, "".join(texts)


def _wrapped(text: str) -> tuple[str, str]:
    """Cut a sentence into two lines of about equal length, if it is long."""
    if len(text) <= 30:
        return text, ""
    spaces = [i for i, char in enumerate(text) if char == " "]
    cut = min(spaces, key=lambda i: abs(i - len(text) // 2))
    return text[:cut], text[cut + 1 :]


def to_text() -> str:
    """Give the table's rows as text: state, verb, next state by first digit."""
    rows: list[tuple[str, ...]] = [("state", "verb", "2yz", "3yz", "4yz", "5yz")]
    for (state, verb), after in TABLE.items():
        rows.append((state.name, verb, *(s.name if s else "error" for s in after)))
    return "\n".join(" ".join(f"{cell:<11}" for cell in row).rstrip() for row in rows)


if __name__ == "__main__":
    import sys

    sys.stdout.write((to_text() if "--table" in sys.argv[1:] else to_svg()) + "\n")
