"""Too often, or PhonePe without an answer: the page says so in the reader's language, and keeps what was typed."""

import re
from html import unescape

import pytest
from django.conf import settings as django_settings
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import User
from payment.models import PayingWatch, Payment
from payment.services import paying
from payment.services.links import status_url
from tests.unit.storefront.visitor import GUEST, HOME, Visitor

pytestmark = pytest.mark.django_db(transaction=True)
TOO_OFTEN = {"en": "This was asked too often.", "hi": "बहुत बार प्रयास किया गया।"}


@pytest.fixture(autouse=True)
def donations(settings):
    settings.DONATION_PAGE = True
    settings.DONATION_AMOUNTS = [101]


def details(visitor, package, slot):
    return "/book/", visitor.choose(package, slot) | GUEST | HOME | {"name": "x\x00", "wishes": "TYPED"}


def donate(visitor, package, slot):
    visitor.get("/donate/")
    return "/donate/", {"amount": "101", "name": "TYPED", "email": "no mail address"}


def login(visitor, package, slot):
    visitor.get("/login/")
    return "/login/", {"email": "TYPED", "do": "code"}


def password(visitor, package, slot):
    visitor.get("/login/")
    return "/login/", {"email": "TYPED", "password": "wrong", "do": "password"}


def code(visitor, package, slot):
    visitor.get("/login/")
    visitor.post("/login/", {"email": "meera@example.com", "do": "code"})
    visitor.follow()
    return "/login/code/", {"code": "TYPED", "do": "check"}


def promo(visitor, package, slot):
    return visitor.begin(package, slot), {"do": "promo", "promo_code": "TYPED"}


@pytest.mark.parametrize("language", TOO_OFTEN)
@pytest.mark.parametrize("page", [details, donate, login, password, code, promo])
def test_who_sends_a_form_too_often_keeps_it(package, slot, page, language, monkeypatch):
    visitor = Visitor(headers={"Accept-Language": language})
    path, typed = page(visitor, package, slot)
    for scope in django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]:
        if scope != "user":
            monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, scope, "1/min")
    for _ in range(3):
        visitor.post(path, typed)

    assert visitor.page.status_code == 429
    assert int(visitor.page["Retry-After"]) >= 1
    assert TOO_OFTEN[language] in visitor.text
    assert "TYPED" in visitor.text


@pytest.mark.parametrize("fault", ["status_500", "status_503", "never_answer"])
def test_no_page_says_that_a_payment_may_have_gone_through_which_nobody_could_make(
    visitor, package, slot, phonepe, fault
):
    review = visitor.begin(package, slot)
    phonepe.inject_fault("pay", fault, times=99)
    phonepe.inject_fault("status", fault, times=99)
    visitor.post(review, {"do": "pay", "total": "110000"})
    pages = [(visitor.page.status_code, visitor.text)]
    link = status_url(Payment.objects.get()).removeprefix("http://testserver")
    visitor.post(link)
    pages.append((visitor.page.status_code, visitor.text))
    visitor.get("/donate/")
    visitor.post("/donate/", {"amount": "101", "name": "Meera", "email": "meera@example.com"})
    pages.append((visitor.page.status_code, visitor.text))

    for status, text in pages:
        assert status >= 500
        assert "nothing was paid by this click" in unescape(text)
        assert not re.search(r"do not know yet", text)


@pytest.mark.parametrize("fault", ["refuse", "status_503"])
def test_whoever_could_not_pay_is_told_when_paying_works_again(
    visitor, package, slot, phonepe, fault, monkeypatch
):
    review = visitor.begin(package, slot)
    User.objects.update(email_confirmed_at=timezone.now())
    phonepe.inject_fault("pay", fault, times=99)
    for _ in range(paying.FAILED_IN_A_ROW):
        monkeypatch.setattr(paying.cached, "until", 0.0)
        visitor.post(review, {"do": "pay", "total": "110000"})

    assert "We write to you when paying works again." in visitor.text
    assert visitor.text.count('class="notice') == 1
    assert PayingWatch.objects.get().user.email == GUEST["email"]
