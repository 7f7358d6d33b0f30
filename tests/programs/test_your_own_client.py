"""Lesson 13: each fault of a client is found out, for what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.lessons.lesson import open_lesson
from tests.course.solutions import spoilt


@pytest.mark.parametrize(
    ("exercise", "right", "wrong", "why"),
    [
        ("delivers", "stuffed(data) +", "stuffed(data).lower() +", "not as it was handed"),
        ("delivers", '{sender}>") < 400', '{sender}>") < 200', "said EHLO, MAIL, QUIT"),
        ("delivers", "await line.reply() != 220", "await line.no()", "AttributeError"),
        ("delivers", "int(line[:3])", "int(line)", "line 26: ValueError"),
        ("dots", 'line.startswith(".")', "False", "another dot goes before it"),
        ("pieces", 'b"-"', 'b"?"', "a reply to the line with a space after its code"),
        (
            "waits",
            "return await self.reply()\n\n\ndef",
            "return 250\n\n\ndef",
            "went on before",
        ),
        ("recipients", "codes.update", "codes.get", "did not run through"),
        ("recipients", "dict.fromkeys(taken, code)", "{}", "given back"),
        (
            "recipients",
            "taken = [",
            "taken = len(codes) == 1 and [",
            "the other one should",
        ),
        ("nobody", "if taken and", "if", "said DATA nevertheless"),
        ("nobody", "return codes", "return {}", "should say 550"),
        ("goodbye", 'await line.ask("QUIT")', "pass", "without QUIT"),
    ],
)
def test_a_fault_is_found_out_for_what_it_is(
    exercise: str, right: str, wrong: str, why: str, tmp_path: Path
) -> None:
    client = spoilt("your-own-client", "client", right, wrong)["send"]
    with open_lesson("your-own-client", student="ann", scores=tmp_path) as lesson:
        verdict = lesson.check(exercise, client)
    assert not verdict
    assert why in str(verdict)


def test_nothing_handed_in_is_asked_for(tmp_path: Path) -> None:
    with open_lesson("your-own-client", student="ann", scores=tmp_path) as lesson:
        for verdict in (lesson.check("dots"), lesson.check("dots", 3)):
            assert "hand in your function send(host, port" in verdict.why


def test_a_plain_function_is_a_client_too(tmp_path: Path) -> None:
    import socket

    def send(
        host: str, port: int, sender: str, recipients: tuple[str, ...], data: str
    ) -> dict[str, int]:
        with socket.create_connection((host, port)) as line:
            said = line.makefile("rb")

            def ask(text: str) -> int:
                line.sendall(text.encode() + b"\r\n")
                while (reply := said.readline())[3:4] == b"-":
                    pass
                return int(reply[:3])

            said.readline()
            for text in (
                "HELO a.example",
                f"MAIL FROM:<{sender}>",
                f"RCPT TO:<{recipients[0]}>",
            ):
                ask(text)
            ask("DATA")
            return {recipients[0]: ask(data + ".")}

    with open_lesson("your-own-client", student="ann", scores=tmp_path) as lesson:
        assert lesson.check("delivers", send)
