"""Whose fault is it, on a telephone at night."""

import re

import pytest
import requests
from playwright.sync_api import expect

from tests.harness.installation import Installation
from tests.harness.network import refusing_port
from tests.integration.browser.test_paying import assert_readable

pytestmark = [pytest.mark.browser, pytest.mark.sockets, pytest.mark.proof]

PAGE = "/api/payments/payments/debug-connectivity/"


@pytest.fixture(scope="module")
def untouched():
    """A shop in simulation in which nobody has bought anything yet, so nothing is due."""
    with Installation() as untouched:
        server = untouched.serve()
        requests.get(f"{server.url}/api/puja/categories/", timeout=30).raise_for_status()
        yield untouched


@pytest.fixture(scope="module")
def shut():
    """A shop to which PhonePe refuses every connection, and whose mail server is gone."""
    nobody = f"http://127.0.0.1:{refusing_port()}"
    with Installation(
        PHONEPE_SIMULATION_MODE="False",
        PHONEPE_API_VERSION="v1",
        PHONEPE_MERCHANT_ID="MERCHANTOKPUJA",
        PHONEPE_SALT_KEY="a-salt-key-nobody-may-see",
        PHONEPE_BASE_URL=f"{nobody}/apis/pg-sandbox",
        DIAGNOSIS_CONTROL_URLS=f"{nobody}/control",
        EMAIL_URL=f"smtp://127.0.0.1:{refusing_port()}",
    ) as shut:
        server = shut.serve()
        requests.get(f"{server.url}/api/puja/categories/", timeout=30).raise_for_status()
        yield shut


def test_a_stranger_reads_one_sentence_and_sees_where_it_breaks(page, shut, shot):
    page.goto(shut.url + PAGE)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".ladder .bad")).to_contain_text("Connect")
    expect(page.get_by_text("Connection refused")).to_have_count(0)
    shot("stranger")
    assert_readable(page)


def test_the_person_on_call_reads_what_to_do_and_has_the_message_to_send(page, shut, shot):
    page.goto(shut.url + PAGE)
    page.get_by_label("OPS_TOKEN").fill("tests-only-ops-token")
    page.get_by_role("button", name="Show everything").click()
    expect(page.get_by_text("What to do:")).to_be_visible()
    expect(page.get_by_label("Text")).to_have_value(re.compile("Connection refused"))
    expect(page.get_by_role("row", name="Mail server")).to_contain_text("Connection refused")
    expect(page.get_by_role("button", name="Copy the text")).to_be_visible()
    shot("on-call")
    assert_readable(page)


def test_in_simulation_the_page_says_that_no_money_moves(page, untouched, shot):
    page.goto(untouched.url + PAGE)
    expect(page.get_by_role("heading", level=1)).to_contain_text("no money moves")
    shot("simulated")
    assert_readable(page)
