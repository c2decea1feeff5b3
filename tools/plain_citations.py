"""Citations in plain words: author, year and address, from the book's bibliography."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import plain_text
from pybtex.backends import markdown
from pybtex.database import BibliographyData, Entry, parse_file
from pybtex.richtext import Text
from pybtex.style.formatting import unsrt

MANY = 3
"""Authors from which on only the first is named."""


class Backend(markdown.Backend):
    """Markdown for people: only what Markdown would take for a mark is escaped."""

    def format_str(self, text: str) -> str:
        """The text with its marks escaped."""
        for mark in "\\`*_[]<":
            text = text.replace(mark, "\\" + mark)
        return text


class Bibliography:
    """The works that pages cite, by their keys."""

    def __init__(self, works: BibliographyData) -> None:
        self.works = works

    @classmethod
    def read(cls, path: Path) -> Bibliography:
        """The bibliography in a BibTeX file."""
        return cls(parse_file(path))

    def entry(self, key: str) -> Entry:
        """The entry of a work. Raises `PlainError` for a key that is not there."""
        if key not in self.works.entries:
            raise plain_text.PlainError(f"'{key}' is not in the bibliography")
        return self.works.entries[key]

    def in_brackets(self, keys: Iterable[str]) -> str:
        """`(Gatys et al., 2016; Li et al., 2017)`, each a link."""
        cited = (linked(f"{authors(e)}, {e.fields['year']}", e) for e in map(self.entry, keys))
        return f"({'; '.join(cited)})"

    def in_text(self, keys: Iterable[str]) -> str:
        """`Gatys et al. (2016)`, each a link."""
        cited = [linked(f"{authors(e)} ({e.fields['year']})", e) for e in map(self.entry, keys)]
        return " and ".join(filter(None, [", ".join(cited[:-1]), cited[-1]]))

    def listed(self, keys: Iterable[str]) -> str:
        """A list of these works, as the book words it, in this order."""
        style, backend = unsrt.Style(), Backend()
        found = [style.format_entry("", self.entry(key)) for key in keys]
        return "\n".join(f"- {' '.join(work.text.render(backend).split())}" for work in found)


def authors(entry: Entry) -> str:
    """The family names of a work's authors, or of the first."""
    people = entry.persons.get("author") or entry.persons.get("editor") or []
    latex = [" ".join([*person.prelast_names, *person.last_names]) for person in people]
    names = [str(Text.from_latex(name)) for name in latex]
    return f"{names[0]} et al." if len(names) >= MANY else " and ".join(names)


def linked(text: str, entry: Entry) -> str:
    """`text` as a link to the work, where the entry gives an address."""
    address = entry.fields.get("url", "")
    if "doi" in entry.fields:
        address = f"https://doi.org/{entry.fields['doi']}"
    address = f"<{address}>" if set(address) & set("()") else address
    return f"[{text}]({address})" if address else text
