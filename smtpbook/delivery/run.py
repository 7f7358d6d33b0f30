"""Run: what one send did, as tables and text.

It derives everything from the rows of the event log and the changes of the pace; it keeps
no state of its own.
"""

from __future__ import annotations

import pandas as pd

from smtpbook.delivery.recording import Recording
from smtpbook.escape import visible
from smtpbook.events import OUTCOMES
from smtpbook.log.frame import Recorder
from smtpbook.log.transcript import transcript
from smtpbook.routes.tls_results import tls_results
from smtpbook.states import counts_html, told
from smtpbook.stories.story import Story, story_of
from smtpbook.tables.outcomes import count_outcomes, outcomes


class Run(Recording):
    """The record of one send.

    Parameters
    ----------
    recorder : Recorder
        Still being filled while the send goes on.
    campaign : str
        The campaign's name.
    """

    def __init__(self, recorder: Recorder, campaign: str) -> None:
        super().__init__(recorder)
        self._campaign = campaign
        self._log: pd.DataFrame | None = None

    @property
    def log(self) -> pd.DataFrame:
        """The event log: a row per thing that happened (``smtpbook.events.SCHEMA``)."""
        if self._log is None or len(self._log) != len(self._recorder):
            self._log = self._recorder.frame()
        return self._log

    @property
    def outcomes(self) -> pd.DataFrame:
        """One row per recipient: what became of it, and the reply that decided."""
        return outcomes(self.log)

    @property
    def counts(self) -> dict[str, int]:
        """How many recipients came to which outcome; they add up to those of this send."""
        return {name: n for name, n in count_outcomes(self.log).items() if name in _OWN}

    @property
    def pace(self) -> pd.DataFrame:
        """How an adaptive pace went: one row per change.

        ``time`` (datetime64[us, UTC]), ``server`` (string), ``rate_per_min`` (float64; so
        many messages from then on) and ``why`` (string; a reply in it is escaped).  No rows
        where the pace was not adaptive, or others sent: each kept a part of its own, and
        `throughput` tells what it came to.
        """
        names = ("time", "server", "rate_per_min", "why")
        frame = pd.DataFrame(self._paces, columns=list(names))
        dtypes = ("datetime64[us, UTC]", "string", "float64", "string")
        return frame.astype(dict(zip(names, dtypes, strict=True)))

    def tls_report(self) -> pd.DataFrame:
        """Say how TLS fared with the servers of each domain; for `Account.direct`.

        What such a domain would read in the reports it may ask for; none is sent.  A
        session counts for the domain it was opened for.

        Returns
        -------
        DataFrame
            As `smtpbook.routes.tls_results.tls_results`: ``domain``, ``policy_type``,
            ``mx_host``, ``result_type`` (null = success), ``sessions``, ``reason``.

        References
        ----------
        RFC 8460 section 4.
        """
        return tls_results(self._tls)

    def summary(self) -> pd.DataFrame:
        """Give the outcomes with their counts and shares.

        Returns
        -------
        DataFrame
            Index ``outcome``; ``recipients`` (int64) and ``share`` (float64, of this send's
            recipients; null when there were none).
        """
        counts = pd.Series(self.counts, dtype="int64", name="recipients")
        total = int(counts.sum())
        share = counts / total if total else counts.astype("float64") * float("nan")
        return pd.DataFrame({"recipients": counts, "share": share}).rename_axis("outcome")

    def transcript(
        self, *, recipient: str | None = None, session_id: str | None = None
    ) -> str:
        """Give the dialogue as text: all of it, of one session, or about one recipient."""
        return transcript(self.log, recipient=recipient, session_id=session_id)

    def recipient(self, address: str) -> Story:
        """Tell the whole story of one recipient: attempts, replies, meaning, what to do.

        Returns
        -------
        Story
            Prints as text and shows itself in a notebook.

        Raises
        ------
        SMTPBookError
            This send was not for that address; the message suggests the near miss.
        """
        return story_of(self.log, address, self._campaign)

    def __repr__(self) -> str:
        why = "" if self.stopped is None else f"; stopped: {visible(self.stopped)}"
        return f"<Run of {self._campaign!r}: {told(self.counts) or 'nothing sent'}{why}>"

    def _repr_html_(self) -> str:
        notes = [] if any(self.counts.values()) else ["Nothing was sent."]
        if self.stopped is not None:
            notes.append(f"Stopped: {self.stopped}")
        return counts_html(self._campaign, self.counts, notes)


_OWN = frozenset(OUTCOMES[:6])  # those a send itself can come to
