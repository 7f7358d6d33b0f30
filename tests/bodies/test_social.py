"""Links to networks show icons of our own, and nothing but links."""

from __future__ import annotations

import struct
import zlib

import pytest
from markupsafe import Markup

from smtpbook.bodies.picture import content_type
from smtpbook.bodies.social import NETWORKS, social_html, social_pictures, social_text
from smtpbook.bodies.text import html_to_text
from smtpbook.errors import TemplateError
from tests.bodies.draw_icons import DRAWINGS, SIZE, pixels

LINKS = {"Mastodon": "https://m.example/@ann", "rss": "http://x.example/?a&b"}


def test_each_link_is_an_icon_with_the_networks_name() -> None:
    html = social_html(LINKS, size=32)
    assert isinstance(html, Markup)
    assert 'href="http://x.example/?a&amp;b"' in html
    assert html.count('width="32" height="32"') == 2
    assert html_to_text(html) == (
        "Mastodon (https://m.example/@ann) RSS (http://x.example/?a&b)"
    )


def test_the_pictures_are_those_the_html_names() -> None:
    html = social_html(LINKS)
    pictures = social_pictures(LINKS)
    assert [picture.alt for picture in pictures] == ["Mastodon", "RSS"]
    assert all(f'src="cid:{picture.name}"' in html for picture in pictures)


def test_as_text_each_link_is_a_line() -> None:
    assert social_text({"website": "mailto:ann@x.example", **LINKS}) == (
        "Website: ann@x.example\nMastodon: https://m.example/@ann\n"
        "RSS: http://x.example/?a&b"
    )


@pytest.mark.parametrize(
    ("links", "error"),
    [
        (
            {"facebok": "https://x.example"},
            "no network 'facebok'; did you mean 'facebook'?",
        ),
        ({"x": "javascript:alert(1)"}, "X links to 'javascript:alert\\(1\\)'; expected"),
        ({"x": "https://x.example/\r\nBcc:"}, "X links to 'https://x.example/"),
        ({"x": "x.example"}, "expected an address with https://, http:// or mailto:"),
    ],
)
def test_what_is_no_link_to_a_network_is_refused(links: dict[str, str], error: str) -> None:
    for function in (social_html, social_pictures, social_text):
        with pytest.raises(TemplateError, match=error):
            function(links)


def test_a_size_no_icon_has_is_refused() -> None:
    with pytest.raises(TemplateError, match="8 to 200"):
        social_html(LINKS, size=0)


def test_every_network_has_an_icon() -> None:
    assert DRAWINGS.keys() == NETWORKS.keys()


@pytest.mark.parametrize("network", ["mastodon", "website"])
def test_the_icons_are_as_they_are_drawn(network: str) -> None:
    (picture,) = social_pictures({network: "https://x.example"})
    data = picture.data
    assert content_type(data) == "image/png"
    assert len(data) < 1500
    # Signature, IHDR (25 octets), then one IDAT; compressors differ, pixels do not.
    assert struct.unpack_from(">II", data, 16) == (SIZE, SIZE)
    (length,) = struct.unpack_from(">I", data, 33)
    assert zlib.decompress(data[41 : 41 + length]) == pixels(network)
