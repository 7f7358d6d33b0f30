"""A classroom: a lab for each student, seen by that student and by the teacher."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.errors import TransportError
from smtpbook.lessons.catalogue import lesson_names
from smtpbook.lessons.classroom import Classroom
from smtpbook.lessons.desk import Desk, failed
from smtpbook.lessons.lesson import open_lesson
from smtpbook.lessons.scores import read_scores
from smtpbook.loopback import Request
from tests.lessons.solving import solve_first_conversation

LESSON = "first-conversation"
HOSTILE = "<b>$x$\u202e\n=1"


@pytest.fixture(scope="module")
def classroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Classroom]:
    names = ["ann", "ben", HOSTILE]
    with Classroom(names, LESSON, scores=tmp_path_factory.mktemp("scores")) as opened:
        yield opened


def port_of(invitation: str) -> int:
    return int(invitation.split(":")[2].split("/")[0])


def ask(
    invitation: str, path: str, body: str | None = None, **fields: str
) -> tuple[int, str]:
    token = invitation.rsplit("/", 1)[1]
    line = http.client.HTTPConnection("127.0.0.1", port_of(invitation), timeout=20)
    method = "GET" if body is None else "POST"
    line.request(method, path, body, {"Authorization": f"Bearer {token}", **fields})
    reply = line.getresponse()
    told = reply.status, reply.read().decode()
    line.close()
    return told


def send_raw(port: int, octets: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(octets)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := line.recv(65536):
            answer += piece
        return answer


def row_of(classroom: Classroom, student: str) -> pd.Series:
    return classroom.progress.set_index("student").loc[student]


def test_the_teacher_sees_what_a_student_solves(classroom: Classroom) -> None:
    with open_lesson(LESSON, classroom=classroom.invitations["ben"]) as lesson:
        assert lesson.student == "ben"
        solve_first_conversation(lesson)
    now = row_of(classroom, "ben")
    assert pd.isna(now["works_at"])
    assert now[["solved", "of", "points", "tries", "sessions"]].tolist() == [5, 5, 7, 6, 1]
    assert now[["success", "intermediate", "transient", "permanent"]].tolist() == [
        *(6, 1, 0, 1)
    ]
    assert (now["last_command"], now["last_reply_code"]) == ("QUIT", 221)
    codes = classroom.codes.set_index(["student", "reply_code"])
    assert codes.loc[("ben", 503), "command"].startswith("RCPT TO:")
    assert codes.loc[("ben", 250), "replies"] == 4
    scores = read_scores(classroom._scores)
    assert scores["points"].sum() == 7
    assert set(scores["student"]) == {"ben"}


def test_what_a_student_sees_is_what_the_teacher_sees(classroom: Classroom) -> None:
    with open_lesson(LESSON, classroom=classroom.invitations["ann"]) as lesson:
        lesson.connect().say("EHLO a.example", "MAIL FROM:<caf\u00e9@a.example>", "QUIT")
        pd.testing.assert_frame_equal(lesson.lab.log, classroom.log("ann"))
        assert lesson.lab.account.port == row_of(classroom, "ann")["port"]
        assert lesson.lab.account.ca_file.read_text().startswith("-----BEGIN CERT")


def test_the_same_student_has_the_same_tasks_as_without_a_classroom(
    classroom: Classroom, tmp_path: Path
) -> None:
    with (
        open_lesson(LESSON, classroom=classroom.invitations["ann"]) as there,
        open_lesson(LESSON, student="ann", scores=tmp_path) as here,
    ):
        assert dict(there.given) == dict(here.given)


def test_servers_and_scores_outlast_a_students_process(tmp_path: Path) -> None:
    with Classroom(["ann"], LESSON, scores=tmp_path) as classroom:
        for _ in range(2):
            with open_lesson(LESSON, classroom=classroom.invitations["ann"]) as lesson:
                lesson.connect().say(f"EHLO {lesson.given['client']}", "QUIT")
                assert lesson.check("hello")
        assert row_of(classroom, "ann")["sessions"] == 2
    assert row_of(classroom, "ann")["solved"] == 1, "readable when it has stopped"
    with Classroom(["ann"], LESSON, scores=tmp_path) as again:
        assert row_of(again, "ann")["solved"] == 1, "who has scores begins where he was"
        assert row_of(again, "ann")["works_at"] == "greeting"
        assert pd.isna(row_of(again, "ann")["last_seen"]), "but was not here yet"


def test_one_invitation_opens_one_students_place_alone(classroom: Classroom) -> None:
    ann, ben = classroom.invitations["ann"], classroom.invitations["ben"]
    labs = [json.loads(ask(one, "/seat")[1])["labs"][0]["port"] for one in (ann, ben)]
    assert labs == [row_of(classroom, name)["port"] for name in ("ann", "ben")]
    before = row_of(classroom, "ben")["tries"]
    score = {"exercise": "hello", "is_solved": False, "hints": 0, "why": "x"}
    assert ask(ann, "/scores", json.dumps({**score, "student": "ben"}))[0] == 200
    assert row_of(classroom, "ben")["tries"] == before
    for wrong in (f"{ann[:-1]}", f"{ann}x", f"{ann[:-3]}\u00e9\u00e9"):
        assert ask(wrong, "/seat")[0] == 401
    with pytest.raises(ValueError, match="this invitation is not, or no longer, of"):
        open_lesson(LESSON, classroom=f"{ann}x")
    with pytest.raises(ValueError, match="this is 'ann''s invitation, not 'ben''s"):
        open_lesson(LESSON, classroom=ann, student="ben")


@pytest.mark.parametrize(
    "body",
    [
        *("", "[]", "{}", "[" * 20_000, "\udc80".encode("utf-8", "surrogateescape")),
        '{"exercise": "helo", "is_solved": true, "hints": 0, "why": ""}',
        '{"exercise": "hello", "is_solved": 1, "hints": 0, "why": ""}',
        '{"exercise": "hello", "is_solved": true, "hints": -1, "why": ""}',
        '{"exercise": "hello", "is_solved": true, "hints": 0, "why": null}',
    ],
)
def test_what_is_no_score_is_refused_and_nothing_is_kept(
    classroom: Classroom, body: str
) -> None:
    before = row_of(classroom, HOSTILE.strip())["tries"]
    assert ask(classroom.invitations[HOSTILE], "/scores", body)[0] == 400
    assert row_of(classroom, HOSTILE)["tries"] == before


def test_other_names_long_bodies_and_no_requests_are_refused(classroom: Classroom) -> None:
    ann = classroom.invitations["ann"]
    assert ask(ann, "/seat", Host="evil.test")[0] == 421
    assert ask(ann, "/scores", "x" * 40_000)[0] == 413
    assert ask(ann, "/labs/tarpit/log")[0] == 404
    assert ask(ann, "/labs/../ben/log")[0] == 404
    port = port_of(ann)
    assert b"401" in send_raw(
        port, f"GET /seat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
    )
    assert b" 400 " in send_raw(port, b"EHLO ann.example\r\n\r\n")
    assert send_raw(port, b"") == b""
    assert ask(ann, "/seat")[0] == 200, "and it serves on"


@given(st.binary(max_size=200))
@settings(max_examples=10)
def test_no_octets_end_the_classroom(classroom: Classroom, octets: bytes) -> None:
    ann = classroom.invitations["ann"]
    answer = send_raw(port_of(ann), octets)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert ask(ann, "/seat")[0] == 200


@given(*[st.text(max_size=20)] * 3)
@settings(max_examples=20)
def test_no_request_is_answered_without_a_token(
    method: str, target: str, said: str
) -> None:
    import trio

    request = Request(method=method, target=target, fields={"authorization": said})
    assert trio.run(Desk({}).answer, request) == failed(
        401, "this invitation is not, or no longer, of this classroom"
    )


def test_an_invitation_is_for_its_owners_eyes(classroom: Classroom, tmp_path: Path) -> None:
    folder = tmp_path / "invitations"
    for path in (
        *classroom.write_invitations(folder),
        *classroom.write_invitations(folder),
    ):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    token = classroom.invitations["ann"].rsplit("/", 1)[1]
    assert token not in repr(classroom._invitations)
    assert token not in repr(classroom)


@pytest.mark.parametrize(
    "text", ["http://evil.test:80/x", "https://127.0.0.1:1/x", "ftp://x"]
)
def test_what_is_no_invitation_is_not_followed_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="this is no invitation") as caught:
        open_lesson(LESSON, classroom=text)
    assert text not in str(caught.value)


def test_a_lesson_that_is_not_the_classrooms_says_how_to_open_it(
    classroom: Classroom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SMTPBOOK_CLASSROOM", classroom.invitations["ann"])
    with pytest.raises(ValueError, match="lesson is 'first-conversation', not 'the-dot'"):
        open_lesson("the-dot")
    with open_lesson("the-dot", classroom="", scores=tmp_path) as lesson:
        assert lesson.student == "student"


def test_after_the_classroom_a_check_says_that_it_is_gone(tmp_path: Path) -> None:
    with Classroom(["ann"], LESSON, scores=tmp_path) as classroom:
        lesson = open_lesson(LESSON, classroom=classroom.invitations["ann"])
        port = int(classroom.progress["port"][0])
    assert classroom.invitations == {}
    with pytest.raises(TransportError, match="does not answer"):
        lesson.check("hello")
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="start it before inviting"):
        classroom.write_invitations(tmp_path)
    lesson.close()


@pytest.mark.parametrize("name", lesson_names())
def test_every_lesson_has_the_same_servers_in_a_classroom(
    name: str, tmp_path: Path
) -> None:
    with Classroom(["ann"], name, scores=tmp_path) as classroom:
        ours = classroom._places["ann"].seat.labs
        with open_lesson(name, classroom=classroom.invitations["ann"]) as lesson:
            assert list(lesson.labs) == list(ours)
            for scenario, lab in lesson.labs.items():
                ca_file, account = lab.account.ca_file, ours[scenario].account
                assert lab.account.replace(ca_file=account.ca_file) == account
                assert Path(ca_file).read_bytes() == Path(account.ca_file).read_bytes()
                assert lab.received == []
                assert lab.log.empty


@pytest.mark.parametrize(
    ("students", "why"),
    [
        ([], "1 to 500 students, not 0"),
        (501, "not 501"),
        (["ann", " "], "text of 1 to 60"),
        (["x" * 61], "text of 1 to 60"),
        (["\udc80"], "text of 1 to 60"),
        (["ann", "ann "], "'ann' and 'ann' would share"),
        (["Ann/B", "ann:b"], "would share a score file"),
    ],
)
def test_names_that_cannot_be_told_apart_are_refused(
    students: int | list[str], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        Classroom(students)


def test_thirty_students_have_thirty_ports_and_tasks(tmp_path: Path) -> None:
    with Classroom(30, LESSON, scores=tmp_path) as classroom:
        assert classroom.progress["port"].nunique() == 30
        assert classroom.students[0] == "student-01"
        greetings = set()
        for port in map(int, classroom.progress["port"]):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
                greetings.add(line.recv(1000))
        assert len(greetings) == 30
