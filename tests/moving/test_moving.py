"""Settings arrive on another computer as they were, without secrets, and harm nothing."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from keyring.backends import fail

from smtpbook.accounts.account import Account
from smtpbook.accounts.client_certificate import ClientCertificate
from smtpbook.accounts.oauth import from_settings
from smtpbook.accounts.passwords import FromEnvironment, FromKeyring
from smtpbook.accounts.store import list_accounts, load_account, save_account
from smtpbook.errors import RecipientsError, SMTPBookError
from smtpbook.moving.incoming import import_settings
from smtpbook.moving.moved import Item
from smtpbook.moving.outgoing import export_settings
from smtpbook.recipients.read import read_recipients
from smtpbook.recipients.recipients import Recipients
from smtpbook.recipients.saved import load_recipients, save_recipients
from smtpbook.recipients.suppression import SuppressionList
from tests.accounts.keyrings import LockedKeyring, MemoryKeyring

TEXT = "open sesame"
WORK = Account(host="smtp.example.org", username="ann", password=FromKeyring("work"))
TOML = b'host = "smtp.example.org"\nport = 587\ntls = "starttls"\n'
HEADER = b"address_or_rule,reason,date,campaign\n"

Go = Callable[[str], Path]


@pytest.fixture
def go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Go:
    """Sit down at another computer: its settings are elsewhere."""

    def sit_down(name: str) -> Path:
        monkeypatch.setenv("SMTPBOOK_HOME", str(tmp_path / name))
        return tmp_path / name

    sit_down("old")
    return sit_down


@pytest.fixture(autouse=True)
def vault() -> Iterator[MemoryKeyring]:
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.zip"


def people(*addresses: str) -> Recipients:
    return read_recipients(
        pd.DataFrame({"email": addresses, "City": ["Paris"] * len(addresses)})
    )


def archive(
    path: Path,
    members: dict[str | zipfile.ZipInfo, bytes],
    *,
    compression: int = zipfile.ZIP_STORED,
    **changes: object,
) -> Path:
    """Write an archive as `export_settings` would, but with whatever is wanted in it."""
    files = {
        getattr(name, "filename", name): {
            "bytes": len(octets),
            "sha256": hashlib.sha256(octets).hexdigest(),
        }
        for name, octets in members.items()
    }
    manifest = {"format": "smtpbook settings", "version": 1, "files": files} | changes
    with zipfile.ZipFile(path, "w", compression) as made:
        for name, octets in members.items():
            made.writestr(name, octets)
        made.writestr("manifest.json", json.dumps(manifest))
    return path


def done(items: tuple[Item, ...]) -> dict[str, str]:
    return {item.name: item.done for item in items}


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


# --- there and back -----------------------------------------------------------------------


def test_everything_arrives_as_it_was(go: Go, file: Path) -> None:
    save_account(WORK, "work")
    save_account(Account(host="localhost", port=2525, timeouts=9), "ann@x.org")
    token = from_settings(
        {"token_url": "https://oauth.example/token", "client_id": "c", "scope": "s"},
        lambda: None,
        lambda _: None,
    )
    save_account(WORK.replace(password=token, auth="XOAUTH2"), "token")
    save_recipients(people("a@x.org", "b@x.org"), "my readers")
    SuppressionList.open().add_many(["c@x.org", "@y.org"], reason="complaint")
    kept = {name: load_account(name) for name in list_accounts()}

    written = export_settings(file)
    assert {item.done for item in written.items} == {"written"}

    new = go("new")
    moved = import_settings(file)
    assert moved.is_complete
    assert {name: repr(load_account(name)) for name in list_accounts()} == {
        name: repr(account) for name, account in kept.items()
    }
    assert load_account("ann@x.org") == kept["ann@x.org"]
    assert load_account("work") == kept["work"]
    assert load_account("token").password.to_settings() == token.to_settings()  # type: ignore[union-attr]
    there = load_recipients("my readers")
    assert there.addresses == ["a@x.org", "b@x.org"]
    assert there.labels["city"] == "City"
    assert list(SuppressionList.open().frame["reason"]) == ["complaint"] * 2
    assert not [path for path in new.rglob("*") if "importing" in path.name]


def test_the_same_again_changes_nothing(go: Go, file: Path) -> None:
    save_account(WORK, "work")
    save_recipients(people("a@x.org"), "readers")
    SuppressionList.open().add("c@x.org")
    export_settings(file)
    new = go("new")
    import_settings(file)
    before = everything(new)
    for overwrite in (False, True):
        moved = import_settings(file, overwrite=overwrite)
        assert done(moved.items) == {
            "suppressed.csv": "merged",
            "work": "unchanged",
            "readers": "unchanged",
        }
        assert "0 added, 1 were here already" in str(moved)
        assert everything(new) == before


def test_what_has_not_changed_gives_the_same_file(go: Go, file: Path) -> None:
    save_account(WORK, "work")
    export_settings(file)
    octets = file.read_bytes()
    export_settings(file, overwrite=True)
    assert file.read_bytes() == octets


def test_nothing_to_export_is_said(go: Go, file: Path) -> None:
    assert str(export_settings(file)) == "nothing is saved yet"
    assert import_settings(file).items == ()


# --- secrets stay behind ------------------------------------------------------------------


def test_no_secret_leaves_the_computer(go: Go, file: Path, vault: MemoryKeyring) -> None:
    save_account(WORK.replace(password=TEXT), "work")
    path = Path(os.environ["SMTPBOOK_HOME"], "accounts", "work.toml")
    path.write_text(f"# it is {TEXT}\n{path.read_text()}")
    assert vault.kept == {("smtpbook", "work"): TEXT}
    export_settings(file)
    assert TEXT.encode() not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    go("new")
    vault.kept.clear()
    moved = import_settings(file)
    assert moved.need_password == ["work"]
    assert "needs its password again" in str(moved)


@pytest.mark.parametrize(
    "line",
    [
        'password = "hunter2"',
        'ca_file = "smb://ann:hunter2@x.org/own.pem"',
        '[oauth]\nclient_secret = "hunter2"',
        '[oauth]\nscope = "s"\nclient_id = "c"\ntoken_url = "https://ann:hunter2@x.org/"',
    ],
)
def test_what_looks_like_a_secret_is_left_out_and_not_repeated(
    line: str, go: Go, file: Path
) -> None:
    save_account(WORK, "work")
    folder = Path(os.environ["SMTPBOOK_HOME"], "accounts")
    (folder / "bad.toml").write_bytes(TOML + line.encode())
    written = export_settings(file)
    assert done(written.items) == {"bad": "left out", "work": "written"}
    assert not written.is_complete
    assert "hunter2" not in str(written)
    assert b"hunter2" not in file.read_bytes()


@pytest.mark.parametrize("is_set", [True, False])
def test_a_variable_that_is_not_set_is_asked_for(
    is_set: bool, go: Go, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_account(WORK.replace(password=FromEnvironment("MAIL_PASSWORD")), "work")
    export_settings(file)
    go("new")
    monkeypatch.delenv("MAIL_PASSWORD", raising=False)
    if is_set:
        monkeypatch.setenv("MAIL_PASSWORD", TEXT)
    moved = import_settings(file)
    assert moved.need_password == ([] if is_set else ["work"])
    assert ("set MAIL_PASSWORD" in str(moved)) is not is_set


def test_without_a_keyring_accounts_arrive_all_the_same(go: Go, file: Path) -> None:
    save_account(WORK, "work")
    export_settings(file)
    go("new")
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    assert import_settings(file).need_password == ["work"]


def test_an_account_with_a_proxy_and_a_certificate_arrives_and_asks_for_their_secrets(
    go: Go, file: Path, vault: MemoryKeyring, tmp_path: Path
) -> None:
    own = tmp_path / "own.pem"
    own.write_text("")
    account = WORK.replace(
        proxy="http://ann:melon@p.test:8080",
        client_certificate=ClientCertificate(file=own, passphrase="knock"),
        pin="ab" * 32,
    )
    save_account(account, "work")
    export_settings(file)
    assert b"melon" not in file.read_bytes()
    assert b"knock" not in file.read_bytes()
    go("new")
    vault.kept.clear()
    assert "needs its password again" in str(import_settings(file))
    loaded = load_account("work")
    assert (str(loaded.proxy), loaded.pin) == ("http://p.test:8080", ("ab" * 32,))
    for entry, needed in (
        ("work", "needs its proxy's password again"),
        ("work/proxy", "needs the passphrase of its own certificate again"),
        ("work/key", ""),
    ):
        vault.set_password("smtpbook", entry, "x")
        moved = import_settings(file, overwrite=True)
        assert needed in str(moved)
        assert moved.need_password == (["work"] if needed else [])
    own.unlink()
    assert "own certificate" in str(import_settings(file))


def test_a_password_is_not_told_to_another_proxy(
    go: Go, file: Path, vault: MemoryKeyring
) -> None:
    save_account(WORK.replace(proxy="http://ann:melon@evil.test:8080"), "work")
    export_settings(file)
    go("new")
    vault.kept.clear()
    save_account(WORK.replace(proxy="http://ann:melon@p.test:8080"), "work")
    import_settings(file, overwrite=True)
    assert str(load_account("work").proxy) == "http://evil.test:8080"
    assert vault.kept == {}


# --- what is there already ----------------------------------------------------------------


def test_another_of_the_name_is_kept_unless_told(go: Go, file: Path) -> None:
    save_account(WORK, "work")
    save_recipients(people("a@x.org"), "readers")
    export_settings(file)
    go("new")
    own = Account(host="smtp.here.example", name="own")
    save_account(own, "work")
    save_recipients(people("z@x.org"), "readers")

    moved = import_settings(file)
    assert done(moved.items) == {"work": "kept", "readers": "kept"}
    assert not moved.is_complete
    assert load_account("work") == own
    assert load_recipients("readers").addresses == ["z@x.org"]

    moved = import_settings(file, overwrite=True)
    assert done(moved.items) == {"work": "replaced", "readers": "replaced"}
    assert load_account("work").host == "smtp.example.org"
    assert load_recipients("readers").addresses == ["a@x.org"]


@pytest.mark.parametrize(
    ("there", "is_kept"),
    [
        (WORK.replace(port=465, tls="implicit"), True),
        (WORK.replace(host="smtp.elsewhere.example"), False),
        (WORK.replace(username="bob"), False),
    ],
)
def test_a_password_is_never_told_to_another_server(
    there: Account, is_kept: bool, go: Go, file: Path, vault: MemoryKeyring
) -> None:
    save_account(there, "work")
    export_settings(file)
    go("new")
    save_account(WORK.replace(password=TEXT), "work")
    moved = import_settings(file, overwrite=True)
    assert load_account("work").host == there.host
    assert (("smtpbook", "work") in vault.kept) is is_kept
    assert moved.need_password == ([] if is_kept else ["work"])


def test_a_password_that_cannot_be_forgotten_keeps_its_account(go: Go, file: Path) -> None:
    save_account(WORK.replace(host="smtp.elsewhere.example"), "work")
    export_settings(file)
    go("new")
    save_account(WORK.replace(password=TEXT), "work")
    keyring.set_keyring(LockedKeyring())
    assert done(import_settings(file, overwrite=True).items) == {"work": "refused"}
    assert load_account("work").host == WORK.host


def test_suppressions_are_merged_and_none_is_lost(go: Go, file: Path) -> None:
    SuppressionList.open().add_many(["both@x.org", "theirs@x.org"], reason="bounced")
    SuppressionList.open().add("both@x.org", reason="manual", campaign="may")
    export_settings(file)
    go("new")
    SuppressionList.open().add_many(["both@x.org", "ours@x.org"], reason="complaint")
    moved = import_settings(file, overwrite=True)
    assert "2 added, 1 were here already" in str(moved)
    frame = SuppressionList.open().frame
    told = set(
        zip(
            frame["address_or_rule"],
            frame["reason"],
            frame["campaign"].fillna(""),
            strict=True,
        )
    )
    assert told == {
        ("both@x.org", "complaint", ""),
        ("ours@x.org", "complaint", ""),
        ("theirs@x.org", "bounced", ""),
        ("both@x.org", "manual", "may"),
    }


def test_a_file_that_is_there_is_not_written_over_unless_told(go: Go, file: Path) -> None:
    file.write_text("mine")
    with pytest.raises(SMTPBookError, match="already"):
        export_settings(file)
    assert file.read_text() == "mine"
    export_settings(file, overwrite=True)
    assert zipfile.is_zipfile(file)


# --- what goes wrong ----------------------------------------------------------------------


def test_without_its_suppressions_nothing_is_exported(go: Go, file: Path) -> None:
    home = go("old")
    home.mkdir()
    (home / "suppressed.csv").write_text("what\nis this\n")
    with pytest.raises(RecipientsError, match="no suppression list"):
        export_settings(file)
    assert [path.name for path in file.parent.iterdir()] == ["old"]


def test_a_damaged_list_is_left_out_and_named(go: Go, file: Path) -> None:
    save_recipients(people("a@x.org"), "good")
    path = Path(os.environ["SMTPBOOK_HOME"], "recipients", "bad.parquet")
    path.write_bytes(b"PAR1 no PAR1")
    written = export_settings(file)
    assert done(written.items) == {"bad": "left out", "good": "written"}
    assert str(path) in str(written)


def test_a_bad_account_or_list_keeps_no_other_from_arriving(go: Go, file: Path) -> None:
    parquet = pa.BufferOutputStream()
    pyarrow.parquet.write_table(pa.table({"email": ["a@x.org"]}), parquet)
    new = go("new")
    archive(
        file,
        {
            "accounts/password.toml": TOML + b'password = "hunter2"\n',
            "accounts/toml.toml": b"host = ",
            "accounts/unknown.toml": TOML + b"sudo = true\n",
            "accounts/con:name.toml": TOML,
            "accounts/good.toml": TOML,
            "recipients/table.parquet": parquet.getvalue().to_pybytes(),
            "recipients/text.parquet": b"a@x.org",
        },
    )
    moved = import_settings(file)
    assert done(moved.items) == {
        "password": "refused",
        "toml": "refused",
        "unknown": "refused",
        "con:name": "refused",
        "good": "added",
        "table": "refused",
        "text": "refused",
    }
    assert "accounts/unknown.toml, line 4: no setting 'sudo'" in str(moved)
    assert "hunter2" not in str(moved)
    assert "importing" not in str(moved)
    assert list(everything(new)) == ["accounts/good.toml"]


def test_an_account_nested_too_deep_is_refused_alone(go: Go, file: Path) -> None:
    deep = TOML + b"a = " + b"[" * 20_000
    new = go("new")
    (new / "accounts").mkdir(parents=True)
    (new / "accounts" / "c.toml").write_bytes(deep)
    members = {"accounts/a.toml": TOML, "accounts/b.toml": deep, "accounts/c.toml": TOML}
    archive(file, dict(members))
    items = import_settings(file, overwrite=True).items
    assert done(items) == {"a": "added", "b": "refused", "c": "replaced"}


def test_a_list_that_claims_more_than_it_can_hold_is_not_unpacked(
    go: Go, file: Path
) -> None:
    parquet = pa.BufferOutputStream()
    nothing = pa.nulls(50_000_000, pa.null())
    pyarrow.parquet.write_table(pa.table({"email": nothing}), parquet)
    go("new")
    archive(file, {"recipients/bomb.parquet": parquet.getvalue().to_pybytes()})
    moved = import_settings(file)
    assert done(moved.items) == {"bomb": "refused"}
    assert "claims to hold 50,000,000 recipients" in str(moved)


def test_nobody_elses_lab_server_is_trusted(go: Go, file: Path) -> None:
    go("new")
    archive(file, {"accounts/work.toml": TOML + b"is_lab = true\n"})
    import_settings(file)
    assert not load_account("work").is_lab


def test_certificates_that_stayed_behind_are_named(go: Go, file: Path) -> None:
    go("new")
    archive(file, {"accounts/work.toml": TOML + b'ca_file = "/no/where.pem"\n'})
    assert "'/no/where.pem' are not on this computer" in str(import_settings(file))


def test_foreign_names_are_shown_harmless(go: Go, file: Path) -> None:
    go("new")
    archive(file, {"accounts/\x1b[31mred\u202e.toml": TOML})
    shown = str(import_settings(file))
    assert "refused" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


def _link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no zip": (lambda path: path.write_bytes(b"a@x.org\n" * 9), "no settings file"),
    "nothing": (lambda path: path.write_bytes(b""), "no settings file"),
    "cut off": (
        lambda path: path.write_bytes(
            archive(path, {"accounts/a.toml": TOML}).read_bytes()[:-9]
        ),
        "cut off",
    ),
    "another zip": (
        lambda path: zipfile.ZipFile(path, "w").close(),
        "no manifest",
    ),
    "newer": (lambda path: archive(path, {}, version=2), "version 2, .* update it"),
    "another manifest": (
        lambda path: archive(path, {}, format="x"),
        "its manifest says something else",
    ),
    "files of another kind": (
        lambda path: archive(path, {}, files=[]),
        "its manifest says something else",
    ),
    "wrong sum": (
        lambda path: archive(
            path,
            {"accounts/a.toml": TOML},
            files={"accounts/a.toml": {"bytes": len(TOML), "sha256": "0" * 64}},
        ),
        "accounts/a.toml is not as it was written",
    ),
    "changed on its way": (
        lambda path: path.write_bytes(
            archive(path, {"accounts/a.toml": TOML}).read_bytes().replace(b"587", b"588")
        ),
        "Bad CRC-32",
    ),
    "not in the manifest": (
        lambda path: archive(path, {"accounts/a.toml": TOML}, files={}),
        "does not name what is in it",
    ),
    "up and out": (
        lambda path: archive(path, {"accounts/../../.ssh/authorized_keys.toml": TOML}),
        "no part of the settings",
    ),
    "from the root": (
        lambda path: archive(path, {"/etc/passwd": TOML}),
        "no part of the settings",
    ),
    "Windows's separators": (
        lambda path: archive(path, {"accounts/..\\a.toml": TOML}),
        "no part of the settings",
    ),
    "hidden": (
        lambda path: archive(path, {"accounts/.toml.toml": TOML}),
        "no part of the settings",
    ),
    "symbolic link": (
        lambda path: archive(path, {_link("accounts/a.toml"): b"/etc/passwd"}),
        "no ordinary file",
    ),
    "bomb": (
        lambda path: archive(
            path, {"suppressed.csv": bytes(9_000_000)}, compression=zipfile.ZIP_DEFLATED
        ),
        "compressed",
    ),
    "account too large": (
        lambda path: archive(path, {"accounts/a.toml": TOML + b"#" * 64_000}),
        "larger than is ever written",
    ),
    "too many": (
        lambda path: archive(path, {f"accounts/{n}.toml": b"" for n in range(10_001)}),
        "more than are ever written",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_or_damaged_file_is_refused_and_changes_nothing(
    case: str, go: Go, file: Path
) -> None:
    make, message = HOSTILE[case]
    make(file)
    new = go("new")
    SuppressionList.open().add("ours@x.org")
    before = everything(new)
    with pytest.raises(SMTPBookError, match=message) as told:
        import_settings(file, overwrite=True)
    assert str(told.value).startswith(
        "settings.zip cannot be imported, nothing was changed"
    )
    assert everything(new) == before


def test_a_directory_that_begins_before_the_file_is_refused(go: Go, file: Path) -> None:
    octets = bytearray(archive(file, {"accounts/a.toml": TOML}).read_bytes())
    octets[-10:-6] = struct.pack("<L", len(octets))  # the directory's size
    file.write_bytes(octets)
    with pytest.raises(SMTPBookError, match="cannot be imported, nothing was changed"):
        import_settings(file)


def test_one_file_in_two_places_of_the_directory_is_refused(go: Go, file: Path) -> None:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("accounts/a.toml", TOML)
        with pytest.warns(UserWarning, match="Duplicate name"):
            made.writestr("accounts/a.toml", TOML)
    with pytest.raises(SMTPBookError, match="holds a file twice"):
        import_settings(file)


def test_files_that_overlap_are_refused(go: Go, file: Path) -> None:
    """Fifield's bomb: many entries of the directory share the same octets."""
    octets = bytearray(
        archive(file, {"accounts/a.toml": TOML, "accounts/b.toml": b""}).read_bytes()
    )
    # The second entry's size, in the directory: APPNOTE.TXT section 4.3.12.
    place = octets.find(b"accounts/b.toml", octets.find(b"PK\1\2")) - 46
    octets[place + 20 : place + 28] = struct.pack("<LL", 60_000, 60_000)
    file.write_bytes(octets)
    with pytest.raises(SMTPBookError, match="unpack to more than it is"):
        import_settings(file)


@pytest.mark.parametrize("is_big", [True, False])
def test_a_directory_that_is_too_large_is_not_read(
    is_big: bool, go: Go, file: Path
) -> None:
    octets = archive(file, {}).read_bytes()
    end = octets[-22:]
    if is_big:  # what announces an archive of more than 4 GB
        octets = octets[:-22] + b"PK\6\7" + bytes(16) + end
    else:
        octets = octets[:-22] + end[:12] + struct.pack("<L", 9_000_000) + end[16:]
    file.write_bytes(octets)
    with pytest.raises(SMTPBookError, match="larger than is ever written"):
        import_settings(file)


def test_suppressions_that_cannot_be_read_stop_everything(go: Go, file: Path) -> None:
    new = go("new")
    archive(file, {"accounts/a.toml": TOML, "suppressed.csv": HEADER + b"no rule,x,,\n"})
    with pytest.raises(RecipientsError, match="line 2"):
        import_settings(file)
    assert everything(new) == {}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "settings.zip"
    with pytest.raises(SMTPBookError, match=r"no folder '.*gone'$"):
        export_settings(path)
