"""Draw the icons of `smtpbook.bodies.social`: ``python tests/bodies/draw_icons.py``.

Each is 48 pixels wide, a rounded square with strokes of one width.  A point is as white as
it is near to a stroke, so edges are smooth; nothing but the standard library is needed.
"""

from __future__ import annotations

import math
import struct
import zlib
from itertools import pairwise
from pathlib import Path

SIZE = 48
ICONS = Path(__file__).parents[2] / "smtpbook" / "bodies" / "icons"

Point = tuple[float, float]
Stroke = list[Point]


def arc(x: float, y: float, radius: float, begin: float, end: float) -> Stroke:
    """Give an arc as points; degrees run clockwise from three o'clock."""
    return [
        (
            x + radius * math.cos(math.radians(angle)),
            y + radius * math.sin(math.radians(angle)),
        )
        for angle in (begin + (end - begin) * step / 16 for step in range(17))
    ]


def ring(x: float, y: float, radius: float) -> Stroke:
    return arc(x, y, radius, 0, 360)


# The colour behind, and strokes on a square of 24: letters and everyday signs, no logos.
DRAWINGS: dict[str, tuple[str, list[Stroke]]] = {
    "mastodon": ("5b4bd6", [[(6, 17), (6, 7), (12, 14), (18, 7), (18, 17)]]),
    "bluesky": (
        "1272d6",
        [
            [(8, 18), (8, 6), *arc(12.5, 9, 3, -90, 90), (8, 12)],
            [*arc(13, 15, 3, -90, 90), (8, 18)],
        ],
    ),
    "linkedin": ("0b5fa8", [[(8, 6), (8, 18), (16, 18)]]),
    "facebook": ("2f5fc4", [[(16, 6), (8, 6), (8, 18)], [(8, 12), (14, 12)]]),
    "instagram": (  # a camera
        "c2327a",
        [
            [(5, 8), (9, 8), (10, 6), (14, 6), (15, 8), (19, 8), (19, 18), (5, 18), (5, 8)],
            ring(12, 13, 2.4),
        ],
    ),
    "youtube": (  # play
        "c4302b",
        [
            [(9, 7), (17, 12), (9, 17), (9, 7)],
            [(10.5, 10), (13.5, 12), (10.5, 14), (10.5, 10)],
        ],
    ),
    "x": ("505050", [[(7, 6), (17, 18)], [(17, 6), (7, 18)]]),
    "github": (
        "57606a",
        [arc(12, 12, 6, -30, -330), [(17.2, 15), (17.2, 12.5), (13, 12.5)]],
    ),
    "whatsapp": ("1c8a45", [[(5, 7), (8.5, 17), (12, 9), (15.5, 17), (19, 7)]]),
    "telegram": ("1c7fb8", [[(6, 6), (18, 6)], [(12, 6), (12, 18)]]),
    "tiktok": (  # two notes
        "55506b",
        [
            ring(7.5, 16.5, 1.8),
            ring(15.5, 15.5, 1.8),
            [(9.3, 16.5), (9.3, 7), (17.3, 6), (17.3, 15.5)],
            [(9.3, 9.5), (17.3, 8.5)],
        ],
    ),
    "threads": ("6b6b6b", [[(6, 8), (18, 8)], [(6, 12), (15, 12)], [(6, 16), (11, 16)]]),
    "rss": (  # waves
        "c2640f",
        [[(7, 17), (7, 17.1)], arc(7, 17, 5, -90, 0), arc(7, 17, 10, -90, 0)],
    ),
    "website": (  # a globe
        "4a6572",
        [
            ring(12, 12, 7),
            [(5, 12), (19, 12)],
            arc(18.5, 12, 9.5, 133, 227),
            arc(5.5, 12, 9.5, -47, 47),
        ],
    ),
}


def distance(x: float, y: float, begin: Point, end: Point) -> float:
    """Give how far a point is from a straight piece of a stroke."""
    dx, dy = end[0] - begin[0], end[1] - begin[1]
    length = dx * dx + dy * dy
    along = ((x - begin[0]) * dx + (y - begin[1]) * dy) / length if length else 0
    along = min(1.0, max(0.0, along))
    return math.hypot(x - begin[0] - along * dx, y - begin[1] - along * dy)


def pixels(name: str) -> bytes:
    """Draw an icon: rows of RGBA, each behind the PNG filter's zero."""
    color, strokes = DRAWINGS[name]
    red, green, blue = bytes.fromhex(color)
    pieces = [pair for stroke in strokes for pair in pairwise(stroke)]
    rows = bytearray()
    for row in range(SIZE):
        rows.append(0)
        for column in range(SIZE):
            x, y = (column + 0.5) / 2, (row + 0.5) / 2
            # Outside the rounded square: how far beyond the corner's circle.
            corner = math.hypot(max(abs(x - 12) - 7, 0), max(abs(y - 12) - 7, 0)) - 5
            alpha = min(1.0, max(0.0, 0.5 - 2 * corner))
            near = min(distance(x, y, *piece) for piece in pieces)
            white = min(1.0, max(0.0, 0.5 - 2 * (near - 1.1)))
            rows += bytes(round(c + (255 - c) * white) for c in (red, green, blue))
            rows.append(round(255 * alpha))
    return bytes(rows)


def png(rows: bytes) -> bytes:
    """Write a PNG file (RFC 2083) of 8-bit RGBA."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return (
            struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))
        )

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


if __name__ == "__main__":
    for icon in DRAWINGS:
        (ICONS / f"{icon}.png").write_bytes(png(pixels(icon)))
