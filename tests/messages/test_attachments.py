"""Files that go with a letter: everybody's, and each row's own from one folder only."""

from __future__ import annotations

import email
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from smtpbook.errors import TemplateError
from smtpbook.messages import attachments
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template

ROW = {"email": "zoe@y.example", "invoice": "zoe.pdf"}


def files_of(row: Mapping[str, Any], *given: Any) -> dict[str, tuple[str, bytes]]:
    letter = Template(
        header_from="Ann <ann@x.example>", subject="s", text="t", attachments=given
    )
    mail = email.message_from_bytes(letter.render(row).data, policy=default)
    assert isinstance(mail, EmailMessage)
    return {
        str(part.get_filename()): (part.get_content_type(), part.get_payload(decode=True))  # type: ignore[misc]
        for part in mail.iter_attachments()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "invoices/2026").mkdir(parents=True)
    (tmp_path / "invoices/zoe.pdf").write_bytes(b"%PDF zoe")
    (tmp_path / "invoices/2026/bob.pdf").write_bytes(b"%PDF bob")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "invoices/out").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "invoices/loop").symlink_to("loop")
    return tmp_path / "invoices"


def test_everybody_gets_the_files_that_are_named_or_given(tmp_path: Path) -> None:
    (tmp_path / "Programm Größe.pdf").write_bytes(b"%PDF")
    given = [tmp_path / "Programm Größe.pdf", Attachment("list.csv", b"a,b\r\n")]
    assert files_of(ROW, *given) == {
        "Programm Größe.pdf": ("application/pdf", b"%PDF"),
        "list.csv": ("text/csv", b"a,b\r\n"),
    }


def test_each_row_gets_its_own_file(folder: Path) -> None:
    column = AttachmentColumn("invoice", folder)
    assert files_of(ROW, column) == {"zoe.pdf": ("application/pdf", b"%PDF zoe")}
    bob = ROW | {"invoice": "2026/bob.pdf"}
    assert files_of(bob, column) == {"bob.pdf": ("application/pdf", b"%PDF bob")}


def test_a_file_that_changes_is_read_again(folder: Path) -> None:
    column = AttachmentColumn("invoice", folder)
    files_of(ROW, column)
    (folder / "zoe.pdf").write_bytes(b"%PDF zoe, corrected")
    assert files_of(ROW, column)["zoe.pdf"][1] == b"%PDF zoe, corrected"


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        ("../secret.txt", "leads out of"),
        ("2026/../../secret.txt", "leads out of"),
        ("out", "leads out of"),
        ("/etc/hostname", "leads out of"),
        ("loop", "is not in"),
        ("zoee.pdf", r"is not in .*; did you mean 'zoe\.pdf'\?"),
        ("2026", "is not a file"),
        ("a\r\nBcc: b@x.example", "is not a file name"),
        ("a\0", "is not a file name"),
        ("..\\secret.txt", "is not a file name"),
        (" ", "is not a file name"),
        (7, "7 is not a file name"),
        ("", "no file is named there; fill the cell in"),
        (None, "no file is named there; fill the cell in"),
        ("x" * 5000, "is not in"),
    ],
)
@pytest.mark.parametrize("method", ["render", "check"])
def test_a_cell_names_nothing_but_a_file_of_the_folder(
    folder: Path, cell: object, error: str, method: str
) -> None:
    letter = Template(
        header_from="Ann <ann@x.example>",
        subject="s",
        text="t",
        attachments=[AttachmentColumn("invoice", folder)],
    )
    with pytest.raises(TemplateError, match=f"(?s)column 'invoice', for zoe@y.*{error}"):
        getattr(letter, method)(ROW | {"invoice": cell})


def test_a_row_may_go_without_a_file_where_that_is_allowed(folder: Path) -> None:
    column = AttachmentColumn("invoice", folder, required=False)
    assert files_of(ROW | {"invoice": None}, column) == {}


def test_a_mistyped_column_gets_the_near_miss(folder: Path) -> None:
    column = AttachmentColumn("invoces", folder)
    with pytest.raises(TemplateError, match="did you mean 'invoice'"):
        files_of(ROW, column)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Attachment("../x", b""), "not a file name"),
        (lambda: Attachment("", b""), "not a file name"),
        (lambda: Attachment("x\u202efdp.exe", b""), "not a file name"),
        (lambda: Attachment("é" * 128, b""), "longer than 255 octets"),
        (lambda: Attachment("x", b"", "text"), "no content type"),
        (lambda: Attachment("x", b"", "text/plain\r\nX: y"), "no content type"),
        (lambda: Attachment.read("/nowhere/x.pdf"), "is not a file"),
        (lambda: AttachmentColumn("c", "/nowhere"), "is not a folder"),
    ],
)
def test_what_cannot_be_attached_is_refused_when_it_is_named(make: Any, error: str) -> None:
    with pytest.raises(TemplateError, match=error):
        make()


def test_a_file_that_goes_while_it_is_read_is_an_error_of_its_row(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> bytes:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(Path, "read_bytes", gone)
    with pytest.raises(
        TemplateError, match=r"for zoe@y\.example.* cannot be read: No such"
    ):
        files_of(ROW, AttachmentColumn("invoice", folder))


def test_a_file_too_large_for_mail_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments, "MAX_ATTACHMENT", 7)
    with pytest.raises(TemplateError, match=r"8 octets; mail servers take 7 at most"):
        Attachment.read(folder / "zoe.pdf")
    with pytest.raises(TemplateError, match=r"column 'invoice'.*8 octets"):
        AttachmentColumn("invoice", folder).find(ROW)


def test_a_mail_as_an_attachment_is_not_taken_for_a_part() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
    assert files_of(ROW, Attachment("mail.eml", inner)) == {
        "mail.eml": ("application/octet-stream", inner)
    }
