"""Floods: ``python -m tests.session.floods`` meets servers that never stop talking.

Each has a gibibyte to say, at each stage.  Prints how many octets the kernel took of all of
them together, and by how many the process has grown.
"""

from __future__ import annotations

import itertools
import resource
import sys
from contextlib import suppress

import trio

from smtpbook.errors import SMTPBookError
from smtpbook.protocol.message import Message
from tests.session.misdeeds import ACCOUNT_HERE, CLEAR, FLOODS, Misdeed, close, script_of
from tests.session.scripted import Servers

STAGES = ("GREETING", "EHLO", "AUTH", "MAIL", "DATA", "END-OF-DATA")
MESSAGE = Message.from_bytes("ann@x.test", ["bob@y.test"], b"Subject: hi\r\n\r\nhello\r\n")


async def meet(misdeed: Misdeed, stage: str) -> int:
    """Give how much it said before it was left."""
    async with trio.open_nursery() as nursery:
        servers = Servers(nursery)
        server = servers(*script_of(CLEAR, stage, misdeed), is_on_loopback=True)
        with suppress(SMTPBookError):
            async with servers.open(ACCOUNT_HERE) as session:
                await session.send(MESSAGE)
        return server.said


async def main() -> None:
    await meet(Misdeed("close", close), "END-OF-DATA")
    before = resident_bytes()
    said = [await meet(*plan) for plan in itertools.product(FLOODS, STAGES)]
    print(sum(said), resident_bytes() - before)


def resident_bytes() -> int:
    """The most this process ever had in memory."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    trio.run(main)
