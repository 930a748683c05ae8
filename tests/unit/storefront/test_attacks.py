"""Garbage in each field of each form of the shop, and in each signed link: an answer, and nothing is written."""

import re
import time
import uuid

import pytest
from django.conf import settings as django_settings
from django.core import signing
from django.db.models import F
from django.test import Client
from rest_framework.throttling import SimpleRateThrottle

from booking.models import Booking, Slot, WaitingEntry
from core.signers import PeriodSigner
from payment.services import links
from payment.services.donations import Donor, build_donation
from payment.services.outcomes import apply_status
from payment.services.pay_links import make_pay_link
from tests.harness import builders
from tests.integration.access.matrix import written
from tests.unit.payment.builders import FAILED, completed, make_payment
from tests.unit.payment.services.test_by_hand import choice as choice
from tests.unit.storefront.visitor import GUEST, HOME, sent_code
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)
GARBAGE = ("9" * 5000, "x" * 5000, "\x00")
ROLLED_BACK = {"booking_holdnetwork"}  # a lock, in the transaction that is refused
YEAR = 400 * 86_400


@pytest.fixture(autouse=True)
def no_limits(settings, monkeypatch):
    """Of requests: a form that was sent too often would not be looked at."""
    settings.DONATION_PAGE, settings.DONATION_AMOUNTS = True, [101]
    settings.DONATION_PURPOSES = [("Food for pilgrims", "")]
    settings.DONATION_80G = ["Approved under section 80G: AAATX1234XF20214"]
    for scope in django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]:
        monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, scope, "100000/min")


# --- Forms ----------------------------------------------------------------------------------------


def details(visitor, package, slot):
    more = {"address-address_line2": "", "devotee_names": "", "gotra": "", "nakshatra": "", "people": ""}
    return "/book/", visitor.choose(package, slot) | GUEST | HOME | more | {"wishes": ""}


def details_of_a_person(visitor, package, slot):
    visitor.sign_in(builders.make_user(phone="+919876543210").email)
    return "/book/", visitor.choose(package, slot) | HOME | {
        "address": "new",
        "name": "Meera",
        "phone": "98765 43210",
    }


def donate(visitor, package, slot):
    visitor.get("/donate/")
    gift = {"amount": "101", "other": "", "purpose": "0", "name": "Meera", "email": "meera@example.com"}
    return "/donate/", gift | {"pan": ""}


def login(visitor, package, slot):
    visitor.get("/login/")
    good = {"email": builders.make_user().email, "password": builders.PASSWORD}
    return "/login/", good


def code(visitor, package, slot):
    visitor.get("/login/")
    visitor.post("/login/", {"email": "meera@example.com", "do": "code"})
    visitor.follow()
    return "/login/code/", {"code": sent_code()}


def promo(visitor, package, slot):
    builders.make_promo("OM10")
    return visitor.begin(package, slot), {"do": "promo", "promo_code": "OM10"}


def pay(visitor, package, slot):
    return visitor.begin(package, slot), {"do": "pay"}


def other_time(visitor, package, slot):
    other = builders.make_slot(package.puja_service, days=6)
    return visitor.begin(package, slot), {"do": "time", "slot": f"{other.pk}"}


def wait(visitor, package, slot):
    person = builders.make_user()
    visitor.sign_in(person.email)
    Slot.objects.filter(pk=slot.pk).update(booked=F("capacity"))
    visitor.get(f"/waiting/?slot={slot.pk}&package={package.pk}")
    return "/waiting/", {"do": "join", "slot": f"{slot.pk}", "package": f"{package.pk}"}


def leave_the_list(visitor, package, slot):
    _path, wanted = wait(visitor, package, slot)
    visitor.post("/waiting/", wanted)
    visitor.follow()
    return "/waiting/", {"do": "leave", "entry": f"{WaitingEntry.objects.get().pk}"}


def book_the_place_that_is_kept(visitor, package, slot):
    leave = leave_the_list(visitor, package, slot)[1]
    Slot.objects.filter(pk=slot.pk).update(booked=F("booked") - 1)
    run_due(("waiting",))
    assert WaitingEntry.objects.get().state == "OFFERED"
    return "/waiting/", leave | {"do": "book"}


