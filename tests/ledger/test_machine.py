"""Machine: which computer this is, and what a folder lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from smtpbook.errors import LedgerError
from smtpbook.ledger.ledger import Ledger
from smtpbook.ledger.machine import boot_id, file_system, refuse_unsafe

TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
36 22 0:42 / /mnt/home rw,noatime shared:9 master:1 - nfs4 server:/home rw,vers=4.2
37 22 0:43 / /mnt/with\\040blank rw - fuse.sshfs ann@host: rw
"""


@pytest.mark.parametrize(
    ("device", "kind"), [(0x801, "ext4"), (42, "nfs4"), (43, "fuse.sshfs"), (99, None)]
)
def test_a_device_has_its_file_system(device: int, kind: str | None) -> None:
    assert file_system(TABLE, device) == kind


@pytest.mark.parametrize(
    "name",
    ["Dropbox", "Dropbox (Personal)", "OneDrive - Firm", "Google Drive", "CloudStorage"],
)
def test_a_synchronised_folder_is_refused_with_the_way_out(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name / "campaigns" / "november"
    folder.mkdir(parents=True)
    with pytest.raises(LedgerError, match=r"is synchronised.*on a disk of this computer"):
        Ledger.create(folder, ["ann@x.test"], campaign_id="c")
    with pytest.raises(LedgerError, match="is synchronised"):
        Ledger(folder)


@pytest.mark.parametrize("name", ["Dropbox tips", "my onedrive", "dropboxes"])
def test_a_folder_that_is_only_called_so_is_not(tmp_path: Path, name: str) -> None:
    refuse_unsafe(tmp_path / name)


def test_this_computer_has_one_boot_id() -> None:
    assert boot_id() == boot_id() != ""
