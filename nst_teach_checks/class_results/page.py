"""The summary of a class as one HTML file: no script, no other file, light and dark, for print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from string import Template

from nst_teach_checks.class_results import words
from nst_teach_checks.class_results.statistics import Count
from nst_teach_checks.class_results.summary import ENOUGH, MisconceptionResult, Summary

MOST = 12
"""Misconceptions that are shown without unfolding."""

_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What the class has learned</title>
<style>
:root { color-scheme: light dark; --ink: #1d2329; --paper: #fff; --line: #c9ced4;
  --soft: #f2f4f6; --quiet: #555e68; --before: #8a5a00; --after: #1f5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --paper: #15191d; --line: #434b54;
  --soft: #20262c; --quiet: #aab3bd; --before: #e0a84a; --after: #7db4f0; } }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1rem 3rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
p, li { max-width: 46rem; }
.note { color: var(--quiet); font-size: .92rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .94rem; }
caption { text-align: left; color: var(--quiet); padding-bottom: .4rem;
  max-width: min(46rem, calc(100vw - 2rem)); }
li { margin-bottom: .35rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem .3rem 0;
  border-bottom: 1px solid var(--line); }
td.count { white-space: nowrap; font-variant-numeric: tabular-nums; }
th small, td small { color: var(--quiet); white-space: nowrap; }
tbody th { font-weight: normal; min-width: 12rem; }
td.missed { min-width: 15rem; }
.gain { max-width: 46rem; }
.gain td { font-variant-numeric: tabular-nums; }
.track { display: block; position: relative; width: 9rem; height: 1.5rem;
  background: linear-gradient(var(--line), var(--line)) 0 50% / 100% 1px no-repeat; }
.track span { position: absolute; box-sizing: border-box; }
.track .range { top: .55rem; height: .4rem; background: var(--after); opacity: .35;
  border-radius: .2rem; }
.track .dot { top: .4rem; width: .7rem; height: .7rem; margin-left: -.35rem; border-radius: 50%; }
.track .before { border: .15rem solid var(--before); background: var(--paper); }
.track .after { background: var(--after); }
.track .enough { top: 0; height: 100%; border-left: 1px dashed var(--quiet); }
.key .track { display: inline-block; vertical-align: middle; width: 1.2rem; background: none; }
summary { cursor: pointer; margin: .8rem 0; }
@media print { body { max-width: none; font-size: 10pt; } .wide { overflow: visible; }
  tr { break-inside: avoid; } }
</style>
</head>
<body>
<main>
<h1>What the class has learned</h1>
$body
</main>
</body>
</html>
""")


def page(summary: Summary) -> str:
    """The page of a class."""
    return _PAGE.substitute(body="\n".join(_parts(summary)))


def _parts(summary: Summary) -> Iterator[str]:
    yield _paragraph(words.who(summary))
    answered = any(summary.forms.values())
    if rows := words.gains(summary):
        body = "".join(f'<tr><th scope="row">{escape(n)}</th><td>{v}</td></tr>' for n, v in rows)
        caption = "Scores, and normalised gain: the part of what was missing that was gained"
        yield f'<table class="gain"><caption>{caption}</caption><tbody>{body}</tbody></table>'
        yield _paragraph(words.judged(summary))
    yield "<h2>What to repeat next</h2>"
    yield _paragraph(words.RULE, "note")
    yield _repeat(summary)
    if answered:
        yield "<h2>Questions</h2>"
        yield _KEY
        yield _questions(summary)
        yield "<h2>Misconceptions</h2>"
        yield _misconceptions(summary)
    if summary.tasks:
        yield "<h2>Tasks of the exercises</h2>"
        yield _tasks(summary)
    yield "<h2>How to read the numbers</h2>"
    notes = (words.INTERVALS, words.FORMS, words.ATTEMPTS, words.PRIVACY)
    yield from (_paragraph(note, "note") for note in notes)


_KEY = """\
<p class="note key">
<span class="track" aria-hidden="true"><span class="dot before" style="left:50%"></span></span>
before,
<span class="track" aria-hidden="true"><span class="range" style="left:0;width:100%"></span>\
<span class="dot after" style="left:50%"></span></span>
after with its interval, from 0 to 100 %; the dashed line is at two thirds. The numbers are in
the table.</p>"""


