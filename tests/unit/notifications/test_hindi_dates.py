"""No English month or weekday stands in what a Hindi reader gets: every mail, every short message, the receipt."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from notifications.message_sender import TEXTS, write_text
from notifications.messages import write
from notifications.models import Notification
from notifications.receipt import Reversal
from notifications.receipt_pdf import render
from tests.unit.notifications.pdf_pages import Pages
from tests.unit.notifications.samples import FACTS, PAPER

MONTHS = "January February March April May June July August September October November December"
MONTHS_IN_HINDI = [
    "जनवरी",
    "फ़रवरी",
    "मार्च",
    "अप्रैल",
    "मई",
    "जून",
    "जुलाई",
    "अगस्त",
    "सितंबर",
    "अक्टूबर",
    "नवंबर",
    "दिसंबर",
]
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"
SHORT = "Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec Mon Tue Wed Thu Fri Sat Sun"
# Words of the facts themselves, which are names of people and pujas, are none of these.
ENGLISH = re.compile(rf"\b({'|'.join(f'{MONTHS} {WEEKDAYS} {SHORT}'.split())})\b")
# So that each month and each weekday is written once.
STARTS = [f"2026-{month:02}-{month + 1:02}T10:30:00+05:30" for month in range(1, 13)]


def in_month(facts, start):
    """The same facts with all their moments in another month."""
    moved = {
        name: start if re.match(r"\d{4}-\d\d-\d\dT", str(fact)) else fact for name, fact in facts.items()
    }
    return moved | ({"offered": [start]} if "offered" in facts else {})


@pytest.mark.parametrize("kind", sorted(FACTS))
def test_no_mail_has_an_english_month_or_weekday(kind):
    for start in STARTS:
        message = write(Notification(kind=kind, facts=in_month(FACTS[kind], start), language="hi"))
        # Addresses and styles of the HTML form are no text of a reader; both forms say the same.
        found = ENGLISH.search(f"{message.subject}\n{message.text}")
        assert found is None, (found, message.text)


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_no_short_message_has_one(kind):
    facts = dict.fromkeys(("starts_at", "wanted_at", "until"), STARTS[0])
    for start in STARTS:
        told = in_month(facts | {"puja": "गणेश पूजा", "book_id": "BK-1"}, start)
        message = write_text(
            Notification(kind=kind, facts=told, language="hi", message_id="1"), "+919876543210"
        )
        assert ENGLISH.search(message.text) is None, message.text


def test_the_receipt_has_the_hindi_month_at_each_of_its_three_dates():
    """A reader of PDF finds Latin letters as shapes, and Devanagari as text: the right month is looked for."""
    for start, month in zip(STARTS, MONTHS_IN_HINDI, strict=True):
        moment = datetime.fromisoformat(start).astimezone(UTC)
        reversals = (Reversal(moment, 100, "REF-1"),)
        paper = replace(PAPER, received_at=moment, starts_at=moment, reversals=reversals)
        text = " ".join(Pages(render(paper, "hi")).texts())
        assert text.count(month) == 3, text


def test_the_list_finds_an_english_month():
    facts = in_month(FACTS["reminder"], STARTS[9])
    assert ENGLISH.search(write(Notification(kind="reminder", facts=facts, language="en")).text)
