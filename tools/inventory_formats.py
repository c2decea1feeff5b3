"""The formats of the concept inventory: a page of the book, a sheet to print, GIFT, a list, a key.

Each function turns the questions of tools/inventory.py into the text of one file. Formulas stand
between dollars in the source. The page leaves them to MathJax, GIFT marks them for the filter of
Moodle, and the sheet, which must not need a script, sets them as HTML.
"""

from __future__ import annotations

import html
import json
import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

FORMS = {"A": "before the course", "B": "after the course"}
"""The two parallel forms, and when a class answers each."""

LETTERS = "abcd"
FORMULA = re.compile(r"\$([^$]+)\$")


@dataclass(frozen=True)
class Misconception:
    """A belief that leads to a wrong option, with the name it has in the teacher's guide."""

    key: str
    name: str
    belief: str


@dataclass(frozen=True)
class Option:
    """An option of a question, and why it is right or wrong. The right one has no misconception."""

    text: str
    why: str
    misconception: Misconception | None

    @property
    def right(self) -> bool:
        return self.misconception is None


@dataclass(frozen=True)
class Question:
    """A question of a form, such as `A07`, with its options in the order of the form."""

    name: str
    concept: str
    chapter: int
    outcome: str
    stem: str
    options: tuple[Option, ...]


@dataclass(frozen=True)
class Inventory:
    """All misconceptions by their keys, and the questions of each form."""

    misconceptions: dict[str, Misconception]
    forms: dict[str, list[Question]]


# The page of the book

INTRODUCTION = r"""# Concept inventory

*Find out which ideas of the course you have understood, and which of them only seem familiar.*

Each question asks about one idea, and each wrong option follows from a common misconception. The
questions need no computer, and no knowledge of this or any other package. The two forms have
{number} questions each. They are parallel: a question and its counterpart differ only in the
situation or in the numbers.

**If you study by yourself,** answer form A on paper before chapter 1, and open no answers. Some
terms will be new to you then, so guess where you have to. After chapter 12, answer form B, then
open the answers here. Each says why the option is right or wrong, and names the misconception
behind a wrong one.

**For a class,** take form A in the first session and form B in the last, without books and without
marks. Allow about 40 minutes for each. The files are below. Show no answers after form A, because
form B asks about the same ideas. If $S_A$ and $S_B$ are the mean scores of the class in per cent,
its *normalised gain* {{footcite:p}}`hake1998` is

$$
\langle g \rangle = \frac{{S_B - S_A}}{{100 - S_A}} ,
$$

the part of the possible improvement that was achieved. It is not defined for $S_A = 100$, and
describes a class: for a single student, {number} questions are too few.

**What is not known.** So far no gain has been measured with this inventory, and nobody has compared
the difficulty of the two forms. If you teach two classes, let one of them take the forms in the
other order. The options that students choose tell you more than the gain about what to teach
next: the [teacher's guide](teaching.md) lists the misconceptions with their questions.

| file | form A, before | form B, after |
| --- | --- | --- |
| a sheet to print, without answers | [form A]({a}.html) | [form B]({b}.html) |
| GIFT, for the question bank of Moodle | [form A]({a}.gift) | [form B]({b}.gift) |
| a QTI 1.2 package, for Canvas | [form A]({a}.zip) | [form B]({b}.zip) |

The last two kinds of file contain the correct options, and feedback for each option; choose in
Moodle or Canvas when students may see it. In Moodle, turn on the MathJax filter, which sets the
formulas. The tests of this project read the files back and compare them with the source, but
no running Moodle or Canvas has imported them so far: try it in an empty course first.
"""


def page(inventory: Inventory, chapters: dict[int, str]) -> str:
    """The page for self-study, in MyST; `chapters` has the address of each chapter."""
    number = len(inventory.forms["A"])
    a, b = (f"_static/inventory/form_{form.lower()}" for form in FORMS)
    parts = [INTRODUCTION.format(number=number, a=a, b=b)]
    for form, questions in inventory.forms.items():
        parts.append(f"## Form {form}: {FORMS[form]}\n")
        parts += [page_question(question, chapters[question.chapter]) for question in questions]
    parts.append("## References\n\n```{footbibliography}\n```\n")
    return "\n".join(parts)