def confirm_the_address(visitor, package, slot):
    visitor.begin(package, slot)  # a guest, whose address nobody has confirmed yet
    visitor.get(f"/waiting/?slot={slot.pk}&package={package.pk}")
    return "/waiting/", {"do": "confirm", "slot": f"{slot.pk}", "package": f"{package.pk}"}


def give_up(visitor, package, slot):
    path = visitor.begin(package, slot)
    visitor.post(path, {"do": "pay"})
    visitor.get(path)
    return path, {"do": "free"}


FORMS = (
    *(details, details_of_a_person, donate, login, code, promo, pay, other_time, give_up),
    *(wait, leave_the_list, book_the_place_that_is_kept, confirm_the_address),
)


@pytest.mark.proof(every=3)
@pytest.mark.parametrize("form", FORMS)
def test_garbage_in_a_field_is_refused_and_nothing_is_written(visitor, package, slot, phonepe, form):
    path, good = form(visitor, package, slot)
    page, wrong = visitor.page, []
    for name in good:
        for garbage in GARBAGE:
            visitor.page = page
            with written() as tables:
                answer = visitor.post(path, good | {name: garbage})
            if answer.status_code >= 500 or {*tables} - ROLLED_BACK:
                wrong.append((name, garbage[:1], answer.status_code, tables))

    assert wrong == []
    visitor.page = page
    assert visitor.post(path, good).status_code == 303, visitor.text


@pytest.mark.parametrize("total", [*GARBAGE, "-1", "1e9"])
def test_garbage_in_the_total_that_was_seen_is_answered(visitor, package, slot, phonepe, total):
    assert visitor.post(visitor.begin(package, slot), {"do": "pay", "total": total}).status_code < 500


@pytest.mark.parametrize(
    "target", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:x"]
)
def test_no_page_leads_to_another_site(visitor, alice, target):
    visitor.get("/login/", {"next": target})
    for path in ("/login/", "/login/?next=" + target):
        visitor.client.cookies.clear()
        visitor.get(path)
        login_form = {"email": alice.email, "password": builders.PASSWORD, "do": "password", "next": target}
        assert visitor.post(path, login_form).url == "/bookings/"
    assert visitor.get("/language/hi/", {"next": target}).url == "/"


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_the_calendar_are_answered(visitor, package, slot, slotless_service, day):
    free = builders.make_package(slotless_service)
    for each in (package, free):
        choice = {"package": f"{each.pk}", "date": day, "time": "00:00"}
        assert visitor.get("/book/", choice).status_code < 400
        visitor.post("/book/", choice | GUEST | HOME)
        assert visitor.page.status_code < 500
        visitor.get(f"/pujas/{each.puja_service_id}/times/", {"package": each.pk, "day": day})
        assert visitor.page.status_code < 400
    assert not Booking.objects.exists()


# --- Signed links ---------------------------------------------------------------------------------


@pytest.fixture
def signed(alice, charlie, package, slot, choice, phonepe):
    """Writes the link of each purpose."""
    paid = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(paid.attempts.get().pk, completed(), "worker")
    elsewhere = builders.make_slot(package.puja_service, days=5)
    late = make_payment(builders.make_checkout(builders.make_cart(charlie, package, elsewhere.starts_at)))
    apply_status(late.attempts.get().pk, FAILED, "worker")
    Slot.objects.filter(pk=elsewhere.pk).update(booked=F("capacity"))
    apply_status(late.attempts.get().pk, completed(), "worker")
    gift = make_payment(amount_paise=10_100, payer_reference="Asha")
    build_donation(gift, Donor(email="donor@example.com", purpose="Annadan", pan="")).save(force_insert=True)
    apply_status(gift.attempts.get().pk, completed(10_100), "worker")
    link = make_pay_link(alice, choice, by=builders.make_superuser(), key=uuid.uuid4())
    booking = Booking.objects.get()

    def write() -> dict[str, str]:
        urls = {
            "return": links.return_url(paid),
            "status": links.status_url(paid),
            "offer": links.offer_url(late),
            "donation": links.donation_receipt_url(gift),
            "pay": links.pay_link_url(link),
            "change": links.change_url(booking),
            "calendar": links.calendar_url(booking),
        }
        return {name: url.removeprefix("http://testserver") for name, url in urls.items()}

    return write


