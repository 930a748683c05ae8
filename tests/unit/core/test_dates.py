"""Months and weekdays as a reader of Hindi writes them; no English one on a Hindi page, mail or receipt."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.template import Context, Template
from django.test import Client
from django.utils import timezone
from django.utils.translation import override

from booking.models import Slot
from core.dates import spell_date, spell_moment, spell_time
from notifications.messages import write
from notifications.models import Notification
from notifications.receipt import Reversal
from notifications.receipt_pdf import render
from okpuja.build import PACKAGES
from payment.services.checkout import start_payment
from payment.services.links import offer_url, status_url
from payment.services.slot_closure import move_all
from tests.harness import ROOT
from tests.unit.notifications.pdf_pages import Pages
from tests.unit.notifications.samples import FACTS, PAPER

MONTHS = {
    "January": "जनवरी",
    "February": "फ़रवरी",
    "March": "मार्च",
    "April": "अप्रैल",
    "May": "मई",
    "June": "जून",
    "July": "जुलाई",
    "August": "अगस्त",
    "September": "सितंबर",
    "October": "अक्टूबर",
    "November": "नवंबर",
    "December": "दिसंबर",
}
# From a Monday on.
WEEKDAYS = {
    "Monday": "सोमवार",
    "Tuesday": "मंगलवार",
    "Wednesday": "बुधवार",
    "Thursday": "गुरुवार",
    "Friday": "शुक्रवार",
    "Saturday": "शनिवार",
    "Sunday": "रविवार",
}
ENGLISH_NAME = re.compile(
    r"\b(?:" + "|".join({*MONTHS, *WEEKDAYS, *(name[:3] for name in (*MONTHS, *WEEKDAYS))}) + r")\b"
)
# What spells a date by itself: Django's formats and filters, and the letters of strftime. Digits are for machines.
OWN_SPELLING = re.compile(
    r"date_format|dateformat|\|(?:date|time)\b(?!:['\"](?:c|Y-m-d|H:i:s)['\"])|%-?[aAbB]\b|:%[^}\"']*%[aAbB]"
)
SOURCES = {".py", ".html", ".txt"}
ENGLISH_ONLY = {"core/dates.py", "diagnostics/render.py"}
TIME_ALONE = re.compile(r":%H:%M\}")
# Links, forms, the API, and the opening hours as staff type them.
TIMES_FOR_PROGRAMS = {
    "backoffice/views/closing.py",
    "backoffice/views/slots.py",
    "booking/models/opening.py",
    "booking/serializers.py",
    "storefront/drafts.py",
    "storefront/templatetags/shop.py",
    "storefront/views/booking.py",
}


@pytest.mark.parametrize(("number", "english"), [*enumerate(MONTHS, start=1)])
def test_a_month_is_written_as_people_write_it(number, english):
    day = date(2026, number, 17)

    assert spell_date(day, "en") == f"17 {english} 2026"
    assert spell_date(day, "hi") == f"17 {MONTHS[english]} 2026"
    assert spell_date(day, "hi", year=False) == f"17 {MONTHS[english]}"


@pytest.mark.parametrize(("number", "english"), [*enumerate(WEEKDAYS)])
def test_a_weekday_is_written_as_people_write_it(number, english):
    day = date(2026, 11, 2) + timedelta(days=number)

    assert spell_date(day, "en", weekday=True).startswith(f"{english}, ")
    assert spell_date(day, "hi", weekday=True).startswith(f"{WEEKDAYS[english]}, ")


def test_a_moment_is_spelt_in_our_time_zone():
    evening = datetime(2026, 9, 16, 20, 0, tzinfo=UTC)

    assert spell_moment(evening, "en") == "Thursday, 17 September 2026, 1:30 AM"
    assert spell_moment(evening, "hi") == "गुरुवार, 17 सितंबर 2026, रात 1:30"
    assert (spell_date(evening, "en"), spell_time(evening, "en")) == ("17 September 2026", "1:30 AM")
    assert (spell_time(time(16, 5), "en"), spell_time(time(16, 5), "hi")) == ("4:05 PM", "शाम 4:05")


@pytest.mark.parametrize(("language", "told"), [("hi", "17 सितंबर 2026"), ("en", "17 September 2026")])
def test_without_a_language_the_active_one_is_written(language, told):
    page = Template("{% load languages %}{{ day|spell_date }}")

    with override(language):
        assert page.render(Context({"day": date(2026, 9, 17)})) == told
    with override("ta"):
        assert spell_date(date(2026, 9, 17)) == "17 September 2026"


def test_nothing_but_core_dates_spells_a_date():
    """Django's own Hindi has "सितमबर" and "गुरूवार", and strftime knows no Hindi at all."""
    folders = sorted(set(PACKAGES) - {"simulator"})
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES]
    spelling = {
        str(path.relative_to(ROOT)): found.group()
        for path in paths
        if "migrations" not in path.parts and (found := OWN_SPELLING.search(path.read_text(encoding="utf-8")))
    }
    assert {name: found for name, found in spelling.items() if name not in ENGLISH_ONLY} == {}


