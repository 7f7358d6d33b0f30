"""Palette: one colour per meaning, in every chart, table and page.

The colours are Okabe and Ito's (2008), which colour-blind readers tell apart; each is
legible on white and on black.  Meaning never hangs on colour alone: severities have a
hatch and a marker too, so that a chart survives a black-and-white printer, and `states`
gives what may become of a recipient an icon and a word.
"""

from __future__ import annotations

from typing import Final

GREEN: Final = "#009E73"
SKY: Final = "#56B4E9"
BLUE: Final = "#0072B2"
ORANGE: Final = "#E69F00"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
GREY: Final = "#999999"

# By the first digit of the reply code (RFC 5321 section 4.2.1).
SEVERITY_NAMES: Final = {2: "success", 3: "intermediate", 4: "transient", 5: "permanent"}
SEVERITY_COLORS: Final = {2: GREEN, 3: SKY, 4: ORANGE, 5: VERMILLION}
SEVERITY_HATCHES: Final = {2: "", 3: "...", 4: "///", 5: "xxx"}
SEVERITY_MARKERS: Final = {2: "o", 3: "o", 4: "^", 5: "X"}

# By what became of a recipient; their colours are those of `states`.
OUTCOME_HATCHES: Final = {
    "accepted": "",
    "deferred": "///",
    "rejected": "xxx",
    "failed": "---",
    "in_doubt": "...",
    "suppressed": "|||",
    "bounced": "+++",
    "complaint": "ooo",
    "delivered": "\\\\\\",
}

# Lines of one chart that differ in nothing else, the most unlike first.
LINES: Final = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION)

# What has no good or bad: a distribution.
PLAIN: Final = BLUE
