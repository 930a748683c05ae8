"""The receipt of a payment and the credit note of a refund: created with the money, numbered without gaps.

A receipt is drawn as PDF once and stored. Credit notes are few, and drawn whenever somebody asks for one.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.pan_cards import KeyIsMissing, mask
from booking.models import Booking, Checkout
from core.compiled import CompiledRead, CompiledValues
from core.databases import (
    Write,
    insert_rows,
    last_writes,
    read_together,
    update_row,
    write_returning,
    write_together,
)
from core.errors import Unavailable
from core.language import ENGLISH, Text, localized, supported_language
from core.texts import safe_line
from core.waiting import WaitSlots, wait_for
from notifications.receipt import CreditNoteDocument, ReceiptDocument, Reversal, TaxLines, digest
from payment.gateways import OrderStatus
from payment.models import (
    PAYING,
    CreditNote,
    Donation,
    DrawnReceipt,
    LedgerEntry,
    Payment,
    PaymentAttempt,
    Receipt,
    ReceiptCounter,
    Refund,
)
from payment.models.receipts import financial_year
from payment.services.donations import pan_of
from payment.services.gst import tax_of_credit_note, tax_of_receipt
from payment.services.leases import hold_lease
from payment.states import Fulfilment, RefundState

Paper = TypeVar("Paper", Receipt, CreditNote)

PAID_BY: dict[str, Text] = {LedgerEntry.Kind.CASH: _("cash"), LedgerEntry.Kind.TRANSFER: _("bank transfer")}
BACKLOG = 5  # so many receipts beside one are numbered together with it
LATELY = timedelta(days=31)
CLOCKS_DIFFER = timedelta(seconds=60)
ADDRESS = ("address_line1", "address_line2", "city", "state", "postal_code")
# Drawing takes a processor for a moment: one at a time in each process, so that the other threads go on.
drawing_slots = WaitSlots(1)
DRAWING = "receipt drawings"  # kind of the lease: no two processes draw the same one
ONCE = "ON CONFLICT (receipt_id, language) DO NOTHING"
DRAWING_LEASE = timedelta(seconds=20)
READER_WAITS = 3  # seconds
MAIL_WAITS = 25  # seconds; nobody waits for the mail, and it outlasts the lease of a dead process


class ReceiptBusy(Unavailable):
    default_code = "receipt_busy"
    default_detail = _("Your receipt is being made. Please try again in a few seconds.")


def paid_at(attempt: PaymentAttempt, answer: OrderStatus, now: datetime) -> datetime:
    """When the money came: PhonePe's time, if it can be true, else `now`.

    Nobody pays before the order is opened, or in the future; clocks may differ by a minute.
    """
    moment = answer.paid_at
    if moment is None or not attempt.created_at - CLOCKS_DIFFER <= moment <= now + CLOCKS_DIFFER:
        return now
    return min(moment, now)


def create_receipt(payment: Payment) -> None:
    """In the transaction that takes the money, after its ledger entry; twice is once.

    Dated by the money: staff may accept in April what came in March, the year before.
    """
    entry = _receipt_entry(payment)
    received_at = entry.attempt.paid_at or entry.attempt.decided_at or entry.created_at
    receipt = build_receipt(payment, received_at, entry.amount_paise)
    # Not `ignore_conflicts`: on SQLite that ignores a receipt that a constraint refuses, too.
    if not Receipt.objects.filter(payment=payment).exists():
        receipt.save(force_insert=True)


def build_receipt(payment: Payment, received_at: datetime, total_paise: int) -> Receipt:
    """The row without its number, not written yet."""
    checkout = payment.checkout
    price, discount = (checkout.price_paise, checkout.discount_paise) if checkout else (total_paise, 0)
    return Receipt(
        payment=payment,
        series=_series(payment),
        year=financial_year(received_at),
        received_at=received_at,
        price_paise=price,
        discount_paise=discount,
        difference_paise=total_paise - (price - discount),
        total_paise=total_paise,
        **tax_of_receipt(checkout, payment.buyer_gstin, total_paise),
    )


def create_credit_note(refund: Refund, returned_paise: int) -> None:
    """In the transaction that completes the refund, after its ledger entry; twice is once.

    Of money that a receipt was given for. What was paid twice or by mistake had none: its note corrects no receipt,
    and has no tax in it.
    """
    if CreditNote.objects.filter(refund=refund).exists():
        return
    receipt = None
    if refund.attempt.ledger.filter(kind__in=PAYING).exists():
        receipt = Receipt.objects.get(payment=refund.payment)
    issued_at = refund.decided_at or timezone.now()
    CreditNote.objects.create(
        refund=refund,
        receipt=receipt,
        series=CreditNote.Series.SIMULATION if refund.attempt.simulated else CreditNote.Series.MONEY,
        year=financial_year(issued_at),
        issued_at=issued_at,
        total_paise=returned_paise,
        **(tax_of_credit_note(receipt, returned_paise) if receipt else {}),
    )


def refunds_without_note(now: datetime) -> QuerySet[Refund]:
    """Completed lately, and without their credit note: code of an older release has completed them."""
    lately = Refund.objects.filter(state=RefundState.COMPLETED, decided_at__gte=now - LATELY)
    notes = CreditNote.objects.filter(refund=OuterRef("pk"))  # an outer join would read all of them
    return lately.filter(~Exists(notes)).order_by("decided_at", "pk")


@transaction.atomic
def create_missing_credit_note(refund_id: int) -> None:
    """The ledger says what went back."""
    refund = Refund.objects.select_related("attempt", "payment__checkout").get(pk=refund_id)
    entry = LedgerEntry.objects.get(kind=LedgerEntry.Kind.REFUND, reference=refund.merchant_refund_id)
    create_credit_note(refund, -entry.amount_paise)


def _series(payment: Payment) -> Receipt.Series:
    """Donations of the API, which say nothing about their donor, stay in the series in which they have always been."""
    if payment.simulated:
        return Receipt.Series.SIMULATION
    return Receipt.Series.DONATION if _donation_of(payment) else Receipt.Series.MONEY


def number_receipt(receipt_id: int, at_once: int = 1) -> Receipt:
    """Gives the receipt its number, if it has none; see `_number`."""
    return _number(Receipt, receipt_id, at_once)


def number_credit_note(note_id: int, at_once: int = 1) -> CreditNote:
    """Gives the credit note its number, if it has none; see `_number`."""
    return _number(CreditNote, note_id, at_once)


def _number(model: type[Paper], paper_id: int, at_once: int) -> Paper:
    """The paper with its number. In a transaction of its own, as short as possible.

    The counter is locked from its update to the commit, so all others of the year wait. So the worker numbers a
    backlog of the year together, up to `at_once`, without those that another transaction numbers. A rollback frees
    the numbers.
    """
    with last_writes() as writes:
        locked, others = _lock_papers(model, paper_id, at_once)
        # Without it, others of the backlog are numbered before its transaction is waited for: no worker is idle.
        paper = locked or model._default_manager.get(pk=paper_id)
        if paper.number is not None:
            return paper
        batch = [locked] if locked else []
        if len(others) >= BACKLOG:
            batch = sorted(batch + others, key=lambda each: each.pk)
        if batch:
            writes += _give_numbers(model, batch)
    return paper if locked else _number(model, paper_id, at_once=1)


def _lock_papers(model: type[Paper], paper_id: int, at_once: int) -> tuple[Paper | None, list[Paper]]:
    """The paper, and others of its year without a number. One alone is waited for."""
    papers: list[Paper]
    others: list[Paper] = []
    if at_once == 1:
        [papers] = read_together(_locked_papers(model).query(paper_id))
    else:
        papers, others = read_together(
            _locked_papers(model, skip_locked=True).query(paper_id),
            _locked_backlog(model, at_once - 1).query(paper_id),
        )
    return next(iter(papers), None), others


@cache
def _locked_papers(model: type[Paper], *, skip_locked: bool = False) -> CompiledRead[[int], Paper]:
    def build(paper_id: int) -> QuerySet[Paper]:
        papers = model._default_manager.select_for_update(no_key=True, skip_locked=skip_locked)
        return papers.filter(pk=paper_id)

    return CompiledRead(build)


@cache
def _locked_backlog(model: type[Paper], most: int) -> CompiledRead[[int], Paper]:
    def build(paper_id: int) -> QuerySet[Paper]:
        papers = model._default_manager
        same = {name: Subquery(papers.filter(pk=paper_id).values(name)) for name in ("series", "year")}
        waiting = papers.filter(number=None, **same).exclude(pk=paper_id).order_by("pk")
        return waiting.select_for_update(no_key=True, skip_locked=True)[:most]

    return CompiledRead(build)


def _give_numbers(model: type[Paper], batch: list[Paper]) -> list[Write]:
    """The next ones of their year, which all of them share, and what writes them."""
    counter = ReceiptCounter(series=batch[0].series, year=batch[0].year, last=len(batch))
    counted = "ON CONFLICT (series, year) DO UPDATE SET last = payment_receiptcounter.last + excluded.last"
    written = write_returning(insert_rows(counter, conflict=f"{counted} RETURNING last"))
    assert written is not None  # noqa: S101 - new or counted
    for number, each in enumerate(batch, written[0] - len(batch) + 1):
        each.number = number
    return [update_row(model, {"id": each.pk}, {"number": each.number}) for each in batch]


def receipt_of(payment: Payment) -> Receipt | None:
    """Numbered; None when no money came for this payment. A missing receipt is created now."""
    receipt = _receipts_of_payment.first(payment.pk)
    if receipt is None and payment.ledger.filter(kind__in=PAYING).exists():
        create_receipt(payment)
        receipt = _receipts_of_payment.first(payment.pk)
    if receipt is not None and receipt.number is None:
        receipt = number_receipt(receipt.pk)
    if receipt is not None:
        receipt.payment = payment
    return receipt


@CompiledRead
def _receipts_of_payment(payment_id: int) -> QuerySet[Receipt]:
    return Receipt.objects.filter(payment=payment_id)


def pdf(receipt: Receipt, language: str, wait_seconds: float = READER_WAITS) -> tuple[str, bytes]:
    """File name and content. It is drawn when it is not stored yet, and when what stands on it has changed since.

    Raises ReceiptBusy when others are drawing for longer than `wait_seconds`, and Unwritable.
    """
    language = supported_language(language)
    document = receipt_document(receipt, language)
    content = wait_for(partial(_find_or_draw, receipt, document, language), wait_seconds)
    if content is None:
        raise ReceiptBusy
    return f"receipt-{str(receipt).replace('/', '-')}.pdf", content


def _find_or_draw(receipt: Receipt, document: ReceiptDocument, language: str) -> bytes | None:
    """None while another request or process draws it, or this process draws another one."""
    drawn = _drawings.first(receipt.pk, language)
    if drawn is None:  # `get_or_create` opens a transaction
        drawn = DrawnReceipt(receipt=receipt, language=language)
        if write_together([insert_rows(drawn, conflict=ONCE)]) == [0]:  # another request was faster
            drawn = _drawings.get(receipt.pk, language)
    current = digest(document, language)
    if drawn.content is not None and drawn.digest == current:
        return bytes(drawn.content)
    with drawing_slots.reserve() as is_free:
        return _draw(drawn, document, current) if is_free else None


@CompiledRead
def _drawings(receipt_id: int, language: str) -> QuerySet[DrawnReceipt]:
    return DrawnReceipt.objects.filter(receipt=receipt_id, language=language)


def _draw(drawn: DrawnReceipt, document: ReceiptDocument, current: str) -> bytes | None:
    """Draws and stores it under its lease, unless another process has stored it. None while another has the lease."""
    with hold_lease(DRAWING, drawn.pk, DRAWING_LEASE) as is_ours:
        stored = _contents.first(drawn.pk, current)
        if stored is not None and stored[0] is not None:
            return bytes(stored[0])
        if not is_ours:
            return None
        # Not at the top: fpdf2 takes a quarter of a second to import, and most processes draw no receipt.
        from notifications.receipt_pdf import render  # noqa: PLC0415

        content = render(document, drawn.language)
        drawn_now = {"content": content, "digest": current, "drawn_at": timezone.now()}
        write_together([update_row(DrawnReceipt, {"id": drawn.pk}, drawn_now)])
        return content


@CompiledValues
def _contents(drawn_id: int, digest: str) -> QuerySet[DrawnReceipt, Any]:
    return DrawnReceipt.objects.filter(pk=drawn_id, digest=digest).values_list("content")


def credit_note_pdf(note: CreditNote, language: str) -> tuple[str, bytes]:
    """File name and content of a numbered credit note. Raises ReceiptBusy while this process draws another paper for
    long, and Unwritable."""
    from notifications.receipt_pdf import render_credit_note  # noqa: PLC0415 - as in `_draw`

    language = supported_language(language)
    document = _credit_note_document(note, language)

    def draw() -> bytes | None:
        with drawing_slots.reserve() as is_free:
            return render_credit_note(document, language) if is_free else None

    content = wait_for(draw, READER_WAITS)
    if content is None:
        raise ReceiptBusy
    return f"credit-note-{str(note).replace('/', '-')}.pdf", content


def _credit_note_document(note: CreditNote, language: str) -> CreditNoteDocument:
    refund, payment = note.refund, note.refund.payment
    checkout = payment.checkout
    return CreditNoteDocument(
        number=str(note),
        issued_at=note.issued_at,
        simulated=note.series == CreditNote.Series.SIMULATION,
        receipt_number=str(number_receipt(note.receipt.pk)) if note.receipt else "",
        received_at=note.receipt.received_at if note.receipt else None,
        payer=_payer(payment, _donation_of(payment)),
        address=_address(checkout),
        item=localized(checkout, "puja_title", language) if checkout else "",
        total_paise=note.total_paise,
        reference=refund.merchant_refund_id,
        payment_reference=payment.reference,
        utr=refund.utr,
        tax=_tax_lines(note),
    )


def _donation_of(payment: Payment) -> Donation | None:
    """Of the donation page."""
    return Donation.objects.filter(payment=payment).first() if payment.checkout_id is None else None


def _payer(payment: Payment, donation: Donation | None) -> str:
    """A donor is called as they want to be called on the receipt, also when they were signed in."""
    name, email = safe_line(payment.payer_reference), donation.email if donation else ""
    if payment.user is not None:
        name = name if donation else safe_line(payment.user.full_name)
        email = payment.user.email
    return ", ".join(filter(None, (name, email)))


def _address(checkout: Checkout | None) -> str:
    address = checkout.agreed_address if checkout else None
    return ", ".join(filter(None, (safe_line(getattr(address, part, "")) for part in ADDRESS)))


def _tax_lines(paper: Receipt | CreditNote) -> TaxLines | None:
    """None: no tax is in it, and nothing about tax stands on the paper."""
    if not paper.gstin:
        return None
    return TaxLines(
        gstin=paper.gstin,
        buyer_gstin=paper.buyer_gstin,
        sac=paper.sac,
        place_of_supply=paper.place_of_supply,
        basis_points=paper.gst_basis_points,
        taxable_paise=paper.taxable_paise,
        cgst_paise=paper.cgst_paise,
        sgst_paise=paper.sgst_paise,
        igst_paise=paper.igst_paise,
    )


def receipt_document(receipt: Receipt, language: str = ENGLISH) -> ReceiptDocument:
    payment, checkout = receipt.payment, receipt.payment.checkout
    paid_by, booking = _paying_entries.one(payment.pk), None
    if checkout is None:
        [entry] = read_together(paid_by)
    else:
        entry, bookings = read_together(paid_by, _bookings_of_checkout.query(checkout.pk))
        booking = next(iter(bookings), None)
    donation = _donation_of(payment)
    return ReceiptDocument(
        number=str(receipt),
        received_at=receipt.received_at,
        simulated=receipt.series == Receipt.Series.SIMULATION,
        payer=_payer(payment, donation),
        address=_address(checkout),
        item=localized(checkout, "puja_title", language) if checkout else "",
        starts_at=_starts_at(payment, booking),
        is_cancelled=booking is not None and booking.status == Booking.Status.CANCELLED,
        price_paise=receipt.price_paise,
        discount_paise=receipt.discount_paise,
        difference_paise=receipt.difference_paise,
        total_paise=receipt.total_paise,
        reversals=tuple(_reversals(entry.attempt)),
        reference=payment.reference,
        transaction=entry.attempt.provider_transaction_id or entry.attempt.provider_order_id,
        utr=entry.attempt.utr,
        paid_by=PAID_BY.get(entry.kind, "PhonePe"),
        tax=_tax_lines(receipt),
        is_donation=checkout is None,
        purpose=safe_line(localized(donation, "purpose", language)) if donation else "",
        pan=_masked_pan(donation) if donation else "",
        notes=tuple(settings.DONATION_80G) if checkout is None else (),
    )


def _masked_pan(donation: Donation) -> str:
    """The mail may go to a mistyped address, and the drawn file is stored: neither has it in full."""
    try:
        number = pan_of(donation)
    except KeyIsMissing:  # logged there; the receipt of the money is not kept back for it
        return ""
    return mask(number) if number else ""


def _receipt_entry(payment: Payment) -> LedgerEntry:
    """The one entry that paid it."""
    return _paying_entries.get(payment.pk)


@CompiledRead
def _paying_entries(payment_id: int) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.select_related("attempt").filter(payment=payment_id, kind__in=PAYING)


@CompiledRead
def _bookings_of_checkout(checkout_id: int) -> QuerySet[Booking]:
    return Booking.objects.filter(checkout=checkout_id)


def _starts_at(payment: Payment, booking: Booking | None) -> datetime | None:
    """The start that the booking has now; None when there is no booking to come to."""
    if booking is not None:
        return booking.starts_at
    if payment.checkout is not None and payment.fulfilment == Fulfilment.DUE:
        return payment.checkout.starts_at
    return None


def _reversals(attempt: PaymentAttempt) -> Iterator[Reversal]:
    """Of this money only: surplus is on no receipt, and neither is its refund.

    What the buyer's bank took, and may have given back, is one sum.
    """
    entries = _returning_entries(attempt.pk)
    for entry in entries:
        if entry.kind == LedgerEntry.Kind.REFUND:
            yield Reversal(entry.created_at, -entry.amount_paise, entry.reference)
    disputed = [entry for entry in entries if entry.kind == LedgerEntry.Kind.CHARGEBACK]
    if charged_back := -sum(entry.amount_paise for entry in disputed):
        yield Reversal(disputed[-1].created_at, charged_back, disputed[-1].reference)


@CompiledRead
def _returning_entries(attempt_id: int) -> QuerySet[LedgerEntry]:
    kinds = (LedgerEntry.Kind.REFUND, LedgerEntry.Kind.CHARGEBACK)
    return LedgerEntry.objects.filter(attempt=attempt_id, kind__in=kinds).order_by("pk")
