"""The page: rows that wrap, amounts that end at one edge, pages that follow when one is full."""

import pytest

from notifications.pdf_document import LEFT, WIDTH, PdfDocument
from notifications.typesetting import set_line
from tests.unit.notifications.pdf_pages import Pages
from tests.unit.notifications.recipients import PEOPLE

POINTS = 72 / 25.4
SIZE = 11


def pages_of(*rows, **how):
    pdf = PdfDocument()
    pdf.add_rows(list(rows), **how)
    return Pages(pdf.to_bytes())


def test_amounts_end_at_the_right_edge_whatever_stands_before_them():
    amounts = ["₹1.00", "– ₹1,490.00", "₹1,48,410.00"]
    rows = [(PEOPLE[8 + number][2], amount) for number, amount in enumerate(amounts)]
    shown = list(pages_of(*rows, is_amounts=True).shown())

    edge = (LEFT + WIDTH) * POINTS
    starts = [edge - set_line(amount, is_bold=False).width * SIZE / 1000 for amount in amounts]
    for start in starts:
        assert any(each.x == pytest.approx(start, abs=0.02) for each in shown)


def test_a_long_value_wraps_beside_its_label_and_nothing_leaves_the_page():
    address = " ".join(address for _, _, _, address in PEOPLE)
    shown = list(pages_of(("Address", address)).shown())

    assert len({each.y for each in shown}) > 4
    assert min(each.x for each in shown) >= LEFT * POINTS - 1
    assert max(each.x for each in shown) <= (LEFT + WIDTH) * POINTS


def test_what_does_not_fit_on_a_page_goes_on_on_the_next():
    pages = pages_of(*[(f"Row {number}", "word " * 30) for number in range(30)])

    assert len(pages.numbers) > 1
    assert all(LEFT * POINTS <= each.y <= (297 - LEFT) * POINTS for each in pages.shown())


def test_a_row_without_a_value_is_left_out():
    assert not list(pages_of(("Discount", "")).shown())


def test_fonts_are_read_when_a_letter_needs_them():
    pdf = PdfDocument()
    pdf.add_rows([("Received from", "Radhika राधिका")])
    assert list(pdf.fonts) == ["regular"]

    pdf.add_rows([("Received from", "ராதிகா")], style="B")
    assert list(pdf.fonts) == ["regular", "bold", "tamil"]


def test_a_placeholder_of_the_library_is_text():
    pages = pages_of(("Received from", "{nb} **bold** __x__"))
    drawn = [each for shown in pages.shown() for each in shown.outlines]

    assert len(drawn) == len("Received from") + len("{nb} **bold** __x__")


def test_what_cannot_be_written_is_gathered():
    pdf = PdfDocument()
    pdf.add_rows([("Received from 😀", "王 😀")])

    assert list(pdf.missing_characters) == ["😀", "王"]


def test_a_font_file_is_read_once_in_a_process(monkeypatch):
    pages_of(("Received from", "Radhika"))
    monkeypatch.setattr("notifications.font_embedding.FONTS", "gone")

    assert pages_of(("Received from", "Meera")).numbers
