"""The desk in the language of the account: the whole page, for this reader, and nobody else."""

import re
from datetime import datetime
from urllib.parse import unquote

import pytest
from django.utils import formats, timezone, translation

from accounts.models import User
from booking.models import Booking
from payment.states import AttemptState, PaymentState, RefundState
from tests.harness import builders
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db
DEVANAGARI = re.compile("[\u0900-\u097f]")


@pytest.fixture
def staff(client):
    person = builders.make_superuser()
    User.objects.filter(pk=person.pk).update(language="hi")
    person.refresh_from_db()
    client.force_login(person)
    return person


def test_staff_read_the_desk_in_the_language_of_their_account(client, staff, alice, package):
    booking = book(alice, package, timezone.now())

    case = client.get(f"/admin/desk/case/{booking.book_id}/").content.decode()

    assert '<html lang="hi"' in case
    assert "पुष्ट" in case  # the state of the booking, a label of its model
    assert "Confirmed" not in case
    assert "संदेश" in case  # a heading of the page


def test_the_tables_of_the_admin_are_in_that_language_too(client, staff):
    assert '<html lang="hi"' in client.get("/admin/payment/payment/").content.decode()


def test_a_label_of_each_state_that_staff_see_has_its_hindi():
    with translation.override("hi"):
        labels = [
            f"{state.label}"
            for kind in (Booking.Status, PaymentState, AttemptState, RefundState, User.AccountStatus)
            for state in kind
        ]
    assert [label for label in labels if not DEVANAGARI.search(label)] == []


def test_the_switch_changes_the_account_and_shows_the_same_page_again(client, staff):
    page = "http://testserver/admin/desk/slots/"
    answer = client.post("/admin/desk/language/", {"language": "en"}, headers={"Referer": page})

    assert (answer.status_code, answer["Location"]) == (302, page)
    assert User.objects.get(pk=staff.pk).language == "en"
    assert '<html lang="en' in client.get("/admin/desk/slots/").content.decode()


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "http://["]
)
def test_the_switch_leads_to_no_other_host(client, staff, target):
    answer = client.post("/admin/desk/language/", {"language": "en", "next": target})
    assert answer["Location"] == "/admin/"


def test_a_page_that_there_is_not_is_no_crash(client, staff):
    """A word alone could be the name of a URL."""
    answer = client.post("/admin/desk/language/", {"language": "en", "next": "nowhere"})
    assert (answer.status_code, answer["Location"]) == (302, "nowhere")


@pytest.mark.parametrize("language", ["", "xx", "hi-x"])
def test_a_language_that_we_do_not_write_is_refused(client, staff, language):
    assert client.post("/admin/desk/language/", {"language": language}).status_code == 400
    assert User.objects.get(pk=staff.pk).language == "hi"


def test_before_the_login_the_browser_says_the_language(client):
    page = client.get("/admin/login/", headers={"Accept-Language": "hi"}).content.decode()
    assert '<html lang="hi"' in page


def test_the_greeting_to_a_customer_is_in_their_language(client, staff, alice, package):
    book(alice, package, timezone.now())  # alice reads English
    page = client.get("/admin/").content.decode()
    (chat,) = re.findall(r"https://wa\.me/[^\"]+", page)
    assert unquote(chat).endswith(f"this is about your booking {Booking.objects.get().book_id}.")


def test_the_api_stays_english_for_staff_who_read_hindi(api, staff):
    answer = api(staff).get("/api/payments/payments/0/")
    assert answer.status_code in (401, 404)
    assert not DEVANAGARI.search(answer.content.decode())


def test_an_hour_after_noon_is_not_read_as_one_of_the_morning():
    with translation.override("hi"):
        assert formats.localize(datetime(2026, 11, 28, 13, 5)) == "28 नवंबर 2026, 13:05"
