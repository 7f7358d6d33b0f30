"""A place for an event log is one campaign's, though several take it at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from smtpbook.errors import LedgerError
from smtpbook.folder.place import claim_place, free_place
from smtpbook.log.where import path_of


@pytest.fixture(params=["here", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder of this computer, and one behind a URL, which knows of no locks."""
    return str(tmp_path / "log") if request.param == "here" else f"memory://{tmp_path}/log"


def owner_of(place: str) -> str:
    return (path_of(place) / ".campaign/id").read_text("utf-8")


def test_of_many_that_take_a_place_at_the_same_instant_one_has_it_at_most(
    place: str,
) -> None:
    names = [f"c-{n}" for n in range(8)]
    together = threading.Barrier(len(names))

    def take(name: str) -> str | None:
        together.wait()
        with suppress(LedgerError):
            claim_place(place, name)
            return name
        return None

    with ThreadPoolExecutor(len(names)) as threads:
        won = [one for one in threads.map(take, names) if one is not None]
    assert len(won) <= 1
    if won:
        assert owner_of(place) == won[0]
        free_place(place, won[0])
    claim_place(place, "later")
    assert owner_of(place) == "later"


def test_who_sees_that_another_is_about_to_take_it_gives_up(place: str) -> None:
    claims = path_of(place) / ".campaign"
    claims.mkdir(parents=True)
    (claims / "other-1.begins").write_bytes(b"")
    with pytest.raises(LedgerError, match=r"at this moment.*remove .*other-1\.begins"):
        claim_place(place, "own-1")
    assert [one.name for one in claims.iterdir()] == ["other-1.begins"]
    (claims / "other-1.begins").unlink()
    claim_place(place, "own-1")
    assert owner_of(place) == "own-1"


def test_a_place_that_is_taken_is_left_as_it_is(place: str) -> None:
    claim_place(place, "one-1")
    with pytest.raises(LedgerError, match="of the campaign 'one-1'"):
        claim_place(place, "two-2")
    assert [one.name for one in (path_of(place) / ".campaign").iterdir()] == ["id"]
