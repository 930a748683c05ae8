"""The settlement report beside our rows. In batches: three queries for each, however long the file is."""

from collections.abc import Iterator, Mapping
from datetime import date
from functools import partial
from itertools import islice

from payment.models import LedgerEntry, PaymentAttempt, Refund
from payment.reconciliation.days import on
from payment.reconciliation.discrepancies import (
    Discrepancy,
    Fix,
    Kind,
    order_discrepancy,
    refund_discrepancy,
)
from payment.reconciliation.repairs import adopt_settled_refund, poll_order, poll_settled_refund
from payment.reconciliation.settlement import Settlement
from payment.reconciliation.spool import Fees, SettledMoney
from payment.states import AttemptState, RefundState

BATCH = 500
SOURCE = "settlement"
Batch = dict[str, SettledMoney]


def compare_settlement(day: date, settlement: Settlement) -> Iterator[Discrepancy]:
    """Fees come last: what is repaired in the rows is repaired before."""
    fees = Fees()
    for batch in _batches(settlement.payments, settlement.in_part):
        yield from _compare_payments(batch, fees)
    for batch in _batches(settlement.refunds, settlement.in_part):
        yield from _compare_refunds(batch, fees)
    # Money of that day that the file does not settle.
    settled = settlement.payments
    received = PaymentAttempt.objects.filter(
        on(day, "decided_at"), state=AttemptState.COMPLETED, by_hand=False
    )
    for attempt in received.select_related("payment__checkout__booking").iterator(BATCH):
        order = attempt.merchant_order_id
        if order not in settled and order not in settlement.in_part:
            yield order_discrepancy(attempt, Kind.NOT_SETTLED, Fix.NEXT_FILE)
    if not fees.count:
        return
    # No ledger entry is ever changed, and a row that cannot be read may hold more of any fee.
    fix, repair = (Fix.ROWS, None) if settlement.bad_rows else (Fix.FEE, partial(enter_fees, fees))
    yield Discrepancy(
        Kind.FEE_NOT_ENTERED,
        fix,
        ours_paise=0,
        theirs_paise=-fees.paise,
        detail=f"{fees.count} entries",
        repair=repair,
    )


def _batches(settled: Mapping[str, SettledMoney], in_part: set[str]) -> Iterator[Batch]:
    """Without those of which a part only can be read: their bad rows are reported."""
    items = (item for item in settled.items() if item[0] not in in_part)
    while batch := dict(islice(items, BATCH)):
        yield batch


def _compare_payments(batch: Batch, fees: Fees) -> Iterator[Discrepancy]:
    known = PaymentAttempt.objects.select_related("payment__checkout__booking")
    attempts = {row.merchant_order_id: row for row in known.filter(merchant_order_id__in=batch)}
    entered = _entered_fees(batch)
    for reference, rows in batch.items():
        attempt = attempts.get(reference)
        if attempt is None:
            yield _unknown_to_us(rows, order=reference)
            continue
        ours = attempt.amount_paise if attempt.received_paise is None else attempt.received_paise
        settled = rows.adding_up_to(ours)
        theirs = settled.amount_paise
        if attempt.state != AttemptState.COMPLETED:
            yield order_discrepancy(
                attempt,
                Kind.PAID_WITHOUT_BOOKING,
                Fix.ASK,
                ours_paise=0,
                theirs_paise=theirs,
                detail=f"settled by PhonePe, ours is {attempt.state}",
                repair=partial(poll_order, attempt, SOURCE),
            )
        elif theirs != attempt.received_paise:
            yield order_discrepancy(attempt, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)
        contradictions = list(_contradictions(attempt, settled))
        yield from contradictions
        if theirs == ours and not contradictions:
            yield from _compare_fees(attempt, reference, settled, entered, fees)


