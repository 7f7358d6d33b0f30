"""Ending: a delivery that is interrupted comes to its verdicts first."""

from __future__ import annotations

from concurrent.futures import wait
from typing import Final

import trio

from smtpbook.delivery.delivery import Delivery
from smtpbook.runner import Job

GRACE_S: Final = 60.0
"""After an interrupt, how long what is on the wire may take to come to its verdict."""


def wind_up(job: Job[None]) -> None:
    """Let what is on the wire of a delivery that was stopped come to its verdict.

    A second interrupt, or too long a wait, cuts it off: what had begun is then failed or in
    doubt.
    """
    try:
        job.exception(timeout=GRACE_S)
    except BaseException:
        job.cancel()
        wait([job])


async def run_shielded(delivery: Delivery) -> None:
    """Run a delivery so that being cancelled stops it instead of cutting it off."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        shield = trio.CancelScope(shield=True)
        nursery.start_soon(_stop_when_cancelled, delivery, shield)
        with shield:
            try:
                await delivery.run()
            except Exception as exc:  # around the nursery, or it would come in a group
                failure = exc
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _stop_when_cancelled(delivery: Delivery, shield: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        delivery.stop()
        shield.deadline = trio.current_time() + GRACE_S
