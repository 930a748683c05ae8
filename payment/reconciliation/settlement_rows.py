"""The settlement report beside our rows. In batches: three queries for each, however long the file is."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from itertools import islice
from typing import Any

from payment.models import LedgerEntry, PaymentAttempt, Refund
from payment.reconciliation.days import on
from payment.reconciliation.findings import Finding, Fix, Kind, about_order, about_refund
from payment.reconciliation.repairs import adopt_settled_refund, poll_order, poll_settled_refund
from payment.reconciliation.settlement import Settled, Settlement
from payment.states import AttemptState, RefundState

BATCH = 500
SOURCE = "settlement"
Batch = dict[str, Settled]


def compare_settlement(day: date, settlement: Settlement) -> Iterator[Finding]:
    """Fees come last: what must be mended in the rows is mended before."""
    fees: list[LedgerEntry] = []
    for batch in _batches(settlement.payments, settlement.in_part):
        yield from _payments(batch, fees)
    for batch in _batches(settlement.refunds, settlement.in_part):
        yield from _refunds(batch, fees)
    yield from _missing(day, settlement)
    if fees:
        yield _not_entered(fees, is_readable=not settlement.bad)


def _batches(settled: Batch, in_part: set[str]) -> Iterator[Batch]:
    """Without those of which a part only can be read: their bad rows are told."""
    items = (item for item in settled.items() if item[0] not in in_part)
    while batch := dict(islice(items, BATCH)):
        yield batch


def _payments(batch: Batch, fees: list[LedgerEntry]) -> Iterator[Finding]:
    known = PaymentAttempt.objects.select_related("payment__checkout__booking")
    attempts = {row.merchant_order_id: row for row in known.filter(merchant_order_id__in=batch)}
    entered = _entered_fees(batch)
    for reference, told in batch.items():
        if reference not in attempts:
            yield _stranger(told, order=reference)
            continue
        attempt = attempts[reference]
        ours = attempt.amount_paise if attempt.received_paise is None else attempt.received_paise
        settled = told.adding_up_to(ours)
        contradictions = list(_contradictions(attempt, settled))
        yield from (*_payment(attempt, settled), *contradictions)
        if settled.amount_paise == ours and not contradictions:
            yield from _fees(attempt, reference, settled, entered, fees)


def _payment(attempt: PaymentAttempt, settled: Settled) -> Iterator[Finding]:
    theirs = settled.amount_paise
    if attempt.state != AttemptState.COMPLETED:
        mend = partial(poll_order, attempt, SOURCE)
        said = f"settled by PhonePe, ours is {attempt.state}"
        yield about_order(
            attempt,
            Kind.PAID_WITHOUT_BOOKING,
            Fix.ASK,
            ours_paise=0,
            theirs_paise=theirs,
            detail=said,
            mend=mend,
        )
    elif theirs != attempt.received_paise:
        yield about_order(attempt, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)


def _refunds(batch: Batch, fees: list[LedgerEntry]) -> Iterator[Finding]:
    known = Refund.objects.select_related("attempt__payment__checkout__booking")
    refunds = {row.merchant_refund_id: row for row in known.filter(merchant_refund_id__in=batch)}
    orders = _orders({settled.order for reference, settled in batch.items() if reference not in refunds})
    entered = _entered_fees(batch)
    for reference, told in batch.items():
        if reference not in refunds:
            yield _not_ours(orders.get(told.order), told, reference)
            continue
        refund = refunds[reference]
        settled = told.adding_up_to(refund.amount_paise)
        contradictions = list(_contradictions(refund.attempt, settled, refund=reference))
        yield from (*_refund(refund, settled), *contradictions)
        if settled.amount_paise == refund.amount_paise and not contradictions:
            yield from _fees(refund.attempt, reference, settled, entered, fees)


def _orders(references: set[str]) -> dict[str, PaymentAttempt]:
    known = PaymentAttempt.objects.select_related("payment__checkout__booking")
    found = known.filter(merchant_order_id__in=references - {""}, state=AttemptState.COMPLETED)
    return {attempt.merchant_order_id: attempt for attempt in found}


def _not_ours(attempt: PaymentAttempt | None, settled: Settled, reference: str) -> Finding:
    """A refund that we did not make. Of an order of ours it was made in PhonePe's dashboard."""
    if attempt is None:
        return _stranger(settled, order=settled.order, refund=reference)
    theirs = settled.amount_paise
    mend = partial(adopt_settled_refund, attempt, reference, theirs, SOURCE)
    about: dict[str, Any] = {"refund": reference, "ours_paise": 0, "theirs_paise": theirs, "mend": mend}
    return about_order(attempt, Kind.UNKNOWN_TO_US, Fix.ADOPT, detail="settlement file", **about)


