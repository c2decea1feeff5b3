"""The page by keyboard: whether Tab reaches all that can be used, in order, and shows where it is.

WCAG 2.2 asks for it: 2.1.1 (all works by keyboard), 2.1.2 (no trap), 2.4.3 (order), 2.4.7 (the
focus can be seen) and 2.4.11 (nothing covers it). axe-core knows none of them, since it presses no
keys.
"""

from __future__ import annotations

WALK = """() => {
    const wanted = `a[href], area[href], button, input, select, textarea, summary, audio[controls],
        video[controls], [contenteditable="true"], [tabindex]`;
    const shown = e => e.checkVisibility({visibilityProperty: true}) && e.getClientRects().length
        && !e.closest("[inert]");
    const inRadioGroup = e => e.type === "radio" && !e.checked
        && document.querySelector(`input[type=radio][name="${e.name}"]:checked`);
    const usable = e => e.matches(wanted) && e.tabIndex >= 0 && !e.disabled && shown(e)
        && !inRadioGroup(e);
    const name = e => `${e.outerHTML.replace(/\\s+/g, " ").slice(0, 120)}`;
    const look = e => {
        const style = getComputedStyle(e);
        const outline = style.outlineStyle === "none" || parseFloat(style.outlineWidth) === 0
            ? "" : `${style.outlineStyle} ${style.outlineWidth} ${style.outlineColor}`;
        return [outline, style.boxShadow, style.borderColor, style.backgroundColor, style.color,
            style.textDecorationLine].join("; ");
    };
    const covered = e => {
        const inside = [...e.getClientRects()].flatMap(r => {
            const [left, right] = [Math.max(r.left, 0), Math.min(r.right, innerWidth)];
            const [top, bottom] = [Math.max(r.top, 0), Math.min(r.bottom, innerHeight)];
            return left < right && top < bottom ? [0.1, 0.5, 0.9].map(
                share => [left + share * (right - left), (top + bottom) / 2]
            ) : [];
        });
        return !inside.some(([x, y]) => {
            const top = document.elementFromPoint(x, y);
            return top && (e.contains(top) || top.contains(e));
        });
    };
    const walk = window.walk = {reached: [], faults: new Set(), expected: []};
    walk.expected = [...document.querySelectorAll("*")].filter(usable);
    walk.plain = new Map(walk.expected.map(e => [e, look(e)]));
    document.activeElement.blur();
    addEventListener("keydown", event => {
        const e = document.activeElement;
        if (event.key !== "Tab" || !walk.plain || e === document.body) return;
        if (walk.plain.get(e) === look(e)) walk.faults.add(`focus is not seen: ${name(e)}`);
        if (covered(e)) walk.faults.add(`focus is covered: ${name(e)}`);
    }, true);
    addEventListener("focusin", event => walk.reached.push(event.target), true);
    walk.done = () => walk.reached.indexOf(walk.reached.at(-1)) < walk.reached.length - 1;
    walk.result = () => {
        const order = [...new Set(walk.reached)], seen = new Set(order);
        for (const e of walk.expected)
            if (!seen.has(e) && usable(e)) walk.faults.add(`Tab does not reach: ${name(e)}`);
        for (let i = 1; i < order.length; i++)
            if (order[i].compareDocumentPosition(order[i - 1]) & Node.DOCUMENT_POSITION_FOLLOWING)
                walk.faults.add(`out of order: ${name(order[i])}`);
        if (!walk.done()) walk.faults.add(`Tab never comes round: ${name(order.at(-1))}`);
        for (const e of document.body.querySelectorAll("*"))
            if (getComputedStyle(e).cursor === "pointer" && shown(e)
                && !e.closest(`${wanted}, label`))
                walk.faults.add(`for the mouse only: ${name(e)}`);
        walk.plain = null;
        return {faults: [...walk.faults], count: order.length};
    };
    return walk.expected.length;
}"""
"""Prepares a walk through the page: what is to be reached, and what to look at on each press."""

SPARE = 12  # presses: what scrolls takes the focus as well


def faults(tab) -> list[str]:
    """Walk through the page as it is now with Tab, and return what a keyboard cannot do there."""
    expected = tab.evaluate(WALK)
    for _ in range(expected + SPARE):
        tab.keyboard.press("Tab")
    for _ in range(expected):
        if tab.evaluate("walk.done()"):
            break
        tab.keyboard.press("Tab")
    return tab.evaluate("walk.result().faults")
