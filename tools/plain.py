"""Plain notebooks: converts MyST to Markdown that every front end can show, without extensions.

The book supports MyST. JupyterLab, Notebook, VS Code and Colab support CommonMark and some HTML,
and would show everything else as source text. The notebooks therefore use only what all of them
can show: block quotes, pictures within the text, "Fig. 8.3" with a link, authors and years.

An unknown directive or role is an error that names it: add its plain form below.
"""

from __future__ import annotations

import posixpath
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import plain_numbers
import plain_pictures
import plain_text
import yaml
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell
from plain_citations import Bibliography
from plain_text import Directive, PlainError, Role

Cells = list[NotebookNode]

FOLDED = {"hide-input", "remove-cell"}

TITLES = ("note", "tip", "hint", "important", "warning", "caution", "danger", "seealso")
"""Admonitions whose name is their title."""

REFERENCE = re.compile(r"^(?P<text>.+?)\s*<(?P<target>[^<>]+)>$", re.S)
"""The target of a role with explicit text: `the swirls <fig-gram-night>`."""

HEADING = re.compile(r"^# +(?=\S)", re.M)
RST_ENTRY = re.compile(r"^\.\. (?=[\w:]+:: )", re.M)

LISTED = "Documented in the book; here, `help` shows the text of each:"
WITHOUT_TIMES = "*The book lists here how long each page took to run when it was built.*"


@dataclass(frozen=True)
class Book:
    """What a page needs to know about the others: chapter numbers, figures, cited works."""

    root: Path
    chapters: Mapping[str, int]
    figures: Mapping[str, plain_numbers.Figure]
    works: Bibliography

    @classmethod
    def read(cls, root: Path, pages: Mapping[str, Cells]) -> Book:
        """The book in a folder; `pages` are its sources' cells, by their names in `_toc.yml`."""
        toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
        chapters = plain_numbers.chapters(toc)
        figures = plain_numbers.figures(pages, chapters)
        return cls(root, chapters, figures, Bibliography.read(root / "book" / "references.bib"))


def plain_cells(cells: Cells, book: Book, page: str) -> Cells:
    """The cells of a page in plain Markdown; `page` is its name, such as `book/chapters/intro`.

    Raises:
        PlainError: the page holds something that has no plain form.
    """
    return Page(book, page).cells(cells)


