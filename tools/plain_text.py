"""Read MyST text: where its directives, roles, targets and comments are, as markdown-it sees them.

Code and formulas may look like any of these; the parser of the book's own language tells them
apart. Everything is found by its place in the text, so that `rewritten` can replace it and leave
the rest as its author typed it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.colon_fence import colon_fence_plugin
from mdit_py_plugins.deflist import deflist_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.myst_blocks import myst_block_plugin

DIRECTIVE = re.compile(r"^\{(?P<name>[^}]+)\}\s*(?P<argument>.*)$")
OPTION = re.compile(r"^:(?P<name>[\w-]+):\s*(?P<value>.*)$")
ROLE = re.compile(
    r"\{(?P<name>[a-zA-Z][\w:+-]*)\}(?P<ticks>`+)(?P<content>.+?)(?<!`)(?P=ticks)(?!`)", re.S
)

FENCES = {"fence", "colon_fence"}

VERBATIM = {"eval-rst", "code-block", "code-cell", "math", "raw"}
"""Directives whose content is not MyST."""

REFUSED = {
    "dl_open": "a list of definitions; write a list with bold terms",
    "footnote_block_open": "a footnote; write a sentence, or cite a work",
    "math_block_label": "a label on a formula; say in words which formula you mean",
    "myst_target": "a target; link to the page, or to a figure by its name",
}
"""What a notebook has no plain form for: the parser's name of it, and what to write instead."""


class PlainError(ValueError):
    """Text that has no plain form; the message says what it is and what to write instead."""


@dataclass(frozen=True)
class Span:
    """A part of a text, from one offset to another."""

    start: int
    end: int


@dataclass(frozen=True)
class Role(Span):
    """`{name}`content`` in running text."""

    name: str
    content: str


@dataclass(frozen=True)
class Directive(Span):
    """A fence such as `:::{name} argument`, with its options and the text in it."""

    name: str
    argument: str
    options: dict[str, str]
    body: str


def parser() -> MarkdownIt:
    """A parser of the language in which the sources are written (see `parse` in _config.yml)."""
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for plugin in (colon_fence_plugin, deflist_plugin, footnote_plugin, myst_block_plugin):
        markdown.use(plugin)
    markdown.use(dollarmath_plugin, allow_labels=True, double_inline=False).use(amsmath_plugin)
    markdown.inline.ruler.before("backticks", "role", _read_role)
    return markdown


def _read_role(state: StateInline, silent: bool) -> bool:
    """A rule of the parser: a role, with its place in the text of its block."""
    if not (found := ROLE.match(state.src, state.pos)):
        return False
    if not silent:
        token = state.push("role", "", 0)
        token.meta = {"found": found}
    state.pos = found.end()
    return True


PARSER = parser()


@functools.lru_cache(maxsize=64)
def tokens(text: str) -> list[Token]:
    """The blocks of `text`. Raises `PlainError` for what has no plain form."""
    found = PARSER.parse(text)
    for token in found:
        if token.type in REFUSED:
            raise PlainError(f"'{line_of(text, token)}' is {REFUSED[token.type]}")
    return found


def line_of(text: str, token: Token) -> str:
    """The first line of a block, for messages."""
    return text.splitlines()[token.map[0]].strip() if token.map else token.content


def line_starts(text: str) -> list[int]:
    """The offset of each line, and of the end of the text."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts


def directives(text: str) -> Iterator[Directive]:
    """The directives of `text`, in order, not those inside of another one."""
    starts = line_starts(text)
    for token in tokens(text):
        if token.type in FENCES and (found := DIRECTIVE.match(token.info.strip())):
            if token.level:
                raise PlainError(
                    f"'{token.info.strip()}' is inside a list or quotation; move it out"
                )
            options, body = split_options(token.content)
            start, end = (starts[line] for line in token.map)
            yield Directive(start, end, found["name"], found["argument"], options, body)


def split_options(content: str) -> tuple[dict[str, str], str]:
    """The options `:name: value` at the head of a directive's content, and what comes after."""
    lines = content.splitlines()
    head = 0
    while head < len(lines) and OPTION.match(lines[head]):
        head += 1
    options = {found["name"]: found["value"] for found in map(OPTION.match, lines[:head])}
    return options, "\n".join(lines[head:]).strip("\n")


def all_directives(text: str) -> Iterator[Directive]:
    """The directives of `text` in the order in which a reader meets them, nested ones too."""
    for directive in directives(text):
        yield directive
        if directive.name not in VERBATIM:
            yield from all_directives(directive.body)


def roles(text: str) -> Iterator[Role]:
    """The roles in the running text of `text`, in order."""
    starts, lines = line_starts(text), text.splitlines()
    seen: dict[int, int] = {}  # how far a line has been read: the cells of a table share one
    for token in tokens(text):
        if token.type != "inline":
            continue
        offsets = _offsets(token, starts, lines, seen)
        for child in _with_children(token.children or ()):
            if child.type == "role":
                found = child.meta["found"]
                start, last = offsets[found.start()], offsets[found.end() - 1]
                yield Role(start, last + 1, found["name"], " ".join(found["content"].split()))


def _with_children(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _with_children(token.children or ())


def _offsets(token: Token, starts: list[int], lines: list[str], seen: dict[int, int]) -> list[int]:
    """For each character of a block's text, its offset in the whole."""
    offsets: list[int] = []
    for number, line in enumerate(token.content.split("\n"), start=token.map[0]):
        column = lines[number].find(line, seen.get(number, 0))
        if column < 0:  # an escaped bar in a table: its text is not what was typed
            column = seen.get(number, 0)
        seen[number] = column + len(line)
        offsets += range(starts[number] + column, starts[number] + column + len(line) + 1)
    return offsets


def comments(text: str) -> Iterator[Span]:
    """The lines that begin with `%`: notes among authors."""
    starts = line_starts(text)
    for token in tokens(text):
        if token.type == "myst_line_comment":
            yield Span(*(starts[line] for line in token.map))


def rewritten(text: str, edits: Iterable[tuple[Span, str]]) -> str:
    """`text` with each of these spans replaced; none may lie in another one."""
    for span, replacement in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        text = text[: span.start] + replacement + text[span.end :]
    return text
