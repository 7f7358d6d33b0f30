"""Login: what of an AUTH exchange may be kept, and what the server repeats of it.

Nothing is decided here about whether a login is good.  What a client says in answer to a
challenge never gets into a row, and what it held is masked wherever the server repeats it.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

from smtpbook.accounts.secret import Redactor
from smtpbook.protocol.commands import REDACTED
from smtpbook.protocol.replies import Reply

# The old form "AUTH=LOGIN" too; what is behind the mechanism is the initial response.
_AUTH: Final = re.compile(r"(AUTH)[ \t=]+(\S+)(?:[ \t]+(.*))?", re.IGNORECASE | re.DOTALL)
_MECHANISM: Final = re.compile(r"[A-Za-z0-9_-]{1,20}")  # RFC 4422 section 3.1
# A word alone that can only be base64: of a dialogue whose beginning is missing, it is
# what answers a challenge.  Shorter ones may be somebody's idea of a command.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4}){2,4096}(?:[A-Za-z0-9+/=]{0,2}={1,2})?")
_BEARER: Final = re.compile(rb"auth=\w+ ([^\x01]+)")  # RFC 7628 section 3.1, XOAUTH2
# What is shorter may stand in any reply by chance, and would be masked there.
_MIN_SECRET: Final = 4


class Login:
    """The AUTH exchanges of one conversation."""

    def __init__(self) -> None:
        self._redactor = Redactor(REDACTED)
        self._mechanism = ""
        self._responses = 0

    def begin(self, line: str) -> str:
        """Take an AUTH command, and give it as it may be shown."""
        found = _AUTH.match(line)
        self._mechanism, self._responses = "", 0
        if found is None:
            for word in line.split()[1:]:
                self._hide(word)
            return line if line.strip().upper() == "AUTH" else f"AUTH {REDACTED}"
        _, mechanism, response = found.groups()
        if not _MECHANISM.fullmatch(mechanism):
            self._hide(mechanism)
            return f"AUTH {REDACTED}"
        self._mechanism = mechanism.upper()
        if not response:
            return line
        return f"{found[1]} {mechanism} {self.respond(response)}"

    def respond(self, line: str) -> str:
        """Take what answers a challenge, and give it as it may be shown."""
        text = line.strip()
        if text == "*":  # it is called off -- RFC 4954 section 4
            return text
        # LOGIN's first answer is the user's name, which alone is no secret.
        is_name = self._mechanism == "LOGIN" and self._responses == 0
        self._responses += 1
        if not is_name:
            self._hide(text)
        return REDACTED

    def _hide(self, encoded: str) -> None:
        secrets = [encoded.encode("utf-8", "surrogateescape")]
        try:
            said = base64.b64decode(secrets[0], validate=True)
        except binascii.Error:
            said = b""
        # PLAIN's password is what follows its last NUL (RFC 4616), CRAM-MD5's digest what
        # follows the last space (RFC 2195).
        secrets += [said, said.rpartition(b"\0")[2], said.rpartition(b" ")[2]]
        secrets += _BEARER.findall(said)
        self._redactor.hide(*(one for one in secrets if len(one) >= _MIN_SECRET))

    def masked(self, text: str) -> str:
        """Give a text without what was said to log in."""
        return self._redactor.redacted(text) if self._redactor else text

    def masked_reply(self, reply: Reply) -> Reply:
        """Give a reply without it, be it cut in two by a line's end."""
        if not self._redactor:
            return reply
        lines = tuple(map(self.masked, reply.lines))
        joined = ["".join(lines), " ".join(lines)] if len(lines) > 1 else []
        if any(self.masked(text) != text for text in joined):
            lines = (REDACTED,) * len(lines)
        return reply if lines == reply.lines else Reply(code=reply.code, lines=lines)


def is_response(line: str) -> bool:
    """Tell whether a line that is no command can only answer a challenge.

    >>> is_response("Y29ycmVjdCBob3JzZQ=="), is_response("HELLO")
    (True, False)
    """
    return len(line) % 4 == 0 and _BASE64.fullmatch(line) is not None
