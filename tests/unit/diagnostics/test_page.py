"""The same diagnosis for people: a page for browsers, text for terminals."""

import html
import socket
import time
from urllib.parse import urlencode

import pytest
from django.core.cache import cache
from django.db import connections
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

from diagnostics.deadlines import result_cache
from diagnostics.views import DiagnosisThrottle
from payment.models import GatewayCall
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


def test_a_browser_gets_a_page_and_everybody_else_json(browser):
    assert browser.get(URL)["Content-Type"] == "text/html; charset=utf-8"
    for accept in ("*/*", "application/json", ""):
        assert Client(headers={"Accept": accept}).get(URL)["Content-Type"] == "application/json"


def test_the_form_can_be_asked_for_by_name():
    assert Client().get(URL, {"format": "text"})["Content-Type"] == "text/plain; charset=utf-8"
    assert Client().get(URL, {"format": "html"})["Content-Type"] == "text/html; charset=utf-8"
    assert (
        Client(headers={"Accept": BROWSER}).get(URL, {"format": "json"})["Content-Type"] == "application/json"
    )


def test_a_stranger_reads_whose_fault_it_is_and_nothing_about_the_inside(browser, refused):
    page = text_of(browser.get(URL))

    assert "Who has to act" in page
    assert "✗" in page
    assert not [word for word in INSIDE if word in page]


def test_the_ops_token_opens_the_page_to_this_browser(browser, refused):
    opened = probe(browser, TOKEN)
    page = text_of(browser.get(URL))

    assert (opened.status_code, opened["Location"]) == (303, URL)
    assert "Connection refused" in page
    assert "What to do" in page
    assert refused.PHONEPE_BASE_URL.split("/")[2] in page


def test_the_cookie_is_for_this_page_alone_and_no_script_reads_it(browser):
    probe(browser, TOKEN)

    cookie = browser.cookies["diagnosis"]
    assert (cookie["path"], cookie["samesite"], cookie["httponly"]) == (URL.rstrip("/"), "Strict", True)
    assert TOKEN not in cookie.value


@pytest.mark.parametrize("offered", ["", "wrong", "tests-only-ops-toke"])
def test_another_token_opens_nothing_and_says_so(browser, offered):
    answer = probe(browser, offered, follow=True)

    assert "That is not the token." in text_of(answer)
    assert "diagnosis" not in browser.cookies


def test_a_cookie_that_somebody_made_up_opens_nothing(browser):
    browser.cookies["diagnosis"] = "full:1abcde:made-up"
    assert "Do you operate this server?" in text_of(browser.get(URL))


def test_another_ops_token_shuts_what_the_former_one_has_opened(browser, settings):
    probe(browser, TOKEN)
    settings.OPS_TOKEN = "another-ops-token"
    assert "Do you operate this server?" in text_of(browser.get(URL))


def test_without_an_ops_token_no_cookie_is_given(browser, settings):
    settings.OPS_TOKEN = ""
    assert "refused" in probe(browser, "")["Location"]


def test_who_looks_by_cookie_starts_nothing(browser):
    probe(browser, TOKEN)
    assert browser.post(URL, {"test_payment": True}, content_type="application/json").status_code == 401


def test_staff_who_are_logged_in_to_the_admin_see_everything_and_customers_do_not(browser, staff, alice):
    browser.force_login(alice)
    assert "Do you operate this server?" in text_of(browser.get(URL))
    browser.force_login(staff)
    assert "Our own server" in text_of(browser.get(URL))


def test_nobody_on_the_way_keeps_a_copy(browser):
    answer = browser.get(URL)
    assert {"no-store", "private"} <= set(answer["Cache-Control"].split(", "))
    assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_too_many_looks_are_refused_on_a_page_too(browser, monkeypatch):
    monkeypatch.setitem(DiagnosisThrottle.THROTTLE_RATES, "diagnosis", "1/min")
    browser.get(URL)
    answer = browser.get(URL)
    assert (answer.status_code, answer["Content-Type"]) == (429, "text/html; charset=utf-8")


def test_the_text_says_what_the_page_says(refused):
    text = Client(headers={"X-Ops-Token": TOKEN}).get(URL, {"format": "text"}).content.decode()

    assert "Must act:" in text
    assert "X " in text
    assert "Message to send to" in text
    assert "a-salt-key-that-nobody-may-see" not in text


def test_words_of_phonepe_that_nobody_has_explained_are_listed(browser):
    heard("BRAND_NEW")
    assert GatewayCall.objects.count() == 1
    probe(browser, TOKEN)

    assert "BRAND_NEW" in text_of(browser.get(URL))
    operator = Client(headers={"X-Ops-Token": TOKEN})
    assert [row["code"] for row in operator.get(URL).json()["unknown_codes"]] == ["BRAND_NEW"]
    assert "BRAND_NEW: 1 times" in operator.get(URL, {"format": "text"}).content.decode()
    assert "BRAND_NEW" not in Client().get(URL).content.decode()


def test_the_page_comes_while_the_database_is_down_and_opens_by_token(
    browser, refused, monkeypatch, settings
):
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


def test_a_silent_database_holds_up_nobody_who_is_logged_in(staff, monkeypatch, settings):
    remembered = {"last": report_json(), "running": True}
    for name, value in remembered.items():
        result_cache.own.set(f"diagnosis-{name}", value, 60)
    result_cache.own.set("shared-cache-rests", True, 60)
    ours, token = connections["default"], AccessToken.for_user(staff)
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


def test_who_asks_what_may_be_asked_reads_no_page(browser):
    """A browser that sends a form with a login gets the framework's answer, as everywhere."""
    assert browser.options(URL).status_code in {200, 406}
    assert browser.options(DOOR).status_code == 405
