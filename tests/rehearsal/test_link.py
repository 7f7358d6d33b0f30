"""Link: what the modelled server says, command by command."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from smtpbook.lab.behaviours import Behaviour, Rule
from smtpbook.rehearsal.answers import Answers
from smtpbook.rehearsal.clock import VirtualClock
from smtpbook.rehearsal.link import Link
from smtpbook.rehearsal.model import Refusal, ServerModel

MAIL, RCPT, DATA = "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "DATA"


def codes(groups: Sequence[str], **fields: object) -> list[str]:
    """Say groups of commands; give the codes heard after each, and what it took."""
    model = ServerModel(name="x", round_trip_s=(1.0,), **fields)  # type: ignore[arg-type]
    clock, heard = VirtualClock(), []

    async def main() -> None:
        link = Link(Answers(model, 1), clock, "s-1")
        heard.append(await link.receive_some())
        for group in groups:
            await link.send_all(group.replace("\n", "\r\n").encode() + b"\r\n")
            with trio.move_on_after(1000):
                heard.append(await link.receive_some())
        await link.aclose()

    trio.run(main, clock=clock)
    lines = [octets.decode().splitlines() for octets in heard]
    return [" ".join(line[:3] for line in group) for group in lines]


def test_a_message_goes_through_in_two_groups() -> None:
    said = codes(["EHLO me", f"{MAIL}\n{RCPT}\n{DATA}", "Hi\n..\n.", "QUIT", "NOOP"])
    assert said == ["220", "250 250 250 250", "250 250 354", "250", "221", ""]


def test_mail_data_ends_wherever_it_is_cut() -> None:
    groups = [f"{MAIL}\n{RCPT}\n{DATA}"]
    assert codes([*groups, "."]) == ["220", "250 250 354", "250"]
    # An unfinished group gets nothing until the rest has come.
    assert codes([*groups, "x\n.y\n..", "\n."])[2:] == ["250"]


def test_commands_out_of_order_and_without_recipients_are_refused() -> None:
    assert codes([RCPT, DATA]) == ["220", "503", "503"]
    refused = (Refusal(reply="550 5.1.1 no"),)
    said = codes([f"{MAIL}\n{RCPT}\n{DATA}", "RSET", DATA], refusals=refused)
    assert said == ["220", "250 550 554", "250", "503"]


def test_421_is_the_last_word() -> None:
    said = codes([MAIL, RCPT], refusals=(Refusal(reply="421 4.7.0 bye", verb="MAIL"),))
    assert said == ["220", "421", ""]


def test_a_lab_s_rules_drop_close_and_delay() -> None:
    def rule(place: str, **fields: object) -> Rule:
        return Rule(place, None, Behaviour(**fields))  # type: ignore[arg-type]

    dropping = (rule("RCPT", drop=True),)
    assert codes([f"{MAIL}\n{RCPT}"], rules=dropping) == ["220", "250"]
    assert codes([MAIL, RCPT], rules=dropping) == ["220", "250", ""]
    closing = (rule("MAIL", reply="250 last", close=True),)
    assert codes([MAIL, RCPT], rules=closing) == ["220", "250", ""]
    slow = (rule("RCPT", delay_s=5.0), rule("MAIL", delay_s=5.0))
    assert codes([f"{MAIL}\n{RCPT}"], rules=slow) == ["220", "250"]  # the rest comes later


def test_addresses_ask_a_lab_for_a_reply() -> None:
    said = codes([f"{MAIL}\nRCPT TO:<550-5.1.1.bob@y.test>"], rules=())
    assert said == ["220", "250 550"]


def test_every_connection_waits_for_its_greeting() -> None:
    model = ServerModel(name="x", round_trip_s=(1.0,), service_s={"GREETING": (3.0,)})
    clock, heard_at = VirtualClock(), []

    async def main() -> None:
        answers = Answers(model, 1)
        for name in ("s-1", "s-2"):
            await Link(answers, clock, name).receive_some()
            heard_at.append(clock.current_time())

    trio.run(main, clock=clock)
    assert heard_at == [4.0, 8.0]


def test_a_wait_for_replies_can_be_ended_and_taken_up_again() -> None:
    clock, seen = VirtualClock(), []

    async def main() -> None:
        link = Link(Answers(ServerModel(name="x", round_trip_s=(7.0,)), 1), clock, "s-1")

        async def wait() -> None:
            await link.wait_ready()
            seen.append((clock.now, link.is_ready))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await trio.sleep(5)
            link.interrupt()
        link.interrupt()  # nobody waits
        await wait()
        await wait()
        assert (await link.receive_some())[:3] == b"220"
        assert not link.is_ready
        await link.aclose()
        await wait()

    trio.run(main, clock=clock)
    assert seen == [(5.0, False), (7.0, True), (7.0, True), (7.0, True)]
