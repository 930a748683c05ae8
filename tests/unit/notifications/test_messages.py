"""Every message in both languages and both forms; what people may write about themselves does no harm in it."""

import re

import pytest
from django.conf import settings

from accounts.models import User
from notifications.alerts import SENTENCES, sentence_of
from notifications.messages import Unwritable, write
from notifications.models import Notification
from tests.unit.notifications.samples import FACTS, notifications

DEVANAGARI = re.compile("[\u0900-\u097f]")
ROWS = list(notifications())
NAMES = [notification.key for notification in ROWS]
# They have neither a code nor an amount.
WITHOUT_AMOUNT = {"registered", "paying_works", "waiting_offer", "waiting_over"}
WITHOUT_AMOUNT |= {"priest_assigned", "priest_moved", "priest_freed"}
LINK = "https://shop.example/pay/token/"


def letter(kind="booked", user=None, language="en", link="", **facts):
    return write(Notification(kind=kind, facts=FACTS[kind] | facts, user=user, language=language), link)


@pytest.mark.parametrize("notification", ROWS, ids=NAMES)
def test_both_forms_say_the_same(notification):
    written = write(notification, LINK)

    assert "\n" not in written.subject
    for form in (written.text, written.html):
        if notification.kind not in WITHOUT_AMOUNT:
            assert notification.facts.get("code", "₹1,48,410.00") in form
        assert LINK in form
        assert "{{" not in form
        assert "\x00" not in form


def test_every_message_has_a_sample():
    templates = (settings.BASE_DIR / "notifications/templates/notifications/messages").glob("*.txt")
    assert {each.stem for each in templates} == {*FACTS, "alert"}


@pytest.mark.parametrize("kind", FACTS)
def test_the_words_are_in_the_readers_language(kind):
    assert not DEVANAGARI.search(letter(kind).text)
    hindi = letter(kind, language="hi")
    assert DEVANAGARI.search(hindi.subject)
    assert '<html lang="hi">' in hindi.html


def test_a_language_we_do_not_write_is_answered_in_english():
    assert letter(language="ta").subject == letter().subject


def test_a_name_cannot_bring_html_along():
    written = letter(user=User(first_name="<script>alert(1)</script>"), puja="<b>Katha</b>")

    assert "<script>" not in written.html
    assert "&lt;b&gt;Katha&lt;/b&gt;" in written.html
    assert "<b>Katha</b>" in written.text


def test_an_ampersand_is_written_as_such():
    written = letter(puja="Ganesh & Lakshmi Puja")

    assert written.subject == "Booking BK-7KQ2MN4T confirmed: Ganesh & Lakshmi Puja"
    assert "and Ganesh & Lakshmi Puja is booked" in written.text
    assert "and Ganesh &amp; Lakshmi Puja is booked" in written.html


def test_a_title_cannot_begin_another_header():
    assert letter(puja="Katha\nBcc: all@example.com").subject.endswith("Katha Bcc: all@example.com")


def test_a_simulated_payment_says_so_in_the_subject():
    written = letter(simulated=True)

    assert written.subject.startswith("[SIMULATION] ")
    assert "no money has moved" in written.text
    assert "no money has moved" in written.html


def test_midnight_in_india_is_the_next_day_there():
    assert "Sunday, 29 November 2026, 12:00 AM" in letter(starts_at="2026-11-28T18:30:00+00:00").text


def test_without_a_link_there_is_no_button():
    assert "<a " not in letter().html


@pytest.mark.parametrize("missing", ["book_id", "amount_paise", "puja", "starts_at"])
def test_a_letter_with_a_hole_is_not_written(missing):
    with pytest.raises(Unwritable):
        letter(**{missing: None})


@pytest.mark.parametrize("rule", [*SENTENCES, "a_rule_of_tomorrow"])
def test_an_alert_is_a_sentence(rule):
    assert sentence_of({"rule": rule})[0].isupper()