def page_question(question: Question, chapter: str) -> str:
    """A question with its answers to unfold, like the self-checks of the chapters."""
    answers = "".join(
        f'<details class="answer{" right" * option.right}">\n'
        f"<summary>{with_formulas(option.text, _for_mathjax)}</summary>\n\n"
        f"{verdict(option)}\n\n"
        "</details>\n"
        for option in question.options
    )
    return (
        f"**{question.name}. {question.stem}**\n\n{answers}\n"
        f"{question.concept}: [chapter {question.chapter}]({chapter})\n"
    )


def verdict(option: Option) -> str:
    """What a reader finds in an answer: why it is right, or wrong and from which belief."""
    if option.misconception is None:
        return f"Yes. {option.why}"
    return f"{option.why} (Misconception: *{option.misconception.name.rstrip('.')}*.)"


# The list in the teacher's guide


def misconceptions(inventory: Inventory) -> str:
    """A table of the misconceptions with the numbers of their questions, the same in both forms."""
    numbers: dict[str, list[str]] = defaultdict(list)
    for question in inventory.forms["A"]:
        for option in question.options:
            if option.misconception:
                numbers[option.misconception.key].append(str(int(question.name[1:])))
    rows = [
        f"| {entry.name.rstrip('.')} | {entry.belief} | {', '.join(numbers[key])} |\n"
        for key, entry in inventory.misconceptions.items()
    ]
    return "| misconception | what is believed | questions |\n| --- | --- | --- |\n" + "".join(rows)


# GIFT (https://docs.moodle.org/en/GIFT_format)

CONTROL = re.compile(r"([\\~=#{}:])")


def gift(questions: list[Question], form: str) -> str:
    """A form as a GIFT file with a category of its own, and feedback for each option."""
    category = gift_text(f"Concept inventory, form {form}")
    head = (
        "// Concept inventory of Painting with Gradients (CC BY 4.0), "
        f"form {form}: {FORMS[form]}\n\n$CATEGORY: $course$/top/{category}\n\n"
    )
    return head + "\n".join(gift_question(question) for question in questions)


def gift_question(question: Question) -> str:
    """A multiple-choice question in GIFT, whose texts are HTML."""
    options = "".join(
        f"\t{'=' if option.right else '~'}{gift_html(option.text)}#{gift_html(_plain(option))}\n"
        for option in question.options
    )
    title = gift_text(f"{question.name} {question.concept}")
    return f"::{title}::[html]{gift_html(question.stem)}{{\n{options}}}\n"


def _plain(option: Option) -> str:
    """The verdict without the marks of MyST."""
    return verdict(option).replace("*", "")


def gift_html(text: str) -> str:
    """A text of the source as HTML with its formulas marked for MathJax, escaped for GIFT."""
    return gift_text(with_formulas(text, lambda formula: rf"\({formula}\)"))


def gift_text(text: str) -> str:
    """`text` with the control characters of GIFT escaped."""
    return CONTROL.sub(r"\\\1", text)


# For nst-teach class

EXAMPLE = {"s01": 0, "s02": 1, "s03": 2}
"""The invented students of an example, each with a number that the letters depend on."""


def answers(questions: list[Question]) -> str:
    """An example of a file of answers: three invented students, and every column that is needed."""
    rows = [["student", *(question.name for question in questions)]]
    for student, shift in EXAMPLE.items():
        rows.append([student, *(LETTERS[(place * shift) % 4] for place in range(len(questions)))])
    rows[-1][-1] = ""  # a question left open
    return "".join(",".join(row) + "\n" for row in rows)


def key(inventory: Inventory) -> str:
    """The questions as JSON: an option is its text and the key of its misconception, or null."""
    forms = {
        form: [
            {
                "name": question.name,
                "concept": question.concept,
                "chapter": question.chapter,
                "outcome": question.outcome,
                "options": [
                    [option.text, option.misconception.key if option.misconception else None]
                    for option in question.options
                ],
            }
            for question in questions
        ]
        for form, questions in inventory.forms.items()
    }
    names = {key: plain_name(entry.name) for key, entry in inventory.misconceptions.items()}
    data = {"misconceptions": names, "forms": forms}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def plain_name(name: str) -> str:
    """The name of a misconception for a terminal, with the squares of its formulas as letters."""
    plain = name.rstrip(".").replace("^2", "²").replace("$", "")
    if found := re.search(r"[\\^_{}]", plain):
        raise ValueError(f"'{name}' has '{found[0]}', which a terminal cannot show; write it out.")
    return plain


