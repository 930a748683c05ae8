"""The audit from outside: the books of both shops, the books of PhonePe and the post office, side by side."""

from collections.abc import Iterable
from typing import Any

from tests.harness import invariants
from tests.system.torture.installation import MERCHANTS, PhonePe, Shop, Town

UNDECIDED = {
    "payments": "SELECT id FROM payment_payment WHERE state = 'PENDING' AND fulfilment <> 'HELD_FOR_STAFF'",
    "orders": "SELECT id FROM payment_paymentattempt WHERE state IN ('CREATED', 'UNKNOWN', 'PENDING')",
    "fulfilments": "SELECT id FROM payment_payment WHERE fulfilment IN ('DUE', 'OFFERED')",
    "refunds": "SELECT id FROM payment_refund WHERE state NOT IN ('COMPLETED', 'FAILED') AND held_because = ''",
    "events": "SELECT id FROM payment_webhookevent WHERE state = 'RECEIVED'",
    "notifications": "SELECT id FROM notifications_notification WHERE state = 'WAITING'",
    "holds": "SELECT id FROM booking_slothold WHERE state = 'HELD'",
    "receipts": "SELECT id FROM payment_receipt WHERE number IS NULL",
}
LOOKED_AT = ("payment_paymentattempt", "payment_refund", "payment_webhookevent", "notifications_notification")
# What the owner of a shop would ask of their books once everything is quiet.
AT_THE_END = {
    "each received payment is a booking, a gift, a refund, or a case for staff": """
        SELECT id, fulfilment FROM payment_payment
        WHERE state = 'SUCCESS' AND fulfilment NOT IN ('BOOKED', 'GIFT', 'REFUND_DUE', 'REFUNDED', 'HELD_FOR_STAFF')
    """,
    "what could not be booked has gone back": """
        SELECT payment.id FROM payment_payment payment
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind = 'RECEIPT'
        WHERE fulfilment IN ('REFUND_DUE', 'REFUNDED') AND NOT EXISTS (
            SELECT 1 FROM payment_refund WHERE payment_id = payment.id AND held_because <> '')
        AND entry.amount_paise > (
            SELECT coalesce(sum(amount_paise), 0) FROM payment_refund
            WHERE attempt_id = entry.attempt_id AND state = 'COMPLETED')
    """,
    "a refund that is over stands in the ledger, and no other": """
        SELECT refund.id FROM payment_refund refund
        LEFT JOIN payment_ledgerentry entry ON entry.reference = refund.merchant_refund_id
        WHERE (refund.state = 'COMPLETED') <> (entry.id IS NOT NULL)
           OR entry.amount_paise <> -refund.amount_paise
    """,
    "no more has gone back than came": """
        SELECT attempt_id FROM payment_ledgerentry GROUP BY attempt_id HAVING sum(amount_paise) < 0
    """,
    "receipts have no gaps": """
        SELECT series, year, count(*), max(number) FROM payment_receipt
        GROUP BY series, year HAVING count(*) <> max(number)
    """,
    # A confirmation that was not sent yet when its booking was cancelled is dropped: the end is told instead.
    "each booking was told, or its end": """
        SELECT payment.id FROM booking_booking booking JOIN payment_payment payment USING (checkout_id)
        WHERE NOT EXISTS (
            SELECT 1 FROM notifications_notification WHERE key = 'booked:payment:' || payment.id AND state = 'SENT')
        AND NOT EXISTS (
            SELECT 1 FROM notifications_notification WHERE key = 'cancelled:payment:' || payment.id AND state = 'SENT'
            AND booking.status = 'CANCELLED')
    """,
}
TOLD = "SELECT key, message_id FROM notifications_notification WHERE channel <> 'HOOK' AND state = 'SENT'"
# Staff who accept another amount move it from suspense to receipt, under names of their own: the order counts.
RECEIVED = """
    SELECT attempt.merchant_order_id, sum(entry.amount_paise)::bigint FROM payment_ledgerentry entry
    JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id
    WHERE entry.kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE') GROUP BY 1
"""
GONE_BACK = "SELECT reference, -amount_paise FROM payment_ledgerentry WHERE kind = 'REFUND'"
PAID = """
    SELECT told.merchant_order_id, paid.amount_paise FROM simulator_attempt paid
    JOIN simulator_order told ON told.id = paid.order_id
    JOIN simulator_merchant merchant ON merchant.id = told.merchant_id
    WHERE paid.state = 'COMPLETED' AND merchant.merchant_id = ?
"""
REFUNDED = """
    SELECT refund.merchant_refund_id, refund.amount_paise FROM simulator_refund refund
    JOIN simulator_merchant merchant ON merchant.id = refund.merchant_id
    WHERE refund.state = 'COMPLETED' AND refund.by_dashboard = ? AND merchant.merchant_id = ?
"""
SHOWN = 10


