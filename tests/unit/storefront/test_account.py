"""Signing in and out, what a person finds of theirs, cancelling; the language; the mails of a demonstration."""

import re
from email.message import EmailMessage

import pytest
from django.core import mail
from django.test import Client

from accounts.codes import TRIES
from accounts.models import CodeRequest, User
from accounts.services import set_password
from booking.models import Booking
from payment.models import Refund
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from tests.unit.storefront.visitor import Visitor, sent_code

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def booking(alice, cart):
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.get()


@pytest.fixture
def signed_in(visitor, alice):
    visitor.sign_in(alice.email)
    return visitor


def test_a_code_signs_a_person_in_and_they_go_where_they_wanted(visitor, alice, booking):
    visitor.get(f"/bookings/{booking.book_id}/")
    visitor.follow()
    visitor.post(
        "/login/", {"email": "Alice@Example.com", "do": "code", "next": f"/bookings/{booking.book_id}/"}
    )
    visitor.follow()
    visitor.post("/login/code/", {"code": sent_code()})
    visitor.follow()

    assert booking.book_id in visitor.text


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_a_login_leads_to_no_other_site(visitor, alice, target):
    visitor.get(f"/login/?next={target}")
    visitor.post(
        "/login/", {"email": alice.email, "password": builders.PASSWORD, "do": "password", "next": target}
    )
    assert visitor.page.url == "/bookings/"
    assert visitor.get(f"/language/hi/?next={target}").url == "/"


def test_nobody_learns_by_the_login_who_has_an_account(visitor, alice):
    answers = []
    for email in (alice.email, "nobody@example.com"):
        visitor.get("/login/")
        visitor.post("/login/", {"email": email, "do": "code"})
        visitor.follow()
        answers.append(visitor.text.replace(email, "").partition("<form")[0].partition("<main")[2])

    assert answers[0] == answers[1]


def test_an_address_without_an_account_gets_one_by_its_code(visitor):
    visitor.sign_in("new@example.com")

    new = User.objects.get(email="new@example.com")
    assert new.email_confirmed_at is not None
    assert not new.has_usable_password()
    assert "My bookings" in visitor.get("/bookings/").content.decode()


