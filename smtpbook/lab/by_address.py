"""By address: an address of the lab's may ask for what is to be done about it.

The local part begins with wishes, joined by hyphens, and ends them with a dot::

    local-part = wish *( "-" wish ) "." anything
    wish       = code [ "-" status ]  ; 4yz or 5yz: the reply, such as 550-5.1.1
               / number ( "s" / "ms" ) ; wait so long before it, at most ten minutes
               / "drop" / "reset"      ; close the connection instead of it
               / "lost"                ; do what it promises, and close without it
               / number "x"            ; only the first so many times
               / "end"                 ; at the end of the mail data instead of at RCPT

So ``550-5.1.1.bob@lab.test`` is no user, ``450-4.7.1-2x.bob@lab.test`` one at the third
try, and ``3s.bob@lab.test`` a slow one.  ``drop-end.bob@lab.test`` and
``lost-end.bob@lab.test`` leave the client in doubt: the first has not been taken, the
second has.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from smtpbook.lab.behaviours import Behaviour, Rule

_WISH: Final = re.compile(
    r"(?P<code>[45]\d\d)(?![a-z\d])(?:-(?P<status>[45]\.\d{1,3}\.\d{1,3}))?"
    r"|(?P<number>\d{1,5})(?P<unit>ms|s|x)|(?P<word>drop|reset|lost|end)",
    re.I,
)
_LONGEST_S: Final = 600.0  # an address is not to hold a connection for a day


@lru_cache(maxsize=4096)
def asked_for(address: str) -> Rule | None:
    """Read what an address asks for; None = nothing.

    >>> asked_for("550-5.1.1.bob@lab.test").behaviour.reply
    '550 5.1.1 As the address asks'
    >>> asked_for("1500ms.bob@lab.test").behaviour.delay_s
    1.5
    >>> asked_for("drop-end.bob@lab.test").place
    'END-OF-DATA'
    """
    reply, delay_s, times, words = None, 0.0, None, set[str]()
    at, between = 0, "-"
    while between == "-":
        wish = _WISH.match(address, at)
        if wish is None:
            return None
        if code := wish["code"]:
            reply = f"{code} {wish['status'] or f'{code[0]}.0.0'} As the address asks"
        elif wish["unit"] is None:
            words.add(wish["word"].lower())
        elif wish["unit"].lower() == "x":
            times = int(wish["number"])
        else:
            size = 1.0 if wish["unit"].lower() == "s" else 0.001
            delay_s = min(int(wish["number"]) * size, _LONGEST_S)
        at = wish.end() + 1
        between = address[at - 1 : at]
    if between != ".":
        return None
    place = "END-OF-DATA" if "end" in words else "RCPT"
    behaviour = Behaviour(
        reply=reply,
        delay_s=delay_s,
        drop="drop" in words,
        reset="reset" in words,
        loses_reply="lost" in words and not words & {"drop", "reset"},
        times=times,
    )
    return None if behaviour == Behaviour(times=times) else Rule(place, None, behaviour)