def to_do(shop: Shop) -> dict[str, int]:
    """What is undecided, and what a worker is to look at this very moment."""
    due = {
        table: int(shop.sql(f"SELECT count(*) FROM {table} WHERE next_check_at <= now()")[0][0])  # noqa: S608
        for table in LOOKED_AT
    }
    return undecided(shop) | {f"due in {table}": count for table, count in due.items() if count}


def undecided(shop: Shop) -> dict[str, int]:
    found = {name: len(shop.sql(statement)) for name, statement in UNDECIDED.items()}
    return {name: count for name, count in found.items() if count}


def findings(town: Town) -> list[str]:
    found = town.phonepe.complaints
    for shop in town.shops:
        told = [f"not decided: {count} {name}" for name, count in undecided(shop).items()]
        told += broken(shop, invariants.LAWS | invariants.AT_REST | AT_THE_END)
        told += money_apart(shop, town.phonepe)
        told += untold(shop, town.post_office.seen)
        told += [complaint for program in shop.programs for complaint in program.complaints]
        found += [f"{shop.generation}: {what}" for what in told]
    return found


def broken(shop: Shop, laws: dict[str, str]) -> list[str]:
    return [f"not so: {law} {rows[:SHOWN]}" for law, rows in invariants.violations(shop.sql, laws).items()]


def money_apart(shop: Shop, phonepe: PhonePe) -> list[str]:
    """Order by order, refund by refund. What is made in the dashboard is told by a webhook only, which may be lost."""
    merchant = MERCHANTS[shop.generation]
    gone_back = dict(shop.sql(GONE_BACK))
    by_dashboard = dict(phonepe.query(REFUNDED, True, merchant))
    ours = {name: paise for name, paise in gone_back.items() if name not in by_dashboard}
    return [
        *differences("received", dict(phonepe.query(PAID, merchant)), dict(shop.sql(RECEIVED))),
        *differences("refunded", dict(phonepe.query(REFUNDED, False, merchant)), ours),
    ]


def differences(what: str, theirs: dict[str, int], ours: dict[str, int]) -> list[str]:
    return [
        f"{what}: {name} is {theirs.get(name, 'unknown')} at PhonePe and {ours.get(name, 'unknown')} with us"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]


def untold(shop: Shop, seen: Iterable[str]) -> list[str]:
    arrived = set(seen)
    return [f"nobody got the mail {key}" for key, name in shop.sql(TOLD) if name not in arrived]


def figures(town: Town) -> list[str]:
    lines = []
    for shop in town.shops:
        payments: dict[str, Any] = dict(
            shop.sql("SELECT state || ' ' || fulfilment, count(*) FROM payment_payment GROUP BY 1 ORDER BY 1")
        )
        refunds = dict(shop.sql("SELECT state, count(*) FROM payment_refund GROUP BY 1 ORDER BY 1"))
        mails = shop.sql("SELECT count(*) FROM notifications_notification WHERE state = 'SENT'")[0][0]
        lines += [f"{shop.generation}  payments {payments}", f"    refunds {refunds}  mails {mails}"]
    return lines


def payments_made(town: Town) -> int:
    return sum(int(shop.sql("SELECT count(*) FROM payment_payment")[0][0]) for shop in town.shops)
