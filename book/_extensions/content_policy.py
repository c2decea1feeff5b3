"""Sphinx extension: tell the browser what a page may load and run, and to refuse everything else.

Each page gets a Content-Security-Policy, in a `<meta>` element, because a static host lets nobody
choose its headers. Nothing that gets into a page later can run a script of its own, and no script
can load anything from another site, or send a reader's picture there; a link that is followed is
the one way out, which no policy can close. Inline scripts are named by their hashes, which are
computed from the page as it is written. What only a header can say is in tools/serve.py.
"""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.errors import ExtensionError
from sphinx.jinja2glue import BuiltinTemplateLoader

ALLOWED = {
    "default-src": "'self'",  # Firefox also fetches the next chapter ahead, for which no other is
    "script-src": "'self'",
    # MathJax and Font Awesome add style sheets while they run, and tables carry their alignment.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",  # players and posters; a picture of the reader's own
    "worker-src": "'self'",  # the lab
    "object-src": "'none'",
    "frame-src": "'none'",
    "form-action": "'self'",  # the search
    "base-uri": "'none'",
}
"""What the pages may do. The first is for whatever has no line of its own: fonts, films, what a
script asks for."""

CHARSET = re.compile(r"<meta charset=[^>]*>", re.IGNORECASE)
HANDLER = re.compile(r'\sonclick="(?:window\.)?(print|toggleFullScreen)\(\)"')
"""What the theme's buttons do. As attributes, they would be inline scripts; book/_static/buttons.js
does the same."""
DATA = re.compile(r"json|text/(?!javascript)", re.IGNORECASE)  # types of scripts that never run


class InlineScripts(HTMLParser):
    """Collects the scripts that stand in a page itself, and the names of attributes that run one.

    Args:
        page: the HTML.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note handlers of events; if a script begins, its text comes next."""
        self.handlers += [f'{name}="{code}"' for name, code in attrs if name.startswith("on")]
        given = dict(attrs)
        runs = tag == "script" and not DATA.search(given.get("type") or "")
        self.inside = runs and "src" not in given
        if self.inside:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Note a piece of a script."""
        if self.inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """A script ends."""
        self.inside = False


def hash_of(script: str) -> str:
    """A script's name in a policy. To a browser, the end of a line is one character everywhere."""
    text = script.replace("\r\n", "\n").encode()
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


def policy(page: str) -> str:
    """The policy for a page, given its HTML.

    Raises:
        ExtensionError: the page has an attribute that runs a script.
    """
    inline = InlineScripts(page)
    if inline.handlers:
        raise ExtensionError(
            f"{inline.handlers[0]}: the pages' policy forbids attributes that run a script. Let a "
            "script of book/_static listen for the event, as buttons.js does."
        )
    hashes = sorted({hash_of(script) for script in inline.scripts})
    allowed = {**ALLOWED, "script-src": " ".join([ALLOWED["script-src"], *hashes])}
    return "; ".join(f"{name} {value}" for name, value in allowed.items())


def with_policy(page: str) -> str:
    """The page with its policy, which must stand before all that it is for."""
    page = HANDLER.sub(r' data-click="\1"', page)
    element = f'<meta http-equiv="Content-Security-Policy" content="{policy(page)}">'
    return CHARSET.sub(lambda charset: f"{charset[0]}\n{element}", page, count=1)


class Templates(BuiltinTemplateLoader):
    """Sphinx's own templates; each page gets its policy when it has been filled in."""

    def render(self, template: str, context: dict) -> str:
        """The page."""
        page = super().render(template, context)
        return with_policy(page) if template.endswith(".html") else page


def choose_templates(_: Sphinx, config: Config) -> None:
    """Let Sphinx fill in its pages with `Templates`."""
    config.template_bridge = f"{__name__}.{Templates.__name__}"


def setup(app: Sphinx) -> dict:
    """Sphinx calls this when it loads the extension."""
    app.connect("config-inited", choose_templates)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
