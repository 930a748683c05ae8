"""The API described as a page, under the strict rules for browsers; and the site of the documents."""

import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.harness import ROOT

SITE = ROOT / "site"
pytestmark = [pytest.mark.browser, pytest.mark.sockets]


@pytest.mark.proof
def test_the_api_is_described_and_tried_in_the_browser(shop, page):
    page.goto(f"{shop.servers[0].url}/api/docs/")
    page.locator("#operations-tag-Catalogue").click()
    route = page.locator(".opblock", has_text="/api/puja/categories/").first
    expect(route).to_be_visible()
    route.click()
    route.get_by_role("button", name="Try it out").click()
    route.get_by_role("button", name="Execute").click()
    expect(route.locator(".responses-inner").get_by_text("200").first).to_be_visible()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def documents():
    if not (SITE / "index.html").exists():
        pytest.skip("NO SITE: `make docs-site` builds it")
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=SITE)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_site_of_the_documents_draws_its_pictures_and_asks_no_other_host(documents, page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{documents}/architecture.html")
    drawn = page.locator("div.mermaid")  # the theme puts one in the place of each text
    expect(drawn).to_have_count((ROOT / "docs/architecture.md").read_text().count("```mermaid"))
    page.goto(f"{documents}/error-codes.html")
    expect(page.get_by_role("heading", name="Codes of errors")).to_be_visible()

    assert any(url.endswith("/mermaid.min.js") for url in asked)
    hosts = {urlsplit(url).netloc for url in asked if url.startswith("http")}
    assert hosts == {urlsplit(documents).netloc}
