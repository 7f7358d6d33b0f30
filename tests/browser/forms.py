"""What the tests of all forms look for on a page."""

from __future__ import annotations

from typing import Any

from tests.browser.conftest import LabPage

# Text and controls of the form that a reader cannot read, or not know by a name.
FAULTS = """form => {
    const numbers = color => color.match(/[\\d.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = numbers(color).slice(0, 3).map(value => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = node => {
        for (; node; node = node.parentElement) {
            const color = getComputedStyle(node).backgroundColor;
            if ((numbers(color)[3] ?? 1) > 0.5) return color;
        }
        return "rgb(255, 255, 255)";
    };
    const faults = [];
    for (const node of form.querySelectorAll("*")) {
        if (!node.checkVisibility() || node.disabled) continue;
        const own = Array.from(node.childNodes, child => child.nodeType === 3
            ? child.textContent.trim() : "").join("") || node.value;
        if (own) {
            const [a, b] = [light(getComputedStyle(node).color), light(behind(node))];
            const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
            if (contrast < 4.5)
                faults.push(`contrast ${contrast.toFixed(1)}: ${node.outerHTML}`);
        }
        if (node.matches("input, select, textarea, button, [tabindex]")) {
            const label = node.ariaLabel ?? node.labels?.[0]?.textContent;
            if (!(label || node.matches("button") && node.textContent).trim())
                faults.push(`no name: ${node.outerHTML}`);
        }
    }
    return faults;
}"""
FOCUSED = """() => {
    const node = document.activeElement;
    return node.ariaLabel || node.labels?.[0]?.textContent || node.textContent;
}"""


def form_on(lab: LabPage) -> Any:
    """Give the form on the page, once its scripts have come."""
    lab.page.locator(".smtpbook-form .smtpbook-page").first.wait_for(state="attached")
    return lab.page.locator(".smtpbook-form")


def note_on(form: Any, text: str) -> Any:
    """Give what the form says to who sees it; the same is said aloud in another place."""
    return form.locator(".smtpbook-note", has_text=text)
