"""GST: prices include it, its parts add up to the paisa, and without a GSTIN of ours nothing changes."""

import pytest
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from booking.models import PujaService
from payment.models import Receipt
from payment.services.gst import tax_within
from payment.services.outcomes import apply_status
from payment.services.receipts import receipt_document, receipt_of
from payment.services.refunds.amounts import remaining_paise
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from tests.unit.payment.services.test_credit_notes import refunded

OURS = "09AAACH7409R1ZZ"  # Uttar Pradesh
OF_THE_BUYER = "27AAPFU0939F1ZV"  # Maharashtra
RATES = st.integers(0, 9_999)
PAISE = st.integers(1, 10**12)


@given(PAISE, RATES, st.booleans())
def test_the_parts_add_up_to_the_total_and_both_halves_are_equal(total, rate, within_state):
    tax = tax_within(total, rate, within_state=within_state)
    parts = (tax.cgst_paise, tax.sgst_paise, tax.igst_paise)

    assert tax.cgst_paise == tax.sgst_paise
    assert all(part >= 0 for part in parts)
    assert (sum(parts[:2]) == 0) if not within_state else (tax.igst_paise == 0)
    taxable = total - sum(parts)
    assert taxable + sum(parts) == total
    assert taxable >= 0
    # As near to the exact tax as whole paise allow: half a paisa for each kind.
    exact = total * rate / (10_000 + rate)
    assert abs(sum(parts) - exact) <= (1 if within_state else 0.5) + 1e-3


@given(PAISE, PAISE, RATES, st.booleans())
def test_more_money_never_has_less_tax(one, more, rate, within_state):
    few, many = (tax_within(paise, rate, within_state=within_state) for paise in (one, one + more))

    assert many.cgst_paise >= few.cgst_paise
    assert many.igst_paise >= few.igst_paise


@pytest.fixture
def registered(settings):
    settings.GST_GSTIN = OURS


def pay(cart, state="Uttar Pradesh", **fields):
    cart.user.addresses.update(state=state)
    payment = make_payment(builders.make_checkout(cart, cart.user.addresses.get().pk), **fields)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return payment


@pytest.mark.django_db(transaction=True)
def test_within_our_state_the_receipt_shows_cgst_and_sgst(registered, cart):
    receipt = pay(cart).receipt

    assert (receipt.gstin, receipt.place_of_supply, receipt.sac) == (OURS, "09", "999591")
    assert (receipt.cgst_paise, receipt.sgst_paise, receipt.igst_paise) == (8_390, 8_390, 0)
    rows = dict(receipt_document(receipt_of(receipt.payment)).tax.amount_rows())
    assert rows == {"Taxable value": "₹932.20", "CGST 9 %": "₹83.90", "SGST 9 %": "₹83.90"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("state", "place"), [("Bihar", "10"), ("Delhi", "07")])
def test_between_states_it_shows_igst(registered, cart, state, place):
    receipt = pay(cart, state=state).receipt

    assert (receipt.place_of_supply, receipt.igst_paise, receipt.cgst_paise) == (place, 16_780, 0)
    rows = dict(receipt_document(receipt_of(receipt.payment)).tax.amount_rows())
    assert rows == {"Taxable value": "₹932.20", "IGST 18 %": "₹167.80"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("gstin", "place"), [(OF_THE_BUYER, "27"), ("", "09")])
def test_the_buyers_gstin_decides_about_the_place_of_supply(registered, cart, gstin, place):
    receipt = pay(cart, buyer_gstin=gstin).receipt

    assert (receipt.buyer_gstin, receipt.place_of_supply) == (gstin, place)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["Bavaria", "U. P. or so"])
def test_a_state_that_nobody_knows_is_supplied_where_we_are(registered, cart, state):
    assert pay(cart, state=state).receipt.place_of_supply == "09"


@pytest.mark.django_db(transaction=True)
def test_a_puja_may_have_a_service_code_of_its_own(registered, cart):
    PujaService.objects.update(sac="998599")

    assert pay(cart).receipt.sac == "998599"


@pytest.mark.django_db(transaction=True)
def test_a_donation_pays_for_nothing_and_is_not_taxed(registered):
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")

    assert (payment.receipt.gstin, payment.receipt.tax_paise) == ("", 0)
    assert receipt_document(receipt_of(payment)).tax is None


@pytest.mark.django_db(transaction=True)
def test_without_a_gstin_of_ours_nothing_is_taxed(cart):
    receipt = pay(cart, buyer_gstin=OF_THE_BUYER).receipt

    assert (receipt.gstin, receipt.buyer_gstin, receipt.tax_paise) == ("", "", 0)
    assert receipt_document(receipt_of(receipt.payment)).tax is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("state", ["Uttar Pradesh", "Bihar", "Delhi"])
def test_credit_notes_of_parts_add_up_to_the_tax_of_the_receipt(registered, cart, settings, state):
    payment = pay(cart, state=state)
    parts = [33_333, 33_333, 11_111, 1_001]
    notes = [refunded(payment, paise).credit_note for paise in parts]
    settings.GST_GSTIN = ""  # what the receipt says counts, whatever the settings say by then
    notes.append(refunded(payment, remaining_paise(payment.attempts.get())).credit_note)

    receipt = payment.receipt
    for kind in ("cgst_paise", "sgst_paise", "igst_paise", "total_paise"):
        assert sum(getattr(note, kind) for note in notes) == getattr(receipt, kind)
    assert all(note.cgst_paise == note.sgst_paise for note in notes)


@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_a_tax_of_two_kinds_and_one_without_a_gstin(registered, cart):
    receipt = Receipt.objects.filter(pk=pay(cart).receipt.pk)
    for wrong in (
        {"igst_paise": 1},
        {"cgst_paise": 1},
        {"gstin": ""},
        {"cgst_paise": 10**9, "sgst_paise": 10**9},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            receipt.update(**wrong)


@pytest.mark.django_db(transaction=True)
def test_the_gstin_of_a_click_is_on_the_receipt_and_a_mistyped_one_is_refused(
    registered, alice, cart, api, phonepe
):
    client = api(alice)
    url = "/api/payments/payments/process-cart/"
    refused = client.post(url, {"cart_id": cart.pk, "gstin": "27AAPFU0939F1ZW"}, format="json")
    opened = client.post(url, {"cart_id": cart.pk, "gstin": "27aapfu0939f1zv"}, format="json")

    assert (refused.status_code, "gstin" in refused.json()) == (400, True)
    assert opened.status_code == 201
    payment = alice.payments.get()
    assert payment.buyer_gstin == OF_THE_BUYER
    client.post(url, {"cart_id": cart.pk, "gstin": ""}, format="json")
    payment.refresh_from_db()
    assert payment.buyer_gstin == ""
