"""A page brings along what lies in its folder, and reads nothing else."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpbook.bodies import page as module
from smtpbook.bodies.page import Page, read_page
from smtpbook.bodies.picture import Picture
from smtpbook.errors import TemplateError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
GIF = b"GIF89a" + bytes(8)
JPEG = b"\xff\xd8\xff" + bytes(8)
WEBP = b"RIFF\0\0\0\0WEBP" + bytes(8)


def page(folder: Path, html: str, **files: bytes) -> Page:
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    (folder / "page.html").write_text(html, encoding="utf-8")
    return read_page(folder / "page.html")


def test_pictures_become_parts_of_the_message_each_once(tmp_path: Path) -> None:
    found = page(
        tmp_path,
        "<p><IMG alt='Our &amp; logo' src = logo.png>\n<img src='./logo.png?v=1' /></p>",
        logo__png=PNG,
    )
    assert found == Page(
        html="<p><IMG alt='Our &amp; logo' src=\"cid:logo.png\">\n"
        '<img src="cid:logo.png" /></p>',
        pictures=(
            Picture(name="logo.png", content_type="image/png", data=PNG, alt="Our & logo"),
        ),
        remote=(),
    )


def test_stylesheets_are_taken_in_with_the_pictures_they_name(tmp_path: Path) -> None:
    found = page(
        tmp_path,
        "<link rel='stylesheet' media=print href=a.css><style>b{x:url( 'b.png' )}</style>"
        "<td background=c.gif style='x:url(b.png);color:red'>",
        a__css=b'@media print{#a{x:url("b.png")}}/*</style>*/',
        b__png=PNG,
        c__gif=GIF,
    )
    assert found.html == (
        '<style media="print">@media print{ #a{x:url("cid:b.png")}}/*<\\/style>*/</style>'
        "<style>b{x:url('cid:b.png')}</style>"
        '<td background="cid:c.gif" style="x:url(cid:b.png);color:red">'
    )
    assert [picture.name for picture in found.pictures] == ["b.png", "c.gif"]


@pytest.mark.parametrize(
    ("data", "name"), [(JPEG, "a.jpg"), (WEBP, "a.webp"), (GIF, "a.gif")]
)
def test_what_a_picture_is_its_octets_tell(tmp_path: Path, data: bytes, name: str) -> None:
    found = page(tmp_path, "<img src=a.png>", a__png=data)
    assert found.html == f'<img src="cid:{name}">'


def test_two_pictures_of_one_name_get_two(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.png").write_bytes(PNG + b"2")
    found = page(tmp_path, "<img src=a.png><img src=more/a.png>", a__png=PNG)
    assert [picture.name for picture in found.pictures] == ["a.png", "a-2.png"]


def test_what_lies_on_the_web_is_left_and_listed(tmp_path: Path) -> None:
    html = (
        "<img src='https://x.example/a.png'><link rel=stylesheet href=//x.example/b.css>"
        "<p style='x:url(http://x.example/c.png)'><a href=gone.html>a</a>"
    )
    found = page(tmp_path, html)
    assert found.html == html
    assert found.remote == (
        "https://x.example/a.png", "//x.example/b.css", "http://x.example/c.png",
    )  # fmt: skip


def test_data_addresses_become_pictures(tmp_path: Path) -> None:
    found = page(tmp_path, f"<img src='data:image/png;base64,{b64encode(PNG).decode()}'>")
    assert found.html == '<img src="cid:picture.png">'
    assert found.pictures[0].data == PNG


def test_merge_fields_are_left_alone(tmp_path: Path) -> None:
    html = "<img src='{{ photo }}'><p style=\"x:url({{ a }})\">{% if a < b %}<p>{% endif %}"
    assert page(tmp_path, html).html == html


@pytest.mark.parametrize(
    ("html", "error"),
    [
        ("\n<img src=lgo.png>",
         "page.html, line 2: no file 'lgo.png'; did you mean 'logo.png'?"),
        ("<img src=logo.svg>", "page.html, line 1: 'logo' is an SVG drawing, which mail "
                               "clients do not show; save it as PNG"),
        ("<img src=logo.txt>", "page.html, line 1: 'logo' is no picture; save it as PNG"),
        ("<style>\n\na{b:url(house.gif)}</style>",
         "page.html, line 3: no file 'house.gif'"),
        ("<link rel=stylesheet href=a.css>", "a.css, line 2: no file 'tree.gif'"),
        ("<img src='file:///etc/passwd'>",
         "page.html, line 1: 'file:///etc/passwd' is no file here"),
        ("<img src='data:image/png;base64,%%'>",
         "page.html, line 1: a data: address is not base64"),
        ("<img src='a%00b'>", "page.html, line 1: 'a%00b' is no file here"),
        ("<img src='http://[x'>", "page.html, line 1: not an address: 'http://[x'"),
    ],
)  # fmt: skip
def test_what_cannot_be_brought_along_is_an_error_with_its_place(
    tmp_path: Path, html: str, error: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        page(tmp_path, html, logo__png=PNG, logo__svg=b"<?xml?><svg >", logo__txt=b"text",
             a__css=b"\na{b:url(tree.gif)}")  # fmt: skip
    assert str(caught.value) == error


@pytest.mark.parametrize(
    "url",
    ["../secret.png", "%2e%2e/secret.png", "/etc/passwd", "link.png", "dir/secret.png"],
)
def test_nothing_outside_the_folder_is_read(tmp_path: Path, url: str) -> None:
    folder = tmp_path / "letter"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "dir").symlink_to(tmp_path)
    with pytest.raises(TemplateError, match="lies outside the page's folder, in "):
        page(folder, f"<img src='{url}'>")


def test_a_page_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(TemplateError, match="larger than 0 MB together"):
        page(tmp_path, "<img src=a.png>", a__png=PNG + bytes(100))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbf<p>\xc3\xa9", "<p>é"),
        ("\ufeff<p>é".encode("utf-16-le"), "<p>é"),
        (b"<meta charset=latin-1><p>\xe9", "<meta charset=latin-1><p>é"),
        ("<p>é\r\n".encode(), "<p>é\n"),
    ],
)
def test_the_encoding_is_found_out(tmp_path: Path, data: bytes, text: str) -> None:
    (tmp_path / "a.html").write_bytes(data)
    assert read_page(tmp_path / "a.html").html == text


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (
            b"<p>\xe9",
            "a.html: byte 3 is not utf-8; save it as UTF-8 or name its encoding in ",
        ),
        (b"<meta charset=klingon>", "a.html: unknown encoding 'klingon'; save it as UTF-8"),
    ],
)
def test_an_encoding_that_does_not_fit_is_named(
    tmp_path: Path, data: bytes, error: str
) -> None:
    (tmp_path / "a.html").write_bytes(data)
    with pytest.raises(TemplateError) as caught:
        read_page(tmp_path / "a.html")
    assert str(caught.value).startswith(error)


def test_a_page_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match=r"gone\.html: 'gone\.html': No such file"):
        read_page(tmp_path / "gone.html")


@given(st.text("<>imgsrc='\"=/ url(){}\n&;", max_size=60))
def test_any_page_without_files_stays_as_it_is_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, html: str
) -> None:
    folder = tmp_path_factory.mktemp("page")
    refused = ""
    try:
        found = page(folder, html)
    except TemplateError as error:
        refused, found = str(error), None
    assert refused.startswith("page.html, line ") if found is None else not found.pictures
