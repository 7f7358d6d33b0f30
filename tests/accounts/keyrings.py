"""Keyrings for tests: real backends of the keyring library that keep nothing for good."""

from __future__ import annotations

from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError


class MemoryKeyring(KeyringBackend):
    """Keeps what it is given until the test is over."""

    priority = 0.1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise PasswordDeleteError("no such entry")


class LockedKeyring(MemoryKeyring):
    """One that its owner does not unlock."""

    priority = 0.1  # type: ignore[assignment]

    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringLocked("Failed to unlock the collection!")

    def set_password(self, service: str, username: str, password: str) -> None:
        raise KeyringLocked("Failed to unlock the collection!")


class BrokenBusKeyring(MemoryKeyring):
    """One whose bus fails in the middle, with an error that is not the library's."""

    priority = 0.1  # type: ignore[assignment]

    def set_password(self, service: str, username: str, password: str) -> None:
        raise ConnectionResetError("the bus is gone")


class InterruptedKeyring(MemoryKeyring):
    """One whose owner presses Ctrl-C at the question for the master password."""

    priority = 0.1  # type: ignore[assignment]

    def set_password(self, service: str, username: str, password: str) -> None:
        try:
            raise KeyringLocked("Failed to unlock the collection!")
        except KeyringLocked:
            raise KeyboardInterrupt from None