# The sheet

SHEET = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Concept inventory, form {form}</title>
<style>
body {{
  margin: 2rem auto; max-width: 44rem; padding: 0 1rem;
  font: 1rem/1.45 serif; color: #000; background: #fff;
}}
h1 {{ font-size: 1.4rem; }}
ol.questions > li {{ margin-bottom: 1.2rem; break-inside: avoid; }}
ol.options {{ list-style: none; padding-left: 0; margin: 0.4rem 0 0; }}
ol.options > li {{ padding-left: 3.2rem; text-indent: -3.2rem; margin: 0.15rem 0; }}
.box {{ display: inline-block; width: 0.8rem; height: 0.8rem; border: 1px solid #000; }}
.letter {{ display: inline-block; width: 1.8rem; text-indent: 0; margin-left: 0.5rem; }}
@page {{ margin: 18mm; }}
@media print {{ body {{ margin: 0; padding: 0; max-width: none; font-size: 10.5pt; }} }}
</style>
</head>
<body>
<main>
<h1>Concept inventory, form {form}: {when}</h1>
<p>Name or code: ____________________ &nbsp; Date: ____________</p>
<p>Mark one option for each question. Exactly one is right. If you do not know, mark the option
that seems the most plausible.</p>
<ol class="questions">
{questions}</ol>
<p><small>Painting with Gradients. Text under CC BY 4.0.</small></p>
</main>
</body>
</html>
"""


def sheet(questions: list[Question], form: str) -> str:
    """A form to print, without answers: an HTML file that needs no other file and no script."""
    items = "".join(sheet_question(question) for question in questions)
    return SHEET.format(form=form, when=FORMS[form], questions=items)


def sheet_question(question: Question) -> str:
    """A question with a box for each option."""
    options = "".join(
        f'<li><span class="box"></span><span class="letter">{letter})</span>'
        f"{with_formulas(option.text, formula_html)}</li>\n"
        for letter, option in zip(LETTERS, question.options, strict=True)
    )
    stem = with_formulas(question.stem, formula_html)
    return f'<li>{stem}\n<ol class="options">\n{options}</ol>\n</li>\n'


# Formulas


def with_formulas(text: str, as_formula: Callable[[str], str]) -> str:
    """`text` as HTML, with each formula written by `as_formula`."""
    pieces = FORMULA.split(text)
    return "".join(
        as_formula(piece) if number % 2 else html.escape(piece, quote=False)
        for number, piece in enumerate(pieces)
    )


def _for_mathjax(formula: str) -> str:
    """A formula inside HTML, as the pages of the book have it."""
    return rf'<span class="math">\({html.escape(formula)}\)</span>'


SYMBOLS = {r"\tfrac12": "½", r"\sum": "Σ", "-": " − "}
SCRIPTS = {"^": "sup", "_": "sub"}
TOKEN = re.compile(r"\s*(\\tfrac12|\\[A-Za-z]+|[\^_](?:\{[^{}]*\}|.)|[A-Za-z]|\d+|.)")


def formula_html(formula: str) -> str:
    """A simple formula as HTML: letters, numbers, sub- and superscripts, `SYMBOLS`.

    Raises `ValueError` for a command that HTML has no plain form for.
    """
    return "".join(_token_html(token) for token in TOKEN.findall(formula))


def _token_html(token: str) -> str:
    """One symbol of a formula as HTML."""
    if token in SYMBOLS:
        return SYMBOLS[token]
    if token.startswith("\\"):
        raise ValueError(f"the formula's command {token} has no HTML; add it to SYMBOLS.")
    if token[0] in SCRIPTS and len(token) > 1:
        tag = SCRIPTS[token[0]]
        return f"<{tag}>{formula_html(token[1:].strip('{}'))}</{tag}>"
    if token in "=+·":
        return f" {token} "
    return f"<i>{token}</i>" if token.isalpha() else html.escape(token)
