"""The outbox: said once, beside the fact it tells, and never in the way of it."""

import ast
import re

import pytest
from django.db import transaction

from notifications.models import Notification
from notifications.services import alert, notify, send_again, was_notified
from tests.harness import ROOT, builders

pytestmark = pytest.mark.django_db


def test_the_same_thing_is_told_once(alice):
    for _ in range(2):
        notify("booked", "booked:payment:1", {"amount_paise": 100}, user=alice)

    notification = Notification.objects.get()
    assert (notification.email, notification.language, notification.state) == (
        "alice@example.com",
        "en",
        "WAITING",
    )
    assert was_notified("booked:payment:1")


def test_saying_it_twice_leaves_the_callers_transaction_alive(alice):
    with transaction.atomic():
        notify("booked", "booked:payment:1", {}, user=alice)
        notify("booked", "booked:payment:1", {}, user=alice)
        notify("booked", "booked:payment:2", {}, user=alice)

    assert Notification.objects.count() == 2


def test_what_was_rolled_back_is_not_told(alice):
    with transaction.atomic():
        notify("booked", "booked:payment:1", {}, user=alice)
        transaction.set_rollback(True)

    assert not Notification.objects.exists()


def test_a_repeat_can_be_recognised_by_its_message_id(alice):
    notify("booked", "booked:payment:1", {}, user=alice)
    first = Notification.objects.get().message_id
    Notification.objects.all().delete()
    notify("booked", "booked:payment:1", {"amount_paise": 5}, user=alice)

    assert Notification.objects.get().message_id == first
    assert first.endswith("@testserver>")


def test_people_are_told_in_their_language(db):
    notify("booked", "booked:payment:1", {}, user=builders.make_user(language="hi"))

    assert Notification.objects.get().language == "hi"


def test_a_guest_who_left_no_address_is_told_nothing(db):
    notify("received", "received:payment:1", {}, user=None)

    assert not Notification.objects.exists()


def test_staff_are_alerted_once_a_day_on_each_way_that_is_set_up(settings):
    settings.STAFF_EMAILS, settings.STAFF_WEBHOOK_URL = ["ops@example.com"], "http://127.0.0.1:1/"
    for _ in range(2):
        alert("amount_differs", "payment:1", {"amount_paise": 100})

    assert set(Notification.objects.values_list("channel", flat=True)) == {"STAFF", "HOOK"}
    assert Notification.objects.count() == 2


def test_without_staff_addresses_nobody_is_alerted(db):
    alert("amount_differs", "payment:1", {})

    assert not Notification.objects.exists()


def test_what_was_given_up_may_be_sent_again(alice):
    notify("booked", "booked:payment:1", {}, user=alice)
    Notification.objects.update(state="GIVEN_UP", checks=9, next_check_at=None, last_error="refused")

    assert send_again(Notification.objects.get())

    notification = Notification.objects.get()
    assert (notification.state, notification.checks, notification.last_error) == ("WAITING", 0, "")
    assert notification.next_check_at
    assert not send_again(notification)


TESTS = ROOT / "tests"
FORGETFUL = "without_staff_addresses"  # the one test that is about having no address


def claims_of_silence() -> list[tuple[str, str, str]]:
    """Tests that say by name, or by what they assert, that staff were not alerted: file, name, text with fixtures."""
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text()
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                body = ast.unparse(node)
                silence = "alerts_nobody" in node.name or re.search(
                    r"not Notification\.objects.*(alert|rule)", body
                )
                if silence and FORGETFUL not in node.name:
                    own = body + "".join(fixtures_for_all(text))
                    found.append((path.name, node.name, own))
    return found


def fixtures_for_all(text: str) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef)
        and "autouse=True" in "".join(map(ast.unparse, node.decorator_list))
    ]


def test_that_nobody_was_alerted_is_asserted_only_where_somebody_could_have_been():
    """Without an address for staff no alert is ever written: such a test passes whatever the code does."""
    claims = claims_of_silence()
    assert claims
    assert [
        f"{file}::{name}"
        for file, name, own in claims
        if "STAFF_EMAILS" not in own and not re.search(r"\balerts\b", own.partition("):")[0])
    ] == []