def token_of(path: str) -> str:
    (token,) = re.findall(r"[^/]+:[^/]+:[^/]+", path)
    return token


def send(method: str, path: str, **body: str) -> tuple[int, list[str]]:
    """The status of the answer, and the tables that were written to."""
    with written() as tables:
        status = getattr(Client(), method)(path, body).status_code
    return status, tables


def is_closed(path: str) -> bool:
    """405: what is only read has no POST."""
    answers = [send("get", path), send("head", path), send("post", path, action="cancel")]
    return all(status in (404, 405) and not tables for status, tables in answers)


PURPOSES = ("return", "status", "offer", "donation", "pay", "change", "calendar")


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_link_that_is_not_ours_as_we_wrote_it_opens_nothing(signed, purpose):
    paths = signed()
    path = paths[purpose]
    token = token_of(path)
    payload, moment, signature = token.split(":")
    made_up = [
        signing.dumps(1, key="another key", salt="payment.status"),
        f"{signing.b64_encode(b'[1,0]').decode()}:{moment}:{signature}",
        f"{payload}:{signing.b62_encode(int(time.time()) + 10)}:{signature}",
        f"{payload}:{moment}:{signature[:-2]}",
        f"{payload}:{moment}:",
        f"{payload}:{moment}",
        token.swapcase(),
        f"{token}x",
        "9" * 3000,
        "ॐ",
        ":::",
    ]
    same = {"status", "donation"}  # the holder of the link of its status reads the receipt
    other = [token_of(paths[name]) for name in PURPOSES if name != purpose and {name, purpose} != same]
    if purpose == "donation":  # of a booking's payment: its receipt asks for a login
        assert is_closed(path.replace(token, token_of(paths["status"])))

    assert send("get", path)[0] in (200, 303)
    assert [each for each in [*made_up, *other] if not is_closed(path.replace(token, each))] == []


@pytest.mark.parametrize("purpose", PURPOSES)
def test_an_expired_link_opens_nothing(signed, purpose, monkeypatch):
    then = signing.b62_encode(int(time.time()) - YEAR)
    for signer in (signing.TimestampSigner, PeriodSigner):
        monkeypatch.setattr(signer, "timestamp", lambda self: then)

    assert is_closed(signed()[purpose])


@pytest.mark.parametrize("purpose", ["offer", "pay", "change", "calendar"])
def test_who_only_opens_a_link_changes_nothing(signed, purpose):
    path = signed()[purpose]
    for query in ("", "?action=cancel", "?decline=1", "?slot=1", "?starts_at=2027-01-01T10:00"):
        for method in ("get", "head"):
            assert send(method, path + query) == (200, []), query


FAR_AWAY = ("0001-01-01T00:00", "9999-12-31T23:59", "9999-12-31T23:59Z", "0001-01-01T00:00+14:00")


@pytest.mark.parametrize("typed", [*GARBAGE[:2], "-1", "1e3", *FAR_AWAY])
def test_garbage_in_a_choice_behind_a_link_changes_nothing(signed, typed):
    paths = signed()
    for purpose, name in (("change", "slot"), ("change", "starts_at"), ("offer", "slot")):
        assert send("get", paths[purpose], **{name: typed}) == (200, []), (purpose, name)
        status, tables = send("post", paths[purpose], **{name: typed})
        assert 400 <= status < 500, (purpose, name)
        assert not tables


@pytest.mark.parametrize("typed", FAR_AWAY)
def test_a_puja_at_any_time_is_not_moved_out_of_the_calendar(alice, slotless_service, typed):
    package = builders.make_package(slotless_service)
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, builders.in_days(5))))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    path = links.change_url(Booking.objects.get()).removeprefix("http://testserver")

    assert send("get", path, starts_at=typed) == (200, [])
    status, tables = send("post", path, starts_at=typed)
    assert 400 <= status < 500
    assert not tables
