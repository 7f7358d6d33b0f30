"""Folder: a campaign is made whole or not at all, and what was changed in it is noticed."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.bodies.picture import Picture
from smtpbook.dkim.signer import DkimSigner
from smtpbook.errors import LedgerError
from smtpbook.folder.folder import CampaignFolder
from smtpbook.messages.attachments import Attachment, AttachmentColumn
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.transfer.options import DeliveryOptions
from smtpbook.unsubscribe import Unsubscribe

GIF = b"GIF89a" + bytes(20)


@pytest.fixture
def letter() -> Template:
    return Template(
        header_from="Ann <ann@x.test>", subject="Hello {{ first_name }}", text="Come."
    )


@pytest.fixture
def list_of() -> Callable[[int], Recipients]:
    """Make a list of so many people, with cells of several types."""

    def make(count: int) -> Recipients:
        columns = {
            "email": [f"p{n}@x.example" for n in range(count)],
            "first_name": [f"Person {n}" for n in range(count)],
            "n": range(count),
            "when": pd.Timestamp("2026-11-28"),
            "gap": None,
        }
        return read_recipients(pd.DataFrame(columns))

    return make


@pytest.fixture
def made(
    tmp_path: Path, list_of: Callable[[int], Recipients], letter: Template
) -> CampaignFolder:
    settings = {"pace": "100/min", "connections": 4, "account": "work", "together": None}
    return CampaignFolder.create(
        tmp_path / "campaigns" / "november", list_of(12), letter, settings
    )


def rich_letter(folder: Path) -> Template:
    """A letter with everything that a file can keep."""
    return Template(
        header_from="Ann <ann@x.test>",
        subject="Größe {{ n }}",
        text="a\r\nb\t{{ word }}\x7f",
        html="<img src='cid:logo.gif'>{{ word }}",
        flowed=True,
        attachments=[
            Attachment("paper.pdf", b"%PDF\0\xff"),
            AttachmentColumn("first_name", str(folder), required=False),
        ],
        inline=[Picture(name="logo.gif", content_type="image/gif", data=GIF, alt="us")],
        values={
            "word": "hi",
            "list": [1, 2.5, True],
            "day": datetime(2026, 1, 2, tzinfo=UTC),
        },
        headers={"X-One": "1", "A-Two": "{{ n }}"},
        reverse_path="",
        reply_to="bob@x.test",
        to_name="{{ first_name }}",
    )


def test_a_campaign_is_found_again_as_it_was(
    made: CampaignFolder, list_of: Callable[[int], Recipients], letter: Template
) -> None:
    again = CampaignFolder(made.path)
    assert (again.name, again.id) == ("november", made.id)
    assert again.settings == {"pace": "100/min", "connections": 4, "account": "work"}
    assert again.letter() == letter
    assert list(again.people()) == list(list_of(12))
    again.compare(list_of(12), letter)
    with again.ledger() as ledger:
        assert ledger.campaign_id == made.id
        assert [entry.row for entry in ledger.select()] == list(list_of(12))
    assert again.events.is_dir()


def test_rows_of_a_long_list_are_found_by_their_position(
    tmp_path: Path, list_of: Callable[[int], Recipients], letter: Template
) -> None:
    made = CampaignFolder.create(tmp_path / "long", list_of(12_345), letter, {})
    with made.ledger() as ledger:
        rows = [entry.row for entry in ledger.select()]
        assert [row["n"] for row in rows] == list(range(12_345))
        (last,) = ledger.select("p12344@x.example")
    assert last.row == list(list_of(12_345))[-1]


def test_a_letter_comes_back_octet_for_octet(
    tmp_path: Path, list_of: Callable[[int], Recipients]
) -> None:
    letter = rich_letter(tmp_path)
    made = CampaignFolder.create(tmp_path / "rich", list_of(3), letter, {})
    again = CampaignFolder(made.path).letter()
    assert again == letter
    row = {"email": "p@x.test", "n": 7, "first_name": ""}
    same = {"message_id": "<1@x.test>", "date": datetime(2026, 1, 1, tzinfo=UTC)}
    assert again.render(row, **same).data == letter.render(row, **same).data  # type: ignore[arg-type]


def test_what_is_asked_of_the_server_comes_back(
    tmp_path: Path, list_of: Callable[[int], Recipients], letter: Template
) -> None:
    options = DeliveryOptions(
        notify=["failure", "delay"],
        original_recipients={"p1@x.example": "first@x.example"},
        requires_tls=True,
        hold_until=datetime(2027, 1, 1, tzinfo=UTC),
        priority=-3,
    )
    asking = letter.replace(options=options)
    made = CampaignFolder.create(tmp_path / "asking", list_of(3), asking, {})
    assert CampaignFolder(made.path).letter() == asking
    with pytest.raises(LedgerError, match="different: options"):
        made.letter(letter)


def test_what_no_file_keeps_is_named_and_must_be_given_again(
    tmp_path: Path, list_of: Callable[[int], Recipients]
) -> None:
    secret = b"a secret of sixteen octets"
    letter = Template(
        header_from="Ann <ann@x.test>",
        subject="Hello",
        html="{{ table(prices) }}",
        values={"prices": pd.DataFrame({"a": [1, 2]}), "word": "hi"},
        unsubscribe=Unsubscribe(mailto="leave@x.test", secret=secret),
        sign=DkimSigner.generate("x.test", "s1", "ed25519"),
    )
    made = CampaignFolder.create(tmp_path / "signed", list_of(3), letter, {})
    with pytest.raises(LedgerError) as caught:
        made.letter()
    said = str(caught.value)
    for name in ("values['prices'] (DataFrame of 2 rows", "unsubscribe (", "sign[0] (Dkim"):
        assert name in said
    assert made.letter(letter) is letter
    other = Unsubscribe(mailto="leave@x.test", secret=b"quite another one, longer")
    for changed in (
        letter.replace(unsubscribe=other),
        letter.replace(values={"prices": pd.DataFrame({"a": [1, 3]}), "word": "hi"}),
        letter.replace(sign=()),
    ):
        with pytest.raises(LedgerError, match="different: what is not kept in files"):
            made.letter(changed)
    kept = b"".join(file.read_bytes() for file in made.path.rglob("*") if file.is_file())
    assert secret not in kept
    assert b"PRIVATE" not in kept


def test_another_letter_or_list_is_never_taken_silently(
    made: CampaignFolder, list_of: Callable[[int], Recipients], letter: Template
) -> None:
    with pytest.raises(LedgerError, match=r"different: subject\. .*amend\(letter\)"):
        made.letter(letter.replace(subject="Hello!"))
    with pytest.raises(LedgerError, match="1 addresses came, 0 went"):
        made.compare(people=list_of(13))
    changed = list_of(12).frame.assign(n=range(1, 13))
    with pytest.raises(LedgerError, match="0 addresses came, 0 went"):
        made.compare(people=read_recipients(changed))


@pytest.mark.parametrize("file", ["people.parquet", "letter.toml"])
def test_a_file_changed_by_hand_is_noticed(made: CampaignFolder, file: str) -> None:
    with (made.path / file).open("ab") as there:
        there.write(b"\n")
    with pytest.raises(LedgerError, match=rf"{file}' was changed since the campaign began"):
        CampaignFolder(made.path)


@pytest.mark.parametrize("file", ["people.parquet", "letter.toml", "ledger.sqlite"])
def test_a_file_that_is_gone_is_named(made: CampaignFolder, file: str) -> None:
    (made.path / file).unlink()
    with pytest.raises(LedgerError, match=f"lacks '{file}'"):
        CampaignFolder(made.path)


def test_a_changed_picture_is_noticed(
    tmp_path: Path, list_of: Callable[[int], Recipients]
) -> None:
    made = CampaignFolder.create(tmp_path / "rich", list_of(3), rich_letter(tmp_path), {})
    for file in (made.path / "files").iterdir():
        file.write_bytes(b"other")
    with pytest.raises(LedgerError, match="of the campaign's letter was changed"):
        made.letter()


def test_a_name_that_is_taken_is_refused_and_nothing_is_left(
    made: CampaignFolder, list_of: Callable[[int], Recipients], letter: Template
) -> None:
    with pytest.raises(LedgerError, match=r"already.*open_campaign\('november'\)"):
        CampaignFolder.create(made.path, list_of(1), letter, {})
    with pytest.raises(LedgerError, match="is no name for a campaign"):
        CampaignFolder.create(made.path.parent / "CON", list_of(1), letter, {})
    with pytest.raises(LedgerError, match="cannot be kept in a file"):
        CampaignFolder.create(made.path.parent / "x", list_of(1), letter, {"a": object()})
    assert [one.name for one in made.path.parent.iterdir()] == ["november"]


def test_a_place_for_events_is_one_campaigns_until_it_is_removed_or_put_aside(
    list_of: Callable[[int], Recipients], letter: Template, tmp_path: Path
) -> None:
    def begin(name: str) -> CampaignFolder:
        place = str(tmp_path / "log")
        return CampaignFolder.create(
            tmp_path / name, list_of(2), letter, {}, elsewhere=place
        )

    one = begin("one")
    with pytest.raises(LedgerError, match=f"already, of the campaign '{one.id}'"):
        begin("two")
    assert one.remove()
    two = begin("two")
    two.put_aside()
    assert begin("two").id != two.id


def test_what_is_no_campaign_is_left_alone(made: CampaignFolder, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"no campaign 'novembre'.*mean 'november'"):
        CampaignFolder(made.path.parent / "novembre")
    with pytest.raises(LedgerError, match="is no campaign's folder"):
        CampaignFolder(made.path.parent)
    settings = made.path / "campaign.toml"
    text = settings.read_text()
    settings.write_text(text.replace("format = 1", "format = 2"))
    with pytest.raises(LedgerError, match="made by another smtpbook"):
        CampaignFolder(made.path)
    settings.write_text(text.replace("list_sha256", "list_sha25"))
    with pytest.raises(LedgerError, match="lacks 'list_sha256'"):
        CampaignFolder(made.path)
    settings.write_text(text + "= what")
    with pytest.raises(LedgerError, match="cannot be read"):
        CampaignFolder(made.path)


def test_a_letter_is_changed_only_by_an_explicit_amendment(
    made: CampaignFolder, letter: Template
) -> None:
    with made.ledger(), pytest.raises(LedgerError, match="running already"):
        made.amend(letter.replace(subject="Hello!"))
    assert made.letter() == letter
    for subject in ("Hello!", "Hello again!"):
        made.amend(letter.replace(subject=subject, attachments=[Attachment("a", b"b")]))
        again = CampaignFolder(made.path)
        assert again.letter() == made.letter()
        assert again.letter().subject == subject
    assert (made.path / "letter.toml").is_file()
    about = tomllib.loads((made.path / "campaign.toml").read_text())
    assert [one["letter"] for one in about["amendments"]] == [
        "letter-2.toml",
        "letter-3.toml",
    ]


def test_a_moved_folder_goes_on(made: CampaignFolder, tmp_path: Path) -> None:
    made.ledger().close()
    os.rename(made.path, tmp_path / "december")
    with CampaignFolder(tmp_path / "december").ledger() as ledger:
        assert ledger.counts == {"pending": 12}


def test_every_parameter_of_a_letter_is_kept() -> None:
    """A new one must be frozen, too, or a campaign would go on without it."""
    from smtpbook.folder.letter import freeze_letter

    plain, _ = freeze_letter(
        Template(
            header_from="ann@x.test", subject="s", text="t", html="h", markdown="m"
        ).replace(
            reverse_path="",
            reply_to="b@x.test",
            to_name="n",
            options=DeliveryOptions(notify="failure"),
        )
    )
    named = {one.name for one in dataclasses.fields(Template) if one.init}
    assert named - {"unsubscribe", "sign"} == set(plain) - {"missing"}
