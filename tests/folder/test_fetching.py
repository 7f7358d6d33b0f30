"""A campaign with a shared ledger is opened from anywhere, by the URL of its database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from email import message_from_bytes
from itertools import count
from pathlib import Path

import pandas as pd
import pytest

from smtpbook.accounts.account import Account
from smtpbook.campaign.campaign import Campaign
from smtpbook.campaign.opening import open_campaign
from smtpbook.errors import LedgerError
from smtpbook.folder.fetching import fetched
from smtpbook.folder.folder import CampaignFolder
from smtpbook.messages.attachments import Attachment
from smtpbook.messages.template import Template
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.suppression import SuppressionList
from smtpbook.shared_ledger.connection import SharedConnection
from smtpbook.shared_ledger.files import open_files
from smtpbook.shared_ledger.schema import connect
from tests.cluster.conftest import ledger

__all__ = ["ledger"]

pytestmark = pytest.mark.real_server
PEOPLE = pd.DataFrame({"email": ["ann@x.example", "bob@y.example"], "city": ["Rom", "Ulm"]})
ACCOUNT = Account(host="h.example")
Begin = Callable[..., CampaignFolder]
_databases = (f"fetching_{n}" for n in count(1))


@pytest.fixture
def own(ledger: str) -> str:
    """A database of the test's own."""
    name = next(_databases)
    with closing(SharedConnection(ledger, "here")) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return ledger.rpartition("/")[0] + f"/{name}"


@pytest.fixture
def begin(ledger: str, tmp_path: Path) -> Begin:
    """Make a campaign as one computer would, in a folder that others do not see."""

    def begin(
        name: str = "november", place: str = ledger, **settings: object
    ) -> CampaignFolder:
        letter = Template(
            header_from="Ann <ann@x.test>",
            subject="{{ city }}",
            text="Come.",
            attachments=[Attachment("a.txt", b"Come.")],
        )
        people = read_recipients(PEOPLE)
        kept = {"account": "work", "connections": 7, "in_doubt": "hold", **settings}
        path = tmp_path / "first" / name
        return CampaignFolder.create(path, people, letter, kept, database=place)

    return begin


def test_the_url_gives_list_letter_and_settings(begin: Begin, own: str) -> None:
    first = begin(place=own)
    campaign = open_campaign(own, ACCOUNT)
    assert campaign.name == "november"
    assert campaign.id == first.id
    assert campaign.settings.connections == 7
    pd.testing.assert_frame_equal(campaign.people.frame, first.people().frame)
    message = campaign.letter.render({"email": "ann@x.example", "city": "Rom"})
    assert b"Subject: Rom" in message.data
    assert b"a.txt" in message.data
    assert campaign.counts == {"pending": 2}
    for name in ("#november", f"#{first.id}", "#nov%65mber"):
        assert open_campaign(own + name, ACCOUNT).id == first.id


def test_of_several_one_is_named(begin: Begin, own: str) -> None:
    ids = {name: begin(name, own).id for name in ("may", "june")}
    with pytest.raises(LedgerError, match="2 campaigns in the database") as caught:
        open_campaign(own, ACCOUNT)
    assert all(one in str(caught.value) for one in ids.values())
    assert open_campaign(f"{own}#may", ACCOUNT).id == ids["may"]
    with pytest.raises(LedgerError, match="did you mean 'june'"):
        open_campaign(f"{own}#jun", ACCOUNT)


def test_where_there_is_none_that_is_said(own: str) -> None:
    with pytest.raises(LedgerError, match=r"no campaign '' in the database .*: none"):
        open_campaign(own, ACCOUNT)


def test_no_password_is_taken(ledger: str) -> None:
    with pytest.raises(LedgerError, match="a password is in the URL") as caught:
        open_campaign(ledger.replace("@", ":correct-horse@"), ACCOUNT)
    assert "horse" not in str(caught.value)
    with pytest.raises(LedgerError, match="a password is in the URL") as caught:
        open_campaign(f"{ledger}?sslpassword=correct-horse", ACCOUNT)
    assert "horse" not in str(caught.value)


def subject(folder: CampaignFolder) -> str:
    message = folder.letter().render({"email": "ann@x.example", "city": "Rom"})
    return message_from_bytes(message.data)["Subject"]


