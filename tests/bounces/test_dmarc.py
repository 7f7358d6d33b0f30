"""Reports are read from wherever they come, and what wants to be a bomb stays small."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpbook.bounces import packed
from smtpbook.bounces.dmarc import parse_report, read_dmarc_reports
from smtpbook.samples import share_path

SAMPLE = share_path("data") / "logs" / "dmarc-report.xml"
XML = SAMPLE.read_bytes()


def zipped(**files: bytes) -> bytes:
    octets = io.BytesIO()
    with zipfile.ZipFile(octets, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.xml", content)
    return octets.getvalue()


def mailed(octets: bytes, kind: str = "application/gzip") -> bytes:
    return (
        b"From: dmarc@ordinary.example\nSubject: Report Domain: bulletin.example\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nSee the report.\n'
        b"--b\nContent-Type: %s\nContent-Transfer-Encoding: base64\n"
        b'Content-Disposition: attachment; filename="r.xml.gz"\n\n%s\n--b--\n'
        % (kind.encode(), base64.encodebytes(octets))
    )


def test_a_report_is_a_row_for_each_record() -> None:
    table = read_dmarc_reports(SAMPLE)
    assert table["source_ip"].tolist() == ["192.0.2.50", "198.51.100.7"]
    assert table["count"].tolist() == [120, 3]
    assert table["disposition"].tolist() == ["none", "none"]
    assert table["dkim_aligned"].tolist() == ["pass", "fail"]
    assert table["dkim"].tolist()[1] == "bulletin.example=fail, list.example=pass"
    assert table["override"].tolist()[1] == "mailing_list"
    assert set(table["domain"]) == {"bulletin.example"}
    assert set(table["policy"]) == {"quarantine"}
    assert set(table["reporter"]) == {"ordinary.example"}
    assert table["begin"].iloc[0] == pd.Timestamp("2026-11-28", tz="UTC")
    assert str(table["count"].dtype) == "Int64"


@pytest.mark.parametrize(
    "octets",
    [
        XML,
        b"\xef\xbb\xbf" + XML,
        gzip.compress(XML),
        zipped(a=XML),
        mailed(gzip.compress(XML)),
        mailed(zipped(a=XML), "application/zip"),
        mailed(zipped(a=XML), "application/octet-stream"),
        XML.replace(b"<feedback>", b'<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">'),
    ],
    ids=["xml", "bom", "gz", "zip", "mailed gz", "mailed zip", "octet-stream", "namespace"],
)
def test_it_is_the_same_however_it_is_packed(octets: bytes, tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(octets)
    table = read_dmarc_reports(tmp_path)
    pd.testing.assert_frame_equal(table, read_dmarc_reports(SAMPLE))
    assert table.attrs["read"]["reports"] == 1


def test_a_folder_of_reports_and_other_mail_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(a=XML, b=XML))
    (tmp_path / "b.eml").write_bytes(b"From: a@x.example\nSubject: Hello\n\nHi\n")
    (tmp_path / "c.gz").write_bytes(b"\x1f\x8b no gzip")
    table = read_dmarc_reports(tmp_path)
    read = table.attrs["read"]
    assert len(table) == 4
    assert (read["files"], read["reports"], read["other"], read["skipped"]) == (3, 2, 1, 1)
    assert "c.gz: a damaged gzip file" in read["examples"][0]


def test_nothing_is_a_table_with_all_columns(tmp_path: Path) -> None:
    table = read_dmarc_reports(tmp_path)
    assert table.empty
    assert list(table.columns) == list(read_dmarc_reports(SAMPLE).columns)


BOMBS = {
    "entities": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'
    b"<feedback><report_metadata><org_name>&b;</org_name></report_metadata></feedback>",
    "a file of the system": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a SYSTEM '
    b'"file:///etc/passwd">]><feedback>&a;</feedback>',
    "depth": b"<feedback>" + b"<a>" * 1000 + b"</a>" * 1000 + b"</feedback>",
    "another document": b"<?xml version='1.0'?><html/>",
    "no end": XML[:-20],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_document_that_is_no_report_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"document type|elements|no report|broken XML"):
        parse_report(BOMBS[name])


@pytest.mark.parametrize("kind", ["gzip", "zip"])
def test_what_unpacks_to_too_much_is_refused_before_it_is_whole(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "MAX_UNPACKED", 100_000)
    large = b"<?xml version='1.0'?><feedback>" + b" " * 200_000
    octets = gzip.compress(large) if kind == "gzip" else zipped(a=large)
    (tmp_path / "bomb").write_bytes(octets)
    table = read_dmarc_reports(tmp_path)
    assert table.attrs["read"]["skipped"] == 1
    assert "unpacks to more than" in table.attrs["read"]["examples"][0]


def test_an_archive_of_very_many_files_is_refused() -> None:
    octets = zipped(**{f"f{n}": b"" for n in range(30)})
    with pytest.raises(packed.TooLarge, match="30 files"):
        list(packed.unpacked(octets))


@settings(max_examples=40)
@given(st.integers(0, len(XML)), st.binary(max_size=10), st.integers(0, 30))
def test_a_report_that_is_spoilt_raises_nothing_but_that(
    at: int, odd: bytes, cut: int
) -> None:
    try:
        rows = parse_report(XML[:at] + odd + XML[at + cut :])
    except ValueError:
        return
    assert all(isinstance(row, dict) for row in rows)


@settings(max_examples=40)
@given(
    st.sampled_from([gzip.compress(XML), zipped(a=XML)]),
    st.integers(0, 900),
    st.binary(max_size=6),
)
def test_an_archive_that_is_spoilt_raises_nothing_but_that(
    octets: bytes, at: int, odd: bytes
) -> None:
    try:
        list(packed.unpacked(octets[:at] + odd + octets[at + len(odd) :]))
    except ValueError:
        return