def _compare_refunds(batch: Batch, fees: Fees) -> Iterator[Discrepancy]:
    known = Refund.objects.select_related("attempt__payment__checkout__booking")
    refunds = {row.merchant_refund_id: row for row in known.filter(merchant_refund_id__in=batch)}
    orders = {rows.order for reference, rows in batch.items() if reference not in refunds} - {""}
    attempts = {
        attempt.merchant_order_id: attempt
        for attempt in PaymentAttempt.objects.select_related("payment__checkout__booking").filter(
            merchant_order_id__in=orders, state=AttemptState.COMPLETED
        )
    }
    entered = _entered_fees(batch)
    for reference, rows in batch.items():
        refund = refunds.get(reference)
        if refund is None and rows.order in attempts:
            yield _dashboard_refund(attempts[rows.order], reference, rows)
            continue
        if refund is None:
            yield _unknown_to_us(rows, order=rows.order, refund=reference)
            continue
        settled = rows.adding_up_to(refund.amount_paise)
        theirs = settled.amount_paise
        if refund.state != RefundState.COMPLETED:
            yield refund_discrepancy(
                refund,
                Kind.REFUND_NOT_CREDITED,
                Fix.ASK,
                theirs_paise=theirs,
                detail=f"settled by PhonePe, ours is {refund.state}",
                repair=partial(poll_settled_refund, refund, SOURCE),
            )
        elif theirs != refund.amount_paise:
            yield refund_discrepancy(refund, Kind.AMOUNT_DIFFERS, Fix.LOOK_UP_AMOUNT, theirs_paise=theirs)
        contradictions = list(_contradictions(refund.attempt, settled, refund=reference))
        yield from contradictions
        if theirs == refund.amount_paise and not contradictions:
            yield from _compare_fees(refund.attempt, reference, settled, entered, fees)


def _dashboard_refund(attempt: PaymentAttempt, reference: str, settled: SettledMoney) -> Discrepancy:
    """A refund of an order of ours that we did not make: it was made in PhonePe's dashboard."""
    theirs = settled.amount_paise
    return order_discrepancy(
        attempt,
        Kind.UNKNOWN_TO_US,
        Fix.ADOPT,
        refund=reference,
        ours_paise=0,
        theirs_paise=theirs,
        detail="settlement file",
        repair=partial(adopt_settled_refund, attempt, reference, theirs, SOURCE),
    )


def _unknown_to_us(settled: SettledMoney, *, order: str = "", refund: str = "") -> Discrepancy:
    return Discrepancy(
        Kind.UNKNOWN_TO_US,
        Fix.STRANGER,
        order=order,
        refund=refund,
        theirs_paise=settled.amount_paise,
        detail="settlement file",
    )


def _contradictions(
    attempt: PaymentAttempt, settled: SettledMoney, *, refund: str = ""
) -> Iterator[Discrepancy]:
    """Where the file contradicts itself, or a refund contradicts its order: then no fee of it is certain."""
    wrong = list(settled.contradictions)
    if settled.order and settled.order != attempt.merchant_order_id:
        wrong.append(f"the file names the order {settled.order}")
    if wrong:
        detail = "; ".join(wrong)
        yield order_discrepancy(
            attempt, Kind.ROW_CONTRADICTS, Fix.CONTRADICTION, ours_paise=None, detail=detail, refund=refund
        )


def _compare_fees(
    attempt: PaymentAttempt,
    reference: str,
    settled: SettledMoney,
    entered: dict[str, int],
    fees: Fees,
) -> Iterator[Discrepancy]:
    """Adds to `fees` what is not entered yet; what was entered before must be the same.

    Only where amounts agree and no row contradicts: no ledger entry is ever changed, and this amount may be wrong.
    """
    for name, paise in (("fee", settled.fee_paise), ("tax", settled.tax_paise)):
        fee_reference = _fee_reference(reference, name)
        ours = entered.get(fee_reference)
        if ours is None and paise:
            fees.add((attempt.payment_id, attempt.pk, paise, fee_reference, attempt.simulated))
        elif ours is not None and ours != paise:
            yield order_discrepancy(
                attempt,
                Kind.FEE_DIFFERS,
                Fix.LOOK_UP_AMOUNT,
                ours_paise=ours,
                theirs_paise=paise,
                detail=fee_reference,
            )


def _fee_reference(reference: str, name: str) -> str:
    return f"{name}:{reference}"[:64]


def _entered_fees(batch: Batch) -> dict[str, int]:
    """Paise by reference, of the fees that the ledger has."""
    references = [_fee_reference(reference, name) for reference in batch for name in ("fee", "tax")]
    entries = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.FEE, reference__in=references)
    return dict(entries.values_list("reference", "amount_paise"))


def enter_fees(fees: Fees) -> bool:
    """Each is added once: its reference is unique. Nothing else of a payment changes, so none is locked."""
    for batch in fees.batches(BATCH):
        entries = [
            LedgerEntry(
                kind=LedgerEntry.Kind.FEE,
                payment_id=payment_id,
                attempt_id=attempt_id,
                amount_paise=paise,
                reference=reference,
                simulated=simulated,
            )
            for payment_id, attempt_id, paise, reference, simulated in batch
        ]
        LedgerEntry.objects.bulk_create(entries, ignore_conflicts=True)
    return True  # also when another comparison entered one of them first