def test_what_is_changed_in_one_folder_is_so_in_the_other(begin: Begin) -> None:
    first = begin()
    second = CampaignFolder.find(str(first.url))
    old = second.letter()
    second.change({**second.settings, "connections": 9}, is_checked=False)
    second.amend(old.replace(subject="Do come."))
    with pytest.raises(LedgerError, match=r"changed from another folder.*#november"):
        first.refuse_stale()
    with pytest.raises(LedgerError, match="changed from another folder"):
        first.amend(old.replace(subject="Stay."))
    again = CampaignFolder.find(str(first.url))
    assert again.settings["connections"] == 9
    assert subject(again) == "Do come."
    again.refuse_stale()
    with fetched(str(again.url)) as third:
        assert subject(CampaignFolder(third)) == "Do come."
    assert not third.exists()


def test_other_settings_do_not_undo_a_letter_that_was_changed_elsewhere(
    begin: Begin,
) -> None:
    first = begin()
    assert first.url is not None
    with fetched(first.url) as path:
        CampaignFolder(path).amend(first.letter().prefixed("[mended]"))
        with pytest.raises(LedgerError, match="was changed from another folder"):
            first.change({"connections": 9}, is_checked=True)
        with pytest.raises(LedgerError, match="was changed from another folder"):
            first.amend(first.letter().prefixed("[other]"))
    with fetched(first.url) as path:
        assert CampaignFolder(path).settings["connections"] == 7
        assert b"[mended]" in CampaignFolder(path).letter().render(PEOPLE.iloc[0]).data


def test_a_folder_of_another_campaign_is_left_alone(begin: Begin) -> None:
    first = begin()
    letter = Template(header_from="a@x.test", subject="s", text="t")
    path = Path("campaigns/november")
    before = CampaignFolder.create(path, read_recipients(PEOPLE), letter, {})
    with pytest.raises(LedgerError, match="another working folder"):
        open_campaign(str(first.url), ACCOUNT)
    assert CampaignFolder(path).id == before.id


def test_a_suppression_list_that_is_elsewhere_has_to_be_given(
    begin: Begin, tmp_path: Path
) -> None:
    first = begin(suppress="/another/computer/never.csv")
    with pytest.raises(LedgerError, match="suppress="):
        open_campaign(str(first.url), ACCOUNT)
    never = SuppressionList.open(tmp_path / "never.csv")
    assert open_campaign(str(first.url), ACCOUNT, suppress=never).counts == {"pending": 2}


def test_what_would_lead_out_of_the_folder_is_refused(begin: Begin, ledger: str) -> None:
    first = begin()
    with open_files(ledger, first.id) as kept:
        kept.put("files/../../evil", b"x")
    with pytest.raises(LedgerError, match="is no file of a campaign's folder"):
        open_campaign(str(first.url), ACCOUNT)
    assert not Path("campaigns/november").exists()


def test_a_campaign_whose_name_would_lead_out_of_the_folder_is_refused(own: str) -> None:
    with closing(SharedConnection(own, "here")) as connection:
        connection.execute('CREATE SCHEMA "smtpbook_../../evil-1"')
    with pytest.raises(LedgerError, match="is no name for a folder"):
        open_campaign(own, ACCOUNT)
    with (
        pytest.raises(LedgerError, match="is no name for a folder"),
        fetched(f"{own}#../x"),
    ):
        pass


def test_a_ledger_without_list_and_letter_is_told(begin: Begin, ledger: str) -> None:
    first = begin()
    with closing(connect(ledger, first.id)) as connection:  # as an older program left it
        connection.execute("DELETE FROM files")
    with pytest.raises(LedgerError, match="in its folder"):
        open_campaign(str(first.url), ACCOUNT)
    first.change({**first.settings, "connections": 9}, is_checked=False)
    first.refuse_stale()


def test_it_goes_with_the_campaign(begin: Begin) -> None:
    first = begin()
    assert first.remove()
    with pytest.raises(LedgerError, match="no campaign"):
        open_campaign(str(first.url), ACCOUNT)


def test_its_ledger_is_the_one_it_was_begun_with(begin: Begin, ledger: str) -> None:
    first = begin()
    opened = open_campaign(str(first.url), ACCOUNT)
    assert isinstance(opened, Campaign)
    with first.shared_ledger() as runner:
        runner.claim(256)
        assert opened.counts == {"pending": 2}
        runner.suppress(["ann@x.example"])
    assert opened.counts == {"pending": 1, "suppressed": 1}