def _repeat(summary: Summary) -> str:
    items = [
        f"<li>Chapter {q.chapter}: {escape(q.outcome)}<br>"
        f"<small>{escape(words.repeat(q))}</small></li>"
        for q in summary.to_repeat
    ]
    items += [
        f"<li>Task {escape(t.task)}: {escape(t.title)}<br>"
        f"<small>passed by {words.share(t.passed)}</small></li>"
        for t in summary.tasks_to_repeat
    ]
    return f"<ol>{''.join(items)}</ol>" if items else _paragraph(words.nothing(summary))


def _questions(summary: Summary) -> str:
    last = "after" if any(q.after for q in summary.questions) else "before"
    instead = f"Chosen instead, {last}"
    head = ("Question", "From 0 to 100 %", "Right before", "Right after", instead)
    rows = (
        _row(
            f"{q.number}. {escape(q.concept)} <small>chapter {q.chapter}</small>",
            _track(q.before, q.after),
            _count(q.before),
            _count(q.after),
            _missed(words.tally(q.missed_after if q.after else q.missed_before)),
        )
        for q in summary.questions
    )
    caption = "Students who had a question right, with the 95 % interval of the proportion"
    return _table(caption, head, rows)


def _misconceptions(summary: Summary) -> str:
    """The most frequent ones; the others can be unfolded."""
    caption = (
        "Students who chose an option that follows from it at least once in a form; a guess is "
        "counted, too. Given up: before only. Taken up: after only."
    )
    first, rest = summary.misconceptions[:MOST], summary.misconceptions[MOST:]
    shown = _held(caption, first)
    if not rest:
        return shown
    title = f"{len(rest)} less frequent ones"
    return f"{shown}<details><summary>{title}</summary>{_held('The others', rest)}</details>"


def _held(caption: str, entries: Iterable[MisconceptionResult]) -> str:
    head = ("Misconception", "Before", "After", "Given up", "Taken up", "Questions")
    rows = (
        _row(
            escape(m.name),
            _count(m.before),
            _count(m.after),
            f'<td class="count">{m.given_up}</td>',
            f'<td class="count">{m.taken_up}</td>',
            f'<td class="count">{", ".join(map(str, m.questions))}</td>',
        )
        for m in entries
    )
    return _table(caption, head, rows)


def _tasks(summary: Summary) -> str:
    head = ("Task", "Passed", "Tried", "Attempts, median", "Mistakes, by students")
    rows = (
        _row(
            f"{escape(t.title)} <small>{escape(t.task)}</small>",
            _count(t.passed),
            f'<td class="count">{words.short(t.tried)}</td>',
            f'<td class="count">{words.attempts(t)}</td>',
            _missed(words.mistakes(t)),
        )
        for t in summary.tasks
    )
    caption = f"From the reports of {words.students(summary.reporting)}"
    return _table(caption, head, rows)


def _table(caption: str, head: Iterable[str], rows: Iterable[str]) -> str:
    """A table that scrolls by itself where it is too wide, also by the keyboard."""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    name = escape(caption.partition(";")[0])
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{name}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{titles}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(title: str, *cells: str) -> str:
    return f'<tr><th scope="row">{title}</th>{"".join(cells)}</tr>\n'


def _count(count: Count | None) -> str:
    interval = f"<br><small>{words.reach(count)}</small>" if count else ""
    return f'<td class="count">{words.short(count)}{interval}</td>'


def _missed(text: str) -> str:
    return f'<td class="missed">{escape(text) or "–"}</td>'


def _track(before: Count | None, after: Count | None) -> str:
    """Both proportions on a line from 0 to 100 %; the cells beside it say the same in numbers."""
    marks = [f'<span class="enough" style="left:{ENOUGH:.1%}"></span>']
    if after:
        width = after.interval.high - after.interval.low
        style = f"left:{after.interval.low:.1%};width:{width:.1%}"
        marks.append(f'<span class="range" style="{style}"></span>')
    if before:
        marks.append(f'<span class="dot before" style="left:{before.share:.1%}"></span>')
    if after:
        marks.append(f'<span class="dot after" style="left:{after.share:.1%}"></span>')
    return f'<td><span class="track" aria-hidden="true">{"".join(marks)}</span></td>'


def _paragraph(text: str, kind: str = "") -> str:
    if not text:
        return ""
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"