@dataclass
class Page:
    """The conversion of one page to plain Markdown."""

    book: Book
    name: str
    cited: dict[str, None] = field(default_factory=dict)  # keys, in the order of their first use
    pictures: dict[str, str] = field(default_factory=dict)  # of one cell: name and address

    def cells(self, cells: Cells) -> Cells:
        """The cells in plain Markdown, each figure's caption in a cell behind it."""
        done: Cells = []
        for cell in cells:
            if cell.cell_type == "markdown":
                done.append(_with(cell, source=self.text_cell(cell.source)))
            else:
                done += self.code_cell(cell, done[-1] if done else None)
        self._number_title(done)
        return done

    def text_cell(self, source: str) -> str:
        """A whole cell of text, with the bytes of its pictures at the end."""
        self.pictures = {}
        text = self.text(source)
        ends = [f"[{name}]: {address}" for name, address in self.pictures.items()]
        return "\n\n".join([text, "\n".join(ends)]) if ends else text

    def code_cell(self, cell: NotebookNode, before: NotebookNode | None) -> Cells:
        """A cell of code, then its figure's caption. The anchor is above both where it can be."""
        figure, name = plain_numbers.figure_of(cell), plain_numbers.figure_of(cell).get("name")
        code = _with(cell, metadata=NotebookNode(folded(cell.metadata.get("tags", []))))
        if "caption" not in figure:
            return [code]
        caption = self.caption(name, figure["caption"])
        if is_text(before):
            before.source += f"\n\n{anchor(name)}"
        else:
            caption = anchor(name) + caption
        return [code, new_markdown_cell(self.text_cell(caption))]

    def text(self, source: str) -> str:
        """Markdown without MyST."""
        blocks = list(plain_text.directives(source))
        roles = [role for role in plain_text.roles(source) if not _within(role, blocks)]
        # In the order of the text, in which works are cited and then listed.
        found = sorted([*blocks, *roles, *plain_text.comments(source)], key=lambda span: span.start)
        edits = [(span, self.plain_form(span)) for span in found]
        return plain_text.rewritten(source, edits).rstrip()

    def plain_form(self, span: plain_text.Span) -> str:
        """The replacement for a directive, a role or a comment."""
        match span:
            case Directive():
                return f"{self.block(span)}\n"
            case Role():
                return self.inline(span)
        return ""

    def block(self, directive: Directive) -> str:
        """The plain form of a directive."""
        if directive.name not in BLOCKS:
            raise PlainError(f"the directive '{directive.name}' has no plain form; {KNOWN}")
        return BLOCKS[directive.name](self, directive)

    def inline(self, role: Role) -> str:
        """The plain form of a role."""
        if role.name not in ROLES:
            raise PlainError(f"the role '{role.name}' has no plain form; {KNOWN}")
        return ROLES[role.name](self, role.content)

    # Directives

    def quotation(self, directive: Directive) -> str:
        """An admonition: a block quote under its title."""
        title = directive.argument or directive.name.capitalize().replace("Seealso", "See also")
        return quoted(f"**{self.text(title)}**\n\n{self.text(directive.body)}")

    def folded(self, directive: Directive) -> str:
        """A text to be unfolded."""
        inside = self.text(directive.body)
        return f"<details>\n<summary>{directive.argument}</summary>\n\n{inside}\n\n</details>"

    def picture(self, directive: Directive) -> str:
        """A picture, kept in the notebook itself, and its caption."""
        if not (words := directive.options.get("alt", "").strip()):
            raise PlainError(f"the figure '{directive.argument}' has no alternative text")
        place = posixpath.join(posixpath.dirname(self.name), directive.argument)
        file = self.book.root / posixpath.normpath(place)
        name = directive.options.get("name")
        self.pictures[file.stem] = plain_pictures.address(file)
        caption = self.text(self.caption(name, directive.body))
        return f"{anchor(name)}![{words}][{file.stem}]\n\n{caption}"

    def works(self, _: Directive) -> str:
        """The works that the page has cited so far."""
        return self.book.works.listed(self.cited)

    def documented(self, directive: Directive) -> str:
        """The names of what the book documents here."""
        entries = RST_ENTRY.split(directive.body)[1:]
        head = [LISTED, ""] if any(entry.startswith("auto") for entry in entries) else []
        return "\n".join([*head, *map(documented_name, entries)])

    def times(self, _: Directive) -> str:
        """A sentence instead of a table that exists only in the book."""
        return WITHOUT_TIMES

    # Roles

    def numbered(self, content: str) -> str:
        """`Fig. 8.3`, or the author's text with the number, linked to the figure."""
        found = REFERENCE.match(content)
        label, words = (found["target"], found["text"]) if found else (content, "Fig. %s")
        if label not in self.book.figures:
            raise PlainError(f"no figure has the name '{label}'")
        figure = self.book.figures[label]
        words = words.replace("%s", figure.number).replace("{number}", figure.number)
        return f"[{words}]({self.way_to(figure.page)}#{label})"

    def cited_in_brackets(self, content: str) -> str:
        """Authors and years in brackets."""
        return self.book.works.in_brackets(self._cite(content))

    def cited_in_text(self, content: str) -> str:
        """Authors, and the year in brackets."""
        return self.book.works.in_text(self._cite(content))

    def term(self, content: str) -> str:
        """A word of the glossary."""
        found = REFERENCE.match(content)
        return found["text"] if found else content

    def _cite(self, content: str) -> list[str]:
        keys = [key.strip() for key in content.split(",")]
        self.cited |= dict.fromkeys(keys)
        return keys

    # Helpers

    def caption(self, name: str | None, words: str) -> str:
        """A caption under its number. Sphinx counts every caption, so each figure needs a name."""
        if name is None:
            raise PlainError(f"the figure '{words.strip()[:40]}' has no name to be counted by")
        return f"**Fig. {self.book.figures[name].number}.** {words.strip()}".rstrip()

    def way_to(self, page: str) -> str:
        """The address of another page's notebook, seen from here; nothing for this page."""
        if page == self.name:
            return ""
        return f"{posixpath.relpath(page, posixpath.dirname(self.name))}.ipynb"

    def _number_title(self, cells: Cells) -> None:
        number = self.book.chapters.get(self.name)
        if number is not None and cells and cells[0].cell_type == "markdown":
            cells[0].source = HEADING.sub(f"# {number}. ", cells[0].source, count=1)


BLOCKS: dict[str, Callable[[Page, Directive], str]] = {
    **dict.fromkeys(("admonition", *TITLES), Page.quotation),
    "dropdown": Page.folded,
    "figure": Page.picture,
    "footbibliography": Page.works,
    "eval-rst": Page.documented,
    "nb-exec-table": Page.times,
}
"""The directives that sources may use, and the conversion of each."""

ROLES: dict[str, Callable[[Page, str], str]] = {
    "numref": Page.numbered,
    "footcite:p": Page.cited_in_brackets,
    "footcite:t": Page.cited_in_text,
    "term": Page.term,
}
"""The roles that sources may use, and the conversion of each."""

KNOWN = "write it another way, or give it one in BLOCKS or ROLES of tools/plain.py"


def folded(tags: list[str]) -> dict[str, object]:
    """The metadata of a cell with these tags. Code that the book folds or leaves out is folded
    by JupyterLab and Notebook, too, and still runs."""
    metadata: dict[str, object] = {"tags": tags} if tags else {}
    if FOLDED & set(tags):
        metadata["jupyter"] = {"source_hidden": True}
    return metadata


def anchor(name: str) -> str:
    """A link target. Colab uses `name`, the others use `id`."""
    return f'<a id="{name}" name="{name}"></a>'


def documented_name(entry: str) -> str:
    """An item of a list: a name, and what the source itself says of it."""
    head, _, rest = entry.partition("\n")
    name = re.match(r"[\w.]+", head.partition(":: ")[2])[0]
    options, text = plain_text.split_options(textwrap.dedent(rest))
    kind = options.get("canonical") or options.get("type")
    words = [f"`{name}`", f"`{kind}`" if kind else "", " ".join(text.split())]
    return f"- {': '.join(filter(None, words))}"


def is_text(cell: NotebookNode | None) -> bool:
    """Whether a cell is text to which a line can be added."""
    return cell is not None and cell.cell_type == "markdown" and not cell.metadata.get("tags")


def quoted(text: str) -> str:
    """`text` as a block quote."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _within(role: Role, blocks: list[Directive]) -> bool:
    return any(block.start <= role.start < block.end for block in blocks)


def _with(cell: NotebookNode, **changes: object) -> NotebookNode:
    return NotebookNode({**cell, **changes})
