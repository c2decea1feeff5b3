"""What keeps readers from a page: the rules of WCAG 2.2, tried on the page as it is now.

axe-core knows the rules but one: it cannot measure the contrast of text inside drawings.
"""

from __future__ import annotations

import functools
import json

import assets

STANDARD = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa")
"""axe's tags of the rules that every page keeps: all of WCAG 2.2 at the levels A and AA."""

MOST_EXAMPLES = 5  # of one rule: the rest is counted

AXE = """options => axe.run(document, options).then(({violations}) => violations.map(
    ({id, help, nodes}) => ({id, help, count: nodes.length, examples: nodes.map(node => ({
        place: node.target.flat().join(" "),
        reasons: [...node.any, ...node.all, ...node.none].map(check => check.message),
    }))})
))"""

DRAWN_TEXT = """least => {
    const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = element => {
        for (let e = element; e; e = e.parentElement) {
            const [r, g, b, a = 1] = numbers(getComputedStyle(e).backgroundColor);
            if (a === 1) return [r, g, b];
        }
        return [255, 255, 255];
    };
    const contrast = text => {
        const both = [light(numbers(getComputedStyle(text).fill)), light(ground(text))];
        return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    };
    return [...document.querySelectorAll("svg text")]
        .filter(text => text.checkVisibility() && contrast(text) < least)
        .map(text => `"${text.textContent}" has ${contrast(text).toFixed(1)} : 1`);
}"""

LEAST_CONTRAST = 4.5  # of text, WCAG 1.4.3


def faults(tab, standard: tuple[str, ...] = STANDARD) -> list[str]:
    """What WCAG forbids of what the tab shows, one line for each rule that is broken."""
    tab.evaluate(source())
    options = {"runOnly": {"type": "tag", "values": list(standard)}, "resultTypes": ["violations"]}
    faults = [as_line(violation) for violation in tab.evaluate(AXE, options)]
    if faint := tab.evaluate(DRAWN_TEXT, LEAST_CONTRAST):
        faults.append(f"barrier color-contrast ({len(faint)}) in drawings: {faint[:MOST_EXAMPLES]}")
    return faults


def as_line(violation: dict) -> str:
    """A broken rule, how often, and where at first."""
    found = [json.dumps(example) for example in violation["examples"][:MOST_EXAMPLES]]
    return (
        f"barrier {violation['id']} ({violation['count']}): {violation['help']}: {'; '.join(found)}"
    )


@functools.cache
def source() -> str:
    """axe-core, as a script."""
    return (assets.fetch_checks() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
