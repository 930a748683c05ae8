"""The receipt of a payment: owed with the money, numbered without gaps, written as PDF whenever it is asked for."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from booking.models import Booking
from notices.receipt import Paper, render
from payment.models import LedgerEntry, Payment, Receipt, ReceiptCounter
from payment.models.receipts import financial_year

ADDRESS = ("address_line1", "address_line2", "city", "state", "postal_code")


def owe_receipt(payment: Payment) -> None:
    """In the transaction that takes the money; twice is once."""
    series = Receipt.Series.SIMULATION if payment.simulated else Receipt.Series.MONEY
    received_at = payment.decided_at or timezone.now()
    receipt = Receipt(
        payment=payment, series=series, year=financial_year(received_at), received_at=received_at
    )
    Receipt.objects.bulk_create([receipt], ignore_conflicts=True)


@transaction.atomic
def number_receipt(receipt_id: int) -> Receipt:
    """With its number, given now or before. In a transaction of its own, as short as can be.

    Whoever is between the two updates makes all others of the year wait; who fails gives the number back.
    """
    receipt = Receipt.objects.select_for_update(no_key=True).get(pk=receipt_id)
    if receipt.number is None:
        receipt.number = _next_number(receipt.series, receipt.year)
        receipt.save(update_fields=["number"])
    return receipt


def number_waiting(limit: int) -> int:
    """Oldest first; returns how many were waiting."""
    waiting = Receipt.objects.filter(number=None).order_by("id").values_list("pk", flat=True)
    ids = list(waiting[:limit])
    for receipt_id in ids:
        number_receipt(receipt_id)
    return len(ids)


def receipt_of(payment: Payment) -> Receipt | None:
    """Numbered; None when no money came for this payment."""
    receipt_id = Receipt.objects.filter(payment=payment).values_list("pk", flat=True).first()
    return number_receipt(receipt_id) if receipt_id else None


def pdf(receipt: Receipt, language: str) -> tuple[str, bytes]:
    """File name and content, drawn anew whenever it is asked for, with the time and the name of that day."""
    return f"receipt-{str(receipt).replace('/', '-')}.pdf", render(paper_of(receipt), language)


def _next_number(series: str, year: int) -> int:
    counter = ReceiptCounter.objects.filter(series=series, year=year)
    ReceiptCounter.objects.bulk_create([ReceiptCounter(series=series, year=year)], ignore_conflicts=True)
    counter.update(last=F("last") + 1)
    return counter.get().last


def paper_of(receipt: Receipt) -> Paper:
    """What came, which staff may have accepted though another amount was agreed."""
    payment, checkout = receipt.payment, receipt.payment.checkout
    entry = payment.ledger.select_related("attempt").get(kind=LedgerEntry.Kind.RECEIPT)
    booking = Booking.objects.filter(checkout=checkout).first() if checkout else None
    cart = checkout.snapshot if checkout else {}
    address = (checkout.address or {}) if checkout else {}
    return Paper(
        number=str(receipt),
        received_at=receipt.received_at,
        simulated=receipt.series == Receipt.Series.SIMULATION,
        payer=_payer(payment),
        address=", ".join(filter(None, (address.get(part) for part in ADDRESS))),
        item=cart.get("puja_service", {}).get("title", ""),
        starts_at=(booking or checkout).starts_at if checkout else None,
        price_paise=checkout.price_paise if checkout else entry.amount_paise,
        discount_paise=checkout.discount_paise if checkout else 0,
        total_paise=entry.amount_paise,
        difference_paise=entry.amount_paise - checkout.total_paise if checkout else 0,
        reference=payment.reference,
        transaction=entry.attempt.provider_transaction_id or entry.attempt.provider_order_id,
        utr=entry.attempt.utr,
    )


def _payer(payment: Payment) -> str:
    if payment.user is None:
        return payment.payer_reference
    return ", ".join(filter(None, (payment.user.full_name, payment.user.email)))
