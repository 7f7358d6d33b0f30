"""Every widget looked at: by axe-core, by the Tab key, in both themes, wide and narrow.

And in JupyterLab, in Notebook 7 and as a page of Voila.  With ``SMTPBOOK_PICTURES`` naming
a folder, a picture of each is kept there for people to look at.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.browser.conftest import JupyterLab, LabPage
from tests.browser.sights import SIGHTS, Sight

pytestmark = pytest.mark.heavy

Axe = Callable[[Any, str], list[str]]
OUTPUTS: Final = ".jp-Cell-outputArea"
THEMES: Final = ("JupyterLab Dark", "JupyterLab Light")
WIDTHS: Final = (1280, 800)
HEIGHT: Final = 2600  # that a widget is seen whole
# Marks what Tab must come by, in the order in which it stands, and says how many there are.
MARK: Final = """output => {
    const all = "a[href], button, input, select, textarea, summary, iframe, [tabindex]";
    const stops = Array.from(output.querySelectorAll(all)).filter(
        node => node.tabIndex >= 0 && !node.disabled && node.checkVisibility()
    );
    stops.forEach((node, at) => { node.dataset.stop = at; });
    return stops.length;
}"""
# Which of them has the focus, and whether that is seen; a frame shows it inside.
STOP: Final = """() => {
    const node = document.activeElement;
    const is_seen = getComputedStyle(node).outlineStyle !== "none";
    return [Number(node.dataset.stop ?? -1), is_seen || node.matches("iframe")];
}"""
THEME: Final = """theme =>
    window.jupyterapp.commands.execute("apputils:change-theme", {theme})
"""
RUN_ALL: Final = """async () => {
    const app = window.jupyterapp;
    await app.started;
    while (!app.shell.currentWidget?.sessionContext)
        await new Promise(done => app.shell.currentChanged.connect(done));
    const panel = app.shell.currentWidget;
    await panel.context.ready;
    await panel.sessionContext.ready;
    await panel.sessionContext.session.kernel.info;
    await app.commands.execute("notebook:run-all-cells");
}"""


def keep_picture(output: Any, name: str) -> None:
    """Keep a picture, if anybody wants to look at it."""
    if folder := os.environ.get("SMTPBOOK_PICTURES"):
        output.screenshot(path=Path(folder) / f"{name}.png")


def stops_by_tab(page: Any, output: Any) -> tuple[int, list[list[Any]]]:
    """Say how many stops there are, and go from the first to the last by Tab."""
    count = output.evaluate(MARK)
    visited = []
    if count:
        output.locator("[data-stop='0']").focus()
    for _ in range(count):
        visited.append(page.evaluate(STOP))
        page.keyboard.press("Tab")
    return count, visited


@pytest.mark.parametrize("sight", SIGHTS, ids=lambda sight: sight.name)
def test_nothing_is_wrong_with_its_looks(lab_page: LabPage, axe: Axe, sight: Sight) -> None:
    page = lab_page.page
    size = page.viewport_size
    lab_page.open(sight.cell)
    output = page.locator(OUTPUTS)
    sight.use(output)
    faults = {}
    try:
        for theme in THEMES:
            lab_page.theme(theme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": HEIGHT})
                faults[theme, width] = axe(page, OUTPUTS)
                keep_picture(output, f"{sight.name}-{theme.split()[1].lower()}-{width}")
        count, visited = stops_by_tab(page, output)
        sight.end(output)
    finally:
        page.set_viewport_size(size)
    assert not any(faults.values()), faults
    assert visited == [[at, True] for at in range(count)]


@pytest.mark.parametrize(
    ("place", "themes"),
    [
        ("notebooks", THEMES),
        # A page of Voila has the theme with which it was made.
        *(("voila/render", (theme,)) for theme in THEMES),
    ],
    ids=["notebook", *(f"voila-{theme.split()[1].lower()}" for theme in THEMES)],
)
def test_every_widget_works_elsewhere(
    jupyterlab: JupyterLab, own_page: Any, axe: Axe, place: str, themes: tuple[str, ...]
) -> None:
    path = jupyterlab.write(*(sight.cell for sight in SIGHTS))
    own_page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHT})
    # Voila's page has ended when its last cell has.
    url = f"{jupyterlab.url(f'{place}/{path.name}')}&theme={themes[0].split()[1].lower()}"
    own_page.goto(url, wait_until="commit")
    if place == "notebooks":
        own_page.wait_for_function("window.jupyterapp !== undefined")
        own_page.evaluate(RUN_ALL)
    outputs = own_page.locator(OUTPUTS)
    outputs.nth(len(SIGHTS) - 1).wait_for(state="attached")
    for number, sight in enumerate(SIGHTS):
        sight.use(outputs.nth(number))
    faults = {}
    for theme in themes:
        if place == "notebooks":
            own_page.evaluate(THEME, theme)
        for width in WIDTHS:
            own_page.set_viewport_size({"width": width, "height": HEIGHT})
            faults[theme, width] = axe(own_page, OUTPUTS)
            seen = f"{place.split('/')[0]}-{theme.split()[1].lower()}-{width}"
            for number, sight in enumerate(SIGHTS):
                keep_picture(outputs.nth(number), f"{sight.name}-{seen}")
    for number, sight in enumerate(SIGHTS):
        sight.end(outputs.nth(number))
    assert own_page.locator("[data-mime-type$=stderr]").all_inner_texts() == []
    assert not any(faults.values()), faults
