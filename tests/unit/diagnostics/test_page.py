"""The same diagnosis for people: a page for browsers, text for terminals."""

import html
import re
import socket
import time
from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.db import connections
from django.test import Client
from django.utils import timezone

from accounts.sessions import open_session
from diagnostics.deadlines import result_cache
from diagnostics.views import DiagnosisThrottle
from payment.models import DiagnosisRun, GatewayCall
from tests.harness import builders
from tests.harness.fake_phonepe import FakePhonePe
from tests.harness.network import refusing_port
from tests.unit.diagnostics.reports import report_json
from tests.unit.payment.services.test_codes import heard

URL = "/api/payments/payments/debug-connectivity/"
DOOR = f"{URL}door/"
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
TOKEN = "tests-only-ops-token"
INSIDE = ("127.0.0.1", "Errno", "MERCHANT", "salt_key", "textarea")

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def nothing_remembered():
    result_cache.own.clear()


@pytest.fixture
def browser():
    return Client(headers={"Accept": BROWSER})


@pytest.fixture
def refused(settings):
    """PhonePe refuses; a control host works."""
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_API_VERSION = "v1"
    settings.PHONEPE_MAX_RETRIES = 0
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = (
        "MERCHANTOKPUJA",
        "a-salt-key-that-nobody-may-see",
    )
    settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{refusing_port()}/apis/pg-sandbox"
    with FakePhonePe() as server:
        settings.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{server.port}"]
        yield settings


def probe(browser, token, **more):
    """As the form on the page sends it."""
    form = urlencode({"ops_token": token})
    return browser.post(DOOR, form, content_type="application/x-www-form-urlencoded", **more)


def text_of(answer):
    return html.unescape(answer.content.decode())


def test_a_browser_gets_html_and_other_clients_json(browser):
    assert browser.get(URL)["Content-Type"] == "text/html; charset=utf-8"
    for accept in ("*/*", "application/json", ""):
        assert Client(headers={"Accept": accept}).get(URL)["Content-Type"] == "application/json"


def test_the_format_parameter_chooses_the_format():
    assert Client().get(URL, {"format": "text"})["Content-Type"] == "text/plain; charset=utf-8"
    assert Client().get(URL, {"format": "html"})["Content-Type"] == "text/html; charset=utf-8"
    assert (
        Client(headers={"Accept": BROWSER}).get(URL, {"format": "json"})["Content-Type"] == "application/json"
    )


def test_the_public_page_names_the_culprit_and_nothing_internal(browser, refused):
    page = text_of(browser.get(URL))

    assert "Who has to act" in page
    assert "✗" in page
    assert not [word for word in INSIDE if word in page]


def test_the_ops_token_opens_the_full_page_in_this_browser(browser, refused):
    opened = probe(browser, TOKEN)
    page = text_of(browser.get(URL))

    assert (opened.status_code, opened["Location"]) == (303, URL)
    assert "Connection refused" in page
    assert "What to do" in page
    assert refused.PHONEPE_BASE_URL.split("/")[2] in page


def test_the_cookie_is_httponly_and_limited_to_this_page(browser):
    probe(browser, TOKEN)

    cookie = browser.cookies["diagnosis"]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (URL.rstrip("/"), "Strict", True)
    assert TOKEN not in cookie.value


@pytest.mark.parametrize("offered", ["", "wrong", "tests-only-ops-toke"])
def test_a_wrong_ops_token_is_refused_with_a_message(browser, offered):
    answer = probe(browser, offered, follow=True)

    assert "That is not the token." in text_of(answer)
    assert "diagnosis" not in browser.cookies


def test_a_forged_cookie_is_refused(browser):
    browser.cookies["diagnosis"] = "full:1abcde:made-up"
    assert "Do you operate this server?" in text_of(browser.get(URL))


def test_a_new_ops_token_invalidates_old_cookies(browser, settings):
    probe(browser, TOKEN)
    settings.OPS_TOKEN = "another-ops-token"
    assert "Do you operate this server?" in text_of(browser.get(URL))


def test_without_an_ops_token_no_cookie_is_set(browser, settings):
    settings.OPS_TOKEN = ""
    assert "refused" in probe(browser, "")["Location"]


def test_a_cookie_does_not_allow_post(browser):
    probe(browser, TOKEN)
    assert browser.post(URL, {"test_payment": True}, content_type="application/json").status_code == 401


def test_staff_who_are_logged_in_to_the_admin_without_the_right_see_the_short_page(browser):
    clerk = builders.make_user(is_staff=True)
    browser.force_login(clerk)
    assert "Do you operate this server?" in text_of(browser.get(URL))
    clerk.user_permissions.set(Permission.objects.filter(codename="view_diagnosisrun"))
    assert "Our own server" in text_of(browser.get(URL))


def test_staff_who_are_logged_in_to_the_admin_see_everything_and_customers_do_not(browser, staff, alice):
    browser.force_login(alice)
    assert "Do you operate this server?" in text_of(browser.get(URL))
    browser.force_login(staff)
    assert "Our own server" in text_of(browser.get(URL))


def test_the_page_is_not_cached(browser):
    answer = browser.get(URL)
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))
    assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_the_page_is_throttled_too(browser, monkeypatch):
    monkeypatch.setitem(DiagnosisThrottle.THROTTLE_RATES, "diagnosis", "1/min")
    browser.get(URL)
    answer = browser.get(URL)
    assert (answer.status_code, answer["Content-Type"]) == (429, "text/html; charset=utf-8")


