"""The receipt as a PDF: who paid reads their own name on it, and its amounts add up."""

import logging
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from notifications.receipt import ReceiptDocument, Reversal
from notifications.receipt_pdf import render
from tests.unit.notifications.pdf_pages import Pages
from tests.unit.notifications.recipients import PEOPLE
from tests.unit.notifications.samples import PAPER


def texts(paper, language="en"):
    return "".join(Pages(render(paper, language)).texts())


@pytest.mark.parametrize("language", ["en", "hi", "xx"])
def test_a_receipt_is_a_pdf_and_the_same_at_every_print(language):
    first = render(PAPER, language)

    assert first.startswith(b"%PDF-")
    assert first == render(PAPER, language)


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "hi"])
@pytest.mark.parametrize(
    ("tongue", "script", "name", "address"), [each for each in PEOPLE if each[1] not in ("Latn", "Arab")]
)
def test_names_addresses_and_titles_stand_in_their_own_script(tongue, script, name, address, language):
    paper = replace(PAPER, payer=f"{name}, a@example.com", address=address, item=f"Puja {name}")
    found = texts(paper, language)

    words = f"{name} {address}".replace(",", " ").split()
    assert [word for word in words if word.strip("0123456789") and word not in found] == []
    assert found.count(name.split()[0]) >= 2


def test_all_scripts_stand_on_one_receipt(caplog):
    paper = replace(PAPER, address=", ".join(address for _, _, _, address in PEOPLE))
    with caplog.at_level(logging.WARNING, "notifications.receipt_pdf"):
        pages = Pages(render(paper, "en"))

    fonts = {shown.font for shown in pages.shown() if any(shown.outlines)}
    assert len(fonts) == 14  # Latin and Devanagari, regular and bold; eleven more scripts; rare Latin letters
    assert not caplog.records


def test_the_issuer_may_write_its_name_in_its_own_script(settings):
    settings.RECEIPT_ISSUER = ["ஸ்ரீ கோவில்", "மதுரை"]

    assert "ஸ்ரீ" in texts(PAPER)


def test_what_has_no_glyph_is_said_on_the_paper_and_in_the_log(caplog):
    with caplog.at_level(logging.WARNING, "notifications.receipt_pdf"):
        pages = Pages(render(replace(PAPER, payer="राम 😀 王"), "hi"))

    replaced = [
        drawn for shown in pages.shown() if shown.font == "NotoSans" for drawn in filter(None, shown.outlines)
    ]
    assert len(replaced) == 3  # twice in the name, and where it is explained
    assert len(set(replaced)) == 1
    assert "छप नहीं सकते" in "".join(pages.texts())
    (record,) = caplog.records
    assert record.characters == ["U+1F600", "U+738B"]
    assert record.receipt == PAPER.number


@pytest.mark.parametrize(
    "name", ["\u202eRam\u202c", "Z" + "\u0301" * 100, "\x00\x07Ram", "\ud800", "र" * 300, "x " * 300, ""]
)
def test_whatever_people_call_themselves_the_receipt_is_drawn(name):
    assert render(replace(PAPER, payer=name), "hi").startswith(b"%PDF-")


def test_amounts_that_do_not_add_up_are_no_receipt():
    with pytest.raises(ValueError, match="add up"):
        replace(PAPER, total_paise=PAPER.total_paise - 1)


def test_a_difference_to_what_was_agreed_has_a_line_of_its_own():
    paper = replace(PAPER, difference_paise=-10_000, total_paise=PAPER.total_paise - 10_000)

    assert "तय राशि से अंतर" in texts(paper, "hi")
    assert "तय राशि से अंतर" not in texts(PAPER, "hi")


def test_what_went_back_and_what_is_left_stand_under_what_came():
    back = (Reversal(datetime(2026, 11, 29, tzinfo=timezone.utc), 100_000, "R1"),)
    paper = replace(PAPER, reversals=back, is_cancelled=True)

    assert paper.left_paise == PAPER.total_paise - 100_000
    found = texts(paper, "hi")
    assert "को लौटाई गई" in found
    assert "लौटाने के बाद शेष" in found
    assert "रद्द" in found


def test_a_donation_has_no_time_and_no_discount():
    donation = ReceiptDocument(
        number="OKP/26-27/000001",
        received_at=PAPER.received_at,
        simulated=True,
        payer="guest",
        address="",
        item="",
        starts_at=None,
        price_paise=5_100,
        discount_paise=0,
        total_paise=5_100,
        reference="OKP-1",
        transaction="T1",
        utr="",
    )

    found = texts(donation, "hi")
    assert "भेंट" in found
    assert "यह रसीद नहीं है" in found
    assert "छूट" not in found
