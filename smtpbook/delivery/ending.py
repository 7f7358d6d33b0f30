"""Ending: a delivery that is interrupted comes to its verdicts first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from concurrent.futures import wait
from datetime import datetime
from typing import Final, Protocol

import trio

from smtpbook.errors import LedgerError, SMTPBookError
from smtpbook.runner import Job

GRACE_S: Final = 60.0
"""After an interrupt, how long what is on the wire may take to come to its verdict."""


class Steered(Protocol):
    """One run over a queue of recipients, by this process or by others: a `Delivery`."""

    @property
    def waits_until(self) -> datetime | None:
        """When the next message begins, if none is on its way; None: nobody knows."""

    def pause(self) -> None:
        """Begin nothing new until `resume`; for the trio thread."""

    def resume(self) -> None:
        """Go on; for the trio thread."""

    def stop(self) -> None:
        """Begin nothing new; for the trio thread."""

    async def run(self) -> None:
        """Send to everybody in the queue."""


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


async def run_with(delivery: Steered, *others: Callable[[], Awaitable[object]]) -> None:
    """Run a delivery, and others with it until it has ended.

    Raises
    ------
    LedgerError
        One of the others did, which stopped the delivery.
    SMTPBookError
        As from the delivery.
    """
    errors: list[SMTPBookError] = []

    async def attend(other: Callable[[], Awaitable[object]]) -> None:
        try:
            await other()
        except LedgerError as exc:  # raised here, it would cut off what has begun
            errors.append(exc)
            delivery.stop()

    async with trio.open_nursery() as nursery:
        for other in others:
            nursery.start_soon(attend, other)
        try:
            await delivery.run()
        except SMTPBookError as exc:  # raised here, it would come in a group
            errors.append(exc)
        nursery.cancel_scope.cancel()
    if errors:
        raise errors[0]


async def run_shielded(delivery: Steered) -> None:
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


async def _stop_when_cancelled(delivery: Steered, shield: trio.CancelScope) -> None:
    try:
        await trio.sleep_forever()
    finally:
        delivery.stop()
        shield.deadline = trio.current_time() + GRACE_S
