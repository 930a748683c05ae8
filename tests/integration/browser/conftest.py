"""A real Chromium before a real server, which plays PhonePe itself and has no frontend beside it."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from playwright.sync_api import expect, sync_playwright

from tests.harness.installation import Installation

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 45_000  # milliseconds; the status page looks again every five seconds
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 800}}


class Site(ThreadingHTTPServer):
    """The frontend's host: every address is a page with nothing on it."""

    class RequestHandlerClass(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = b"<!doctype html><title>The site</title>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)
        self.origin = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture(scope="session")
def site():
    with Site() as site:
        thread = threading.Thread(target=site.serve_forever)
        thread.start()
        yield site
        site.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def shop(site):
    with Installation(FRONTEND_BASE_URL="", CORS_ALLOWED_ORIGINS=site.origin) as shop:
        server = shop.serve()
        requests.get(f"{server.url}/api/puja/categories/", timeout=30).raise_for_status()
        yield shop


@pytest.fixture(scope="session")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip(f"NO BROWSER: {CHROMIUM} does not exist. apt-get install chromium fonts-noto-core")
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def shot(page, tmp_path):
    """`shot("paid")` keeps what the page shows now, for somebody to look at (pytest --basetemp says where)."""
    return lambda name: page.screenshot(path=tmp_path / f"{name}.png", full_page=True)


@pytest.fixture(params=SIZES)
def page(request, chromium):
    """A page in a fresh profile. Whatever it shows, it loads from our server, without an error."""
    context = chromium.new_context(viewport=SIZES[request.param], locale="en-IN", timezone_id="Asia/Kolkata")
    page = context.new_page()
    hosts, troubles = set(), []
    page.on("request", lambda asked: hosts.add(urlsplit(asked.url).hostname))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert troubles == []
    assert hosts <= {"127.0.0.1", None}  # None: data URLs