def test_no_sentence_writes_a_time_in_its_own_way():
    """06:00 for programs, links and forms; 6:00 AM for people."""
    folders = sorted(set(PACKAGES) - {"simulator", "diagnostics"})
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    alone = {
        str(path.relative_to(ROOT))
        for path in paths
        if "migrations" not in path.parts and TIME_ALONE.search(path.read_text(encoding="utf-8"))
    }
    assert alone <= TIMES_FOR_PROGRAMS


@pytest.mark.parametrize("kind", [*FACTS])
@pytest.mark.parametrize("month", range(1, 13))
def test_no_mail_in_hindi_names_an_english_month(kind, month):
    moment = f"2026-{month:02}-17T16:30:00+05:30"
    facts = {name: moment if is_moment(fact) else fact for name, fact in FACTS[kind].items()}
    facts |= {"offered": [moment]} if "offered" in facts else {}

    written = write(Notification(kind=kind, facts=facts, language="hi"))

    assert not ENGLISH_NAME.search(written.subject + written.text)


def is_moment(fact):
    return isinstance(fact, str) and re.match(r"\d{4}-\d\d-\d\dT", fact)


@pytest.mark.parametrize("month", range(1, 13))
def test_no_receipt_in_hindi_names_an_english_month(month):
    moment = datetime(2026, month, 17, 11, tzinfo=UTC)
    paper = replace(PAPER, received_at=moment, starts_at=moment, reversals=(Reversal(moment, 100, "R1"),))

    assert not ENGLISH_NAME.search(" ".join(Pages(render(paper, "hi")).texts()))


@pytest.mark.django_db(transaction=True)
def test_no_page_in_hindi_names_an_english_month(alice, staff, cart, slot, phonepe):
    """The page of a payment, and the page of the choice between other times."""
    near = (timezone.now() + timedelta(hours=7)).replace(minute=0, second=0, microsecond=0)
    Slot.objects.create(service=cart.puja_service, starts_at=near)  # too near to move anybody without asking
    payment = start_payment(alice, cart_id=cart.pk).payment
    phonepe.decide(payment.attempts.get().merchant_order_id)
    booked = in_hindi(status_url(payment))
    move_all(slot, "the hall is flooded", staff)

    assert spell_moment(payment.checkout.starts_at, "hi") in booked
    assert spell_moment(payment.checkout.starts_at, "hi") in in_hindi(offer_url(payment))


def in_hindi(url):
    page = (
        Client()
        .get(url.removeprefix("http://testserver"), headers={"Accept-Language": "hi"})
        .content.decode()
    )
    assert not ENGLISH_NAME.search(re.sub(r"<(script|style).*?</\1>|<[^>]+>", "", page, flags=re.DOTALL))
    return page
