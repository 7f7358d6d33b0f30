"""Standings: where every recipient stands, and who runs, from anywhere on the network.

Reading disturbs no runner.  Whoever reads may also ask all runners to pause or to stop.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from smtpbook.errors import near_miss
from smtpbook.ledger.choosing import Reader
from smtpbook.ledger.entries import Entry
from smtpbook.ledger.standings import Standings
from smtpbook.pacing.stopping import Tally
from smtpbook.shared_ledger import sends
from smtpbook.shared_ledger.schema import connect
from smtpbook.shared_ledger.shares import Asked

_WORDS: Final = ("go", "pause", "stop")


class SharedStandings(Standings):
    """A shared ledger, open for reading; made by `at`."""

    @classmethod
    def at(cls, url: str, campaign_id: str) -> SharedStandings:
        """Open a campaign's ledger in a database, whoever runs the campaign.

        Raises
        ------
        LedgerError
            There is none, or the database is not reached.
        """
        return SharedStandings(Reader(connect(url, campaign_id)))

    @property
    def asked(self) -> Asked:
        """What all runners are asked to do."""
        ((word,),) = self._reader.all("SELECT value FROM meta WHERE name = 'asked'")
        found: Asked = word
        return found

    def ask(self, word: Asked) -> None:
        """Ask all runners to go on, to pause or to stop.

        Each hears of it with the next thing it writes, or sign of life; those that come
        later hear it, too.

        Raises
        ------
        ValueError
            It is none of these.
        LedgerError
            It cannot be written.
        """
        if word not in _WORDS:
            raise ValueError(
                f"{word!r}: runners go, pause or stop{near_miss(str(word), _WORDS)}"
            )
        self._reader.all(
            "UPDATE meta SET value = ? WHERE name = 'asked' RETURNING name", (word,)
        )

    @property
    def work(self) -> sends.Work:
        """How far the runners are with the present send; cheap."""
        return sends.work(self._reader)

    @property
    def sent(self) -> Counter[str]:
        """How many recipients of the present send came to which outcome so far."""
        return sends.sent(self._reader, self.counts)

    @property
    def tally(self) -> Tally:
        """The recipients of the present send, whoever wrote to them, for stop rules."""
        self._settle_down()
        return sends.tally(self._reader)

    def untold(self) -> list[Entry]:
        """Give those whom silent runners left in doubt in the present send."""
        return sends.untold(self._reader)

    @property
    def shares(self) -> dict[str | None, int]:
        """How many partitions each runner has, by `Lease.owner`; None = nobody's."""
        return dict(
            self._reader.all(
                "SELECT owner, count(part) FROM lease FULL JOIN partitions USING (owner) "
                "GROUP BY owner"
            )
        )