def test_text_and_page_have_the_same_content(refused):
    text = Client(headers={"X-Ops-Token": TOKEN}).get(URL, {"format": "text"}).content.decode()

    assert "Must act:" in text
    assert "X " in text
    assert "Message to send to" in text
    assert "a-salt-key-that-nobody-may-see" not in text


def test_only_what_does_not_work_is_unfolded(browser, refused):
    """On a telephone the green ladders of all hosts would be six screens."""
    probe(browser, TOKEN)
    page = browser.get(URL).content.decode()
    endpoints = re.findall(r'<details class="endpoint"( open)?>\s*<summary><h3 class="(\w+)">', page)
    assert {state: bool(is_open) for is_open, state in endpoints} == {"good": False, "bad": True}


def test_every_section_is_linked_and_every_link_leads_to_one(browser, refused, monkeypatch):
    monkeypatch.setenv("PHONEPE_BASEURL", "https://api.phonepe.com")
    browser.get(URL)
    cache.clear()
    result_cache.own.clear()
    probe(browser, TOKEN)
    page = browser.get(URL).content.decode()
    sections = re.findall(r'<section id="(\w+)"', page)
    assert re.findall(r'<a href="#(\w+)"', page) == sections
    assert {"message", "phonepe", "comparison", "server", "settings", "history", "configuration"} <= set(
        sections
    )
    assert "A control host is" in page
    assert "Any answer proves that the way is open" in page


def test_earlier_runs_are_told_in_order_with_who_looked(browser, refused):
    now = timezone.now()
    for minutes, who in (
        (9, "command"),
        (3, "worker"),
        (6, "web"),
    ):  # a worker's run may end after later ones
        at = now - timedelta(minutes=minutes)
        DiagnosisRun.objects.create(
            asked_by=who,
            started_at=at,
            finished_at=now,
            success=True,
            verdict="ok",
            culprit="none",
            summary="well",
        )
    probe(browser, TOKEN)
    page = text_of(browser.get(URL))
    told = [
        page.index(f"<td>{who}</td>") for who in ("the worker", "a visitor of the page", "manage.py doctor")
    ]
    assert told == sorted(told)
    text = Client(headers={"X-Ops-Token": TOKEN}).get(URL, {"format": "text"}).content.decode()
    assert (
        text.index("(the worker)") < text.index("(a visitor of the page)") < text.index("(manage.py doctor)")
    )


def test_a_worker_that_was_never_seen_is_told(browser, settings):
    settings.DIAGNOSIS_EVERY_MINUTES = 5
    probe(browser, TOKEN)
    page = text_of(browser.get(URL))
    assert "No worker was ever seen here" in page
    [row] = [row for row in page.split("<tr>") if "Background worker" in row]
    assert 'class="unseen"' in row


def test_unknown_codes_of_phonepe_are_listed(browser):
    heard("BRAND_NEW")
    assert GatewayCall.objects.count() == 1
    probe(browser, TOKEN)

    assert "BRAND_NEW" in text_of(browser.get(URL))
    operator = Client(headers={"X-Ops-Token": TOKEN})
    assert [row["code"] for row in operator.get(URL).json()["unknown_codes"]] == ["BRAND_NEW"]
    assert "BRAND_NEW: 1 times" in operator.get(URL, {"format": "text"}).content.decode()
    assert "BRAND_NEW" not in Client().get(URL).content.decode()


def test_without_a_database_the_page_works_and_the_token_opens_it(browser, refused, monkeypatch, settings):
    gone = {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": "127.0.0.1",
        "PORT": refusing_port(),
        "OPTIONS": {},
    }
    ours = connections["default"]
    monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | gone)
    del connections["default"]
    cache.clear()
    try:
        browser.cookies[settings.SESSION_COOKIE_NAME] = "of-an-admin"
        assert "Do you operate this server?" in text_of(browser.get(URL))
        probe(browser, TOKEN)
        assert "Our own database does not answer" in text_of(browser.get(URL))
    finally:
        connections["default"] = ours


@pytest.mark.slow
def test_a_silent_database_does_not_delay_logged_in_users(staff, monkeypatch, settings):
    remembered = {"last": report_json(), "running": True}
    for name, value in remembered.items():
        result_cache.own.set(f"diagnosis-{name}", value, 60)
    result_cache.own.set("shared-cache-rests", True, 60)
    ours, token = connections["default"], open_session(staff).access
    with socket.create_server(("127.0.0.1", 0)) as silent:
        frozen = {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1"}
        frozen["OPTIONS"] = {"connect_timeout": 30}
        frozen["PORT"] = silent.getsockname()[1]
        monkeypatch.setitem(connections.settings, "default", connections.settings["default"] | frozen)
        del connections["default"]
        client = Client(headers={"Authorization": f"Bearer {token}"})
        client.cookies[settings.SESSION_COOKIE_NAME] = "of-an-admin"
        started = time.monotonic()
        try:
            answer = client.get(URL).json()
        finally:
            connections["default"] = ours

    assert answer.keys() == {"success", "verdict", "culprit", "summary", "checked_at", "endpoints"}
    assert time.monotonic() - started < 20  # and no thirty for each question


def test_an_options_request_gets_json(browser):
    """A browser that sends a form with a login gets the framework's answer, as everywhere."""
    assert browser.options(URL).status_code in {200, 406}
    assert browser.options(DOOR).status_code == 405
