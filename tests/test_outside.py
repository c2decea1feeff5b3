"""The lists of what leads outside: addresses that pages name, and keys that nobody may find."""

from __future__ import annotations

import http.server
import threading

import leaks
import links
import pytest
from conftest import ROOT

TEXT = """See [a page](https://a.test/b_(c)), https://a.test/d. and <https://a.test/e#place>;
not http://127.0.0.1:8000/ nor https://cdn.example/x.js.
  doi = {10.1109/CVPR.2016.265},
"""


def test_addresses_end_where_the_sentence_goes_on():
    assert links.addresses(TEXT) == [
        "https://a.test/b_(c)",
        "https://a.test/d",
        "https://a.test/e",
        "https://doi.org/10.1109/CVPR.2016.265",
    ]


def test_every_reference_of_the_book_is_listed():
    found = links.all_links()
    assert any("book/references.bib" in files for files in found.values())
    assert any(address.startswith("https://doi.org/") for address in found)


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the address names."""

    def do_GET(self):
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, *_):
        pass


def test_only_what_is_gone_or_silent_leads_nowhere():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        site = f"http://127.0.0.1:{server.server_port}"
        silent = "http://127.0.0.1:1/"
        found = links.dead([*(f"{site}/{code}" for code in (200, 403, 404, 410)), silent])
        server.shutdown()
    assert set(found) == {f"{site}/404", f"{site}/410", silent}
    assert found[f"{site}/404"].startswith("404")


KEYS = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "token of GitHub": "gh" + "p_" + "a1" * 18,
    "key of Amazon": "AK" + "IA" + "Z9" * 8,
    "password in an address": "https://me:" + "secret@host.test/",
}


@pytest.mark.parametrize(("kind", "key"), KEYS.items(), ids=KEYS)
def test_a_key_is_found_in_the_history(kind, key):
    log = ["commit 0123456789abcdef", "+++ b/notes.md", f"+the key {key} here", f"-{key}"]
    assert list(leaks.in_history(log)) == [f"0123456789 notes.md: {kind}"]


def test_addresses_and_digests_are_no_keys():
    assert leaks.kinds("https://host.test:8000/a@b sha256-" + "ab" * 32) == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="an sdist has no list of its files")
def test_the_repository_holds_no_key():
    assert list(leaks.in_files(ROOT)) == []