def test_what_somebody_else_registered_with_an_address_is_worthless_after_its_code(api, visitor):
    """They have typed a password for an address that they cannot read, and wait for its owner."""
    stranger = Visitor()
    body = {"email": "new@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD}
    api().post("/api/auth/register/", body)
    login = {"email": "new@example.com", "password": builders.PASSWORD}
    token = api().post("/api/auth/login/", login).json()["access"]
    stranger.get("/login/")
    stranger.post("/login/", login | {"do": "password"})
    assert stranger.get("/bookings/").status_code == 200
    visitor.sign_in("new@example.com")

    assert api().post("/api/auth/login/", login).status_code == 400
    assert api().get("/api/booking/bookings/", HTTP_AUTHORIZATION=f"Bearer {token}").status_code == 401
    assert stranger.get("/bookings/").status_code == 303
    assert visitor.get("/bookings/").status_code == 200


def test_a_confirmed_account_keeps_its_password(signed_in, api, alice):
    login = {"email": alice.email, "password": builders.PASSWORD}
    assert api().post("/api/auth/login/", login).status_code == 200


def test_guesses_at_a_code_end(visitor, alice):
    visitor.get("/login/")
    visitor.post("/login/", {"email": alice.email, "do": "code"})
    visitor.follow()
    code = sent_code()
    for number in range(TRIES + 1):
        visitor.post("/login/code/", {"code": f"{(int(code) + 1 + number) % 10**6:06}"})
    visitor.post("/login/code/", {"code": code})

    assert visitor.page.status_code == 429
    assert visitor.get("/bookings/").status_code == 303


def test_a_code_signs_in_once(visitor, alice):
    visitor.sign_in(alice.email)
    code = sent_code() if mail.outbox else ""
    other = Visitor()
    other.get("/login/")
    other.post("/login/", {"email": alice.email, "do": "code"})
    other.follow()
    other.post("/login/code/", {"code": code})

    assert other.page.status_code == 400


def test_a_code_opens_no_admin_and_the_admin_no_shop(visitor, staff):
    visitor.sign_in(staff.email)
    assert visitor.get("/bookings/").status_code == 200
    assert visitor.get("/admin/").status_code == 302
    desk = Client()
    desk.force_login(staff)
    assert desk.get("/bookings/").status_code == 303


def test_a_new_password_and_a_suspension_end_the_session(signed_in, alice):
    set_password(alice, "another-lotus-pond-48", field="password")
    assert signed_in.get("/bookings/").status_code == 303
    again = Visitor()
    again.sign_in(alice.email)
    User.objects.filter(pk=alice.pk).update(account_status="SUSPENDED")
    assert again.get("/bookings/").status_code == 303


def test_a_calendar_reads_all_bookings_by_an_address_that_is_shown_once_and_can_be_ended(signed_in, booking):
    signed_in.get("/bookings/")
    signed_in.post("/bookings/", {"do": "calendar"})
    (address,) = re.findall(r"<code>http://testserver(/[^<]+)</code>", signed_in.text)
    assert booking.book_id in Client().get(address).content.decode()

    again = signed_in.get("/bookings/").content.decode()
    assert address not in again
    assert "A new address ends that one" in again
    signed_in.post("/bookings/", {"do": "no-calendar"})
    assert Client().get(address).status_code == 404
    assert signed_in.get("/bookings/").status_code == 200
    assert signed_in.post("/bookings/", {"do": "x"}).status_code == 404


def test_signing_out_forgets_who_was_there(signed_in):
    signed_in.get("/bookings/")
    key = signed_in.client.cookies["sessionid"].value
    signed_in.post("/logout/")
    assert signed_in.get("/bookings/").status_code == 303
    copied = Client()
    copied.cookies["sessionid"] = key
    assert copied.get("/bookings/").status_code == 303


def test_nobody_sees_a_booking_of_somebody_else(visitor, charlie, booking):
    visitor.sign_in(charlie.email)
    for page in ("", "receipt/"):
        assert visitor.get(f"/bookings/{booking.book_id}/{page}").status_code == 404
    visitor.get("/bookings/")
    assert booking.book_id not in visitor.text


def test_a_booking_says_what_a_cancellation_brings_and_leads_to_its_page(signed_in, booking):
    signed_in.get(f"/bookings/{booking.book_id}/")
    assert "1,100" in signed_in.text
    link = re.search(r'href="(http://testserver/booking/[^"]+)"', signed_in.text)[1].removeprefix(
        "http://testserver"
    )
    signed_in.get(link)
    booking.refresh_from_db()
    assert booking.status == "CONFIRMED"
    signed_in.post(link, {"action": "cancel"})

    booking.refresh_from_db()
    assert booking.status == "CANCELLED"
    assert Refund.objects.get().amount_paise == 110_000
    signed_in.get(f"/bookings/{booking.book_id}/")
    assert "Move or cancel" not in signed_in.text


def test_the_language_is_the_chosen_one_then_that_of_the_profile_then_of_the_browser(visitor, alice, package):
    def read(path="/login/", **headers):
        return '<html lang="hi">' in visitor.get(path, **headers).content.decode()

    assert not read()
    assert read(headers={"Accept-Language": "hi-IN,hi;q=0.9"})
    visitor.sign_in(alice.email)
    assert not read("/bookings/")
    User.objects.filter(pk=alice.pk).update(language="hi")
    assert read("/bookings/", headers={"Accept-Language": "en"})
    visitor.get("/language/en/?next=/bookings/")
    visitor.follow()
    assert '<html lang="en">' in visitor.text
    assert visitor.get("/language/fr/").status_code == 404


def test_the_mails_of_a_demonstration_are_for_people_at_this_machine(settings, tmp_path):
    settings.EMAIL_FOLDER = str(tmp_path)
    message = EmailMessage()
    message["Subject"], message["To"] = "<script>alert(1)</script>", "asha@example.com"
    message["Date"] = "Fri, 27 Nov 2026 18:44:55 -0000"
    message.set_content("Your code is 123456. <img src=x onerror=alert(2)> https://okpuja.example/pay/x/")
    (tmp_path / "20270101-080000-000000.eml").write_bytes(message.as_bytes())
    text = Client().get("/outbox/").content.decode()

    assert "123456" in text
    assert "Saturday, 28 November 2026, 12:14" in text
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert Client(REMOTE_ADDR="203.0.113.9").get("/outbox/").status_code == 404
    settings.PHONEPE_SIMULATION_MODE = False
    assert Client().get("/outbox/").status_code == 404


def test_the_demonstrations_password_is_shown_to_nobody_else(settings, package):
    settings.DEMO_PASSWORD = "a-demo-password"
    far = Client(REMOTE_ADDR="203.0.113.9").get("/").content.decode()
    near = Client().get("/").content.decode()

    assert settings.DEMO_PASSWORD in near
    assert settings.DEMO_PASSWORD not in far
    assert "Simulation" in far


def test_a_request_for_a_code_waits_for_the_worker(visitor, alice):
    visitor.get("/login/")
    visitor.post("/login/", {"email": alice.email, "do": "code"})

    assert CodeRequest.objects.get().purpose == "LOGIN"
    assert mail.outbox == []


def test_what_a_stranger_typed_as_a_guest_is_gone_with_the_first_code_of_the_owner(visitor, package, slot):
    stranger = Visitor()
    stranger.begin(package, slot, name="Stranger", **{"address-address_line1": "Strangers House"})
    person = User.objects.get()
    assert (person.first_name, person.phone is None) == ("Stranger", False)
    visitor.sign_in(person.email)

    person.refresh_from_db()
    assert (person.first_name, person.phone, person.phone_confirmed_at) == ("", None, None)
    assert not person.addresses.exists()
    visitor.choose(package, slot)
    assert "Strangers House" not in visitor.text
    assert stranger.get("/bookings/").status_code == 303


def test_who_has_registered_keeps_name_and_addresses_with_their_first_code(visitor, alice):
    User.objects.filter(pk=alice.pk).update(email_confirmed_at=None)
    visitor.sign_in(alice.email)

    alice.refresh_from_db()
    assert (alice.first_name, alice.phone, alice.addresses.count()) == ("Alice", "+919876500001", 1)


def test_an_unknown_address_is_a_page_for_people_and_json_for_programs(settings):
    people = {"headers": {"Accept": "text/html,*/*;q=0.8"}}
    page = Client().get("/no-such-page/", **people)
    assert (page.status_code, page["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "There is nothing at this address" in page.content.decode()
    assert Client().get("/api/no-such-thing/", **people)["Content-Type"] == "application/json"
    assert Client().get("/no-such-page/")["Content-Type"] == "application/json"
    settings.STOREFRONT = False
    assert Client().get("/no-such-page/", **people)["Content-Type"] == "application/json"


def test_without_the_shop_no_page_leads_to_it(settings):
    settings.STOREFRONT = False
    refused = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})

    assert refused.status_code == 403
    assert 'href="/"' not in refused.content.decode()
