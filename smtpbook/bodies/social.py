"""Links to social networks, with small icons of our own that show in mail.

An icon is a coloured square with a letter or a simple sign; no network's logo is copied.
They travel inside the message, so that they are seen where remote pictures are off.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from markupsafe import Markup

from smtpbook.bodies.picture import Picture
from smtpbook.errors import TemplateError, near_miss
from smtpbook.escape import visible

NETWORKS: Final[Mapping[str, str]] = {
    "mastodon": "Mastodon",
    "bluesky": "Bluesky",
    "linkedin": "LinkedIn",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "youtube": "YouTube",
    "x": "X",
    "github": "GitHub",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "threads": "Threads",
    "rss": "RSS",
    "website": "Website",
}
"""What the networks are called in `social_html`, and how they write themselves."""

_SCHEMES: Final = ("https://", "http://", "mailto:")


def social_html(links: Mapping[str, str], *, size: int = 24) -> Markup:
    """Show links to social networks as a row of icons.

    Parameters
    ----------
    links : mapping of str to str
        For each network (see `NETWORKS`; upper case does not matter), the address: https,
        http or mailto.
    size : int
        Width and height in CSS pixels.  The icons are drawn for 24, and sharp up to 48.

    Returns
    -------
    Markup
        It names pictures by ``cid:``; `social_pictures` gives those.

    Raises
    ------
    TemplateError
        There is no such network, or the address has another scheme.

    Examples
    --------
    >>> 'alt="RSS"' in social_html({"rss": "https://x.example/feed"})
    True
    """
    if not (isinstance(size, int) and 8 <= size <= 200):
        shown = visible(repr(size), max_chars=20)
        raise TemplateError(f"social: size={shown}; expected 8 to 200 pixels")
    return Markup("&nbsp;").join(
        Markup(
            '<a href="{0}" style="text-decoration:none"><img src="cid:{1}" alt="{2}" '
            'title="{2}" width="{3}" height="{3}" '
            'style="border:0;vertical-align:middle"></a>'
        ).format(url, _picture_name(network), NETWORKS[network], size)
        for network, url in _checked(links).items()
    )


def social_pictures(links: Mapping[str, str]) -> tuple[Picture, ...]:
    """Give the pictures that `social_html` names.

    Raises
    ------
    TemplateError
        As for `social_html`.
    """
    return tuple(map(_picture, _checked(links)))


def social_text(links: Mapping[str, str]) -> str:
    """Write links to social networks, one a line.

    Raises
    ------
    TemplateError
        As for `social_html`.

    Examples
    --------
    >>> print(social_text({"GitHub": "https://github.example/ann"}))
    GitHub: https://github.example/ann
    """
    return "\n".join(
        f"{NETWORKS[network]}: {url.removeprefix('mailto:')}"
        for network, url in _checked(links).items()
    )


@cache
def _picture(network: str) -> Picture:
    icon = files("smtpbook.bodies") / "icons" / f"{network}.png"
    return Picture(
        name=_picture_name(network),
        content_type="image/png",
        data=icon.read_bytes(),
        alt=NETWORKS[network],
    )


def _picture_name(network: str) -> str:
    return f"social-{network}.png"


def _checked(links: Mapping[str, str]) -> dict[str, str]:
    checked = {}
    for name, url in links.items():
        network = name.strip().lower()
        if network not in NETWORKS:
            hint = near_miss(network, NETWORKS)
            raise TemplateError(
                f"social: no network {visible(name, max_chars=40)!r}{hint}; there are: "
                f"{', '.join(NETWORKS)}"
            )
        url = url.strip()
        if not url.lower().startswith(_SCHEMES) or url != visible(url) or " " in url:
            raise TemplateError(
                f"social: {NETWORKS[network]} links to {visible(url, max_chars=60)!r}; "
                f"expected an address with https://, http:// or mailto:"
            )
        checked[network] = url
    return checked
