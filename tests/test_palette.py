"""The colours, seen by readers who see fewer of them, and by a black-and-white printer."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from smtpbook.events import OUTCOMES
from smtpbook.palette import (
    LINES,
    OUTCOME_HATCHES,
    SEVERITY_COLORS,
    SEVERITY_HATCHES,
    SEVERITY_MARKERS,
)
from smtpbook.states import STATES

# Machado, Oliveira and Fernandes (2009), A physiologically-based model for simulation of
# color vision deficiency, severity 1.0; they are for linear RGB.
SIGHTS = {
    "all": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(  # sRGB, IEC 61966-2-1
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
CLEAR = 15.0  # 2.3 is just noticed, in CIELAB
WHITE = TO_XYZ @ np.ones(3)


def linear(color: str) -> np.ndarray:
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(color: str, sight: str) -> np.ndarray:
    """CIELAB of a colour as it is seen: distances are about what the eye tells apart."""
    seen = np.clip(SIGHTS[sight] @ linear(color), 0, 1)
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ seen / WHITE, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def nearest(colors: list[str], sight: str) -> float:
    pairs = itertools.combinations(colors, 2)
    return min(float(np.linalg.norm(lab(a, sight) - lab(b, sight))) for a, b in pairs)


@pytest.mark.parametrize("sight", SIGHTS)
def test_severities_are_told_apart_by_every_eye(sight: str) -> None:
    assert nearest(list(SEVERITY_COLORS.values()), sight) > CLEAR


@pytest.mark.parametrize("sight", SIGHTS)
def test_lines_of_one_chart_are_told_apart_by_every_eye(sight: str) -> None:
    assert nearest(list(LINES), sight) > CLEAR


@pytest.mark.parametrize("paper", ["#ffffff", "#16181b"])
def test_every_colour_stands_out_on_light_and_dark_paper(paper: str) -> None:
    for color in {*SEVERITY_COLORS.values(), *LINES, *(s.color for s in STATES.values())}:
        light, dark = sorted((TO_XYZ @ linear(c))[1] for c in (color, paper))[::-1]
        assert (light + 0.05) / (dark + 0.05) > 2  # WCAG's contrast ratio


def test_in_greyscale_severities_and_outcomes_differ_in_hatch_or_marker() -> None:
    assert len(set(SEVERITY_HATCHES.values())) == 4
    assert len({*SEVERITY_MARKERS.values()}) >= 3
    assert set(OUTCOME_HATCHES) == set(OUTCOMES)
    assert len(set(OUTCOME_HATCHES.values())) == len(OUTCOMES)