def _contradictions(attempt: PaymentAttempt, settled: Settled, *, refund: str = "") -> Iterator[Finding]:
    """Where the file does not agree with itself, or a refund with its order: then no fee of it is certain."""
    wrong = list(settled.contradictions)
    if settled.order and settled.order != attempt.merchant_order_id:
        wrong.append(f"the file names the order {settled.order}")
    if wrong:
        about: dict[str, Any] = {"ours_paise": None, "detail": "; ".join(wrong), "refund": refund}
        yield about_order(attempt, Kind.ROW_CONTRADICTS, Fix.CONTRADICTION, **about)


def _refund(refund: Refund, settled: Settled) -> Iterator[Finding]:
    theirs = settled.amount_paise
    if refund.state != RefundState.COMPLETED:
        mend = partial(poll_settled_refund, refund, SOURCE)
        said = f"settled by PhonePe, ours is {refund.state}"
        yield about_refund(
            refund, Kind.REFUND_NOT_CREDITED, Fix.ASK, theirs_paise=theirs, detail=said, mend=mend
        )
    elif theirs != refund.amount_paise:
        yield about_refund(refund, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)


def _stranger(settled: Settled, *, order: str = "", refund: str = "") -> Finding:
    theirs, where = settled.amount_paise, "settlement file"
    return Finding(
        Kind.UNKNOWN_TO_US, Fix.STRANGER, order=order, refund=refund, theirs_paise=theirs, detail=where
    )


def _missing(day: date, settlement: Settlement) -> Iterator[Finding]:
    """Money of that day that the file does not settle."""
    received = PaymentAttempt.objects.filter(on(day, "decided_at"), state=AttemptState.COMPLETED)
    told = settlement.payments.keys() | settlement.in_part
    for attempt in received.select_related("payment__checkout__booking").iterator(BATCH):
        if attempt.merchant_order_id not in told:
            yield about_order(attempt, Kind.NOT_SETTLED, Fix.NEXT_FILE)


def _fees(
    attempt: PaymentAttempt,
    reference: str,
    settled: Settled,
    entered: dict[str, int],
    fees: list[LedgerEntry],
) -> Iterator[Finding]:
    """What is not entered yet goes into `fees`; what was entered before must be the same.

    Only where amounts agree and no row contradicts: an entry is for ever, and theirs may be no right one.
    """
    for name, paise in (("fee", settled.fee_paise), ("tax", settled.tax_paise)):
        of_ours = _fee_reference(reference, name)
        ours = entered.get(of_ours)
        if ours is None and paise:
            fees.append(_entry(attempt, of_ours, paise))
        elif ours is not None and ours != paise:
            differs = {"ours_paise": ours, "theirs_paise": paise, "detail": of_ours}
            yield about_order(attempt, Kind.FEE_DIFFERS, Fix.LOOK_UP_AMOUNT, **differs)


def _fee_reference(reference: str, name: str) -> str:
    return f"{name}:{reference}"[:64]


def _entered_fees(batch: Batch) -> dict[str, int]:
    wanted = [_fee_reference(reference, name) for reference in batch for name in ("fee", "tax")]
    found = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.FEE, reference__in=wanted)
    return dict(found.values_list("reference", "amount_paise"))


def _entry(attempt: PaymentAttempt, reference: str, paise: int) -> LedgerEntry:
    return LedgerEntry(
        payment_id=attempt.payment_id,
        attempt=attempt,
        kind=LedgerEntry.Kind.FEE,
        amount_paise=paise,
        reference=reference,
        simulated=attempt.simulated,
    )


def _not_entered(fees: list[LedgerEntry], *, is_readable: bool) -> Finding:
    """An entry is for ever, and a row that cannot be read may hold more of any fee."""
    kept, said = -sum(entry.amount_paise for entry in fees), f"{len(fees)} entries"
    fix, mend = (Fix.FEE, partial(enter_fees, fees)) if is_readable else (Fix.ROWS, None)
    return Finding(Kind.FEE_NOT_ENTERED, fix, ours_paise=0, theirs_paise=kept, detail=said, mend=mend)


def enter_fees(fees: list[LedgerEntry]) -> bool:
    """Only added, and each once: its reference is unique. Nothing else of a payment changes, so none is locked."""
    LedgerEntry.objects.bulk_create(fees, batch_size=BATCH, ignore_conflicts=True)
    return True  # whoever entered one of them first
