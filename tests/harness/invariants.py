"""The money invariants, once, in SQL: they share no code with the product and its `ledger_check`.

Each invariant is a query for the rows that violate it. `LAWS` hold after every commit, `AT_REST` once all work is done,
`NOTHING_INVENTED` and `NOTHING_LOST` compare with a PhonePe that is simulated inside the same database.
"""

from collections.abc import Callable
from typing import Any

from django.db import connection

# What pays a payment: by PhonePe, or taken by staff.
PAYING = "'RECEIPT', 'CASH', 'TRANSFER'"

LAWS = {
    "a payment is received once": """
        SELECT payment_id FROM payment_ledgerentry WHERE kind IN ({PAYING})
        GROUP BY payment_id HAVING count(*) > 1
    """,
    "a paid payment has its receipt, and nobody else has one": """
        SELECT payment.id FROM payment_payment payment
        LEFT JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind IN ({PAYING})
        WHERE (payment.state = 'SUCCESS') <> (entry.id IS NOT NULL)
    """,
    "what paid a payment is on its receipt, with its amount, and there is no other receipt": """
        SELECT entry.payment_id FROM payment_ledgerentry entry
        LEFT JOIN payment_receipt receipt ON receipt.payment_id = entry.payment_id
        WHERE entry.kind IN ({PAYING}) AND (receipt.id IS NULL OR receipt.total_paise <> entry.amount_paise)
        UNION
        SELECT receipt.payment_id FROM payment_receipt receipt WHERE NOT EXISTS (
            SELECT 1 FROM payment_ledgerentry WHERE payment_id = receipt.payment_id AND kind IN ({PAYING}))
    """,
    "money that came has an outcome": "SELECT id FROM payment_payment WHERE state = 'SUCCESS' AND fulfilment = ''",
    "a completed order stands in the ledger with what it brought, and no other order does": """
        SELECT attempt.id FROM payment_paymentattempt attempt
        LEFT JOIN payment_ledgerentry entry ON entry.reference = attempt.merchant_order_id
        WHERE (attempt.state = 'COMPLETED') <> (entry.id IS NOT NULL)
           OR entry.amount_paise <> attempt.received_paise
    """,
    "money that came twice is refunded, whole": """
        SELECT entry.id FROM payment_ledgerentry entry
        WHERE entry.kind = 'SURPLUS' AND entry.amount_paise <> (
            SELECT coalesce(sum(refund.amount_paise), 0) FROM payment_refund refund
            WHERE refund.attempt_id = entry.attempt_id AND refund.state <> 'FAILED')
    """,
    "money that can never be a booking is refunded, whole": """
        SELECT payment.id FROM payment_payment payment
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind IN ({PAYING})
        WHERE payment.fulfilment IN ('REFUND_DUE', 'REFUNDED') AND entry.amount_paise <> (
            SELECT coalesce(sum(refund.amount_paise), 0) FROM payment_refund refund
            WHERE refund.attempt_id = entry.attempt_id AND refund.state <> 'FAILED')
    """,
    "no more is requested back than came": """
        SELECT attempt.id FROM payment_paymentattempt attempt
        WHERE coalesce(attempt.received_paise, 0) < (
            SELECT coalesce(sum(refund.amount_paise), 0) FROM payment_refund refund
            WHERE refund.attempt_id = attempt.id AND refund.state <> 'FAILED')
    """,
    "a refund stands in the ledger when it has come through, and not before": """
        SELECT refund.id FROM payment_refund refund
        LEFT JOIN payment_ledgerentry entry
            ON entry.reference = refund.merchant_refund_id AND entry.kind = 'REFUND'
        WHERE (refund.state = 'COMPLETED') <> (entry.id IS NOT NULL)
           OR entry.amount_paise <> -refund.amount_paise
    """,
    "what went back is on its credit note, with its amount, and there is no other credit note": """
        SELECT entry.payment_id FROM payment_ledgerentry entry
        JOIN payment_refund refund ON refund.merchant_refund_id = entry.reference
        LEFT JOIN payment_creditnote note ON note.refund_id = refund.id
        WHERE entry.kind = 'REFUND' AND (note.id IS NULL OR note.total_paise <> -entry.amount_paise)
        UNION
        SELECT refund.payment_id FROM payment_creditnote note JOIN payment_refund refund ON refund.id = note.refund_id
        WHERE refund.state <> 'COMPLETED'
    """,
    "no more goes back than came": """
        SELECT attempt_id FROM payment_ledgerentry WHERE kind <> 'CHARGEBACK'
        GROUP BY attempt_id HAVING sum(amount_paise) < 0
    """,
    "chargebacks of an order never exceed what it brought": """
        SELECT attempt_id FROM payment_ledgerentry
        WHERE kind IN ({PAYING}, 'SURPLUS', 'SUSPENSE', 'CHARGEBACK')
        GROUP BY attempt_id HAVING sum(amount_paise) < 0
    """,
    "money by hand has its person, and no other money has one": """
        SELECT entry.id FROM payment_ledgerentry entry
        JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id
        LEFT JOIN payment_manualentry manual ON manual.entry_id = entry.id
        WHERE (manual.id IS NOT NULL) <> attempt.by_hand
           OR attempt.by_hand AND entry.kind NOT IN ('CASH', 'TRANSFER', 'REFUND')
           OR NOT attempt.by_hand AND entry.kind IN ('CASH', 'TRANSFER')
    """,
    "PhonePe is never asked about money by hand": """
        SELECT attempt.id FROM payment_paymentattempt attempt
        WHERE attempt.by_hand AND (attempt.sent_at IS NOT NULL OR attempt.state <> 'COMPLETED'
            OR EXISTS (SELECT 1 FROM payment_gatewaycall WHERE attempt_id = attempt.id)
            OR EXISTS (SELECT 1 FROM payment_refund WHERE attempt_id = attempt.id AND sent_at IS NOT NULL))
    """,
    "a closing of cash says what its entries add up to": """
        SELECT closing.id FROM payment_cashclosing closing
        WHERE closing.expected_paise <> (
            SELECT coalesce(sum(entry.amount_paise), 0) FROM payment_manualentry manual
            JOIN payment_ledgerentry entry ON entry.id = manual.entry_id WHERE manual.closing_id = closing.id)
    """,
    "an offer is open as long as its payment waits for a choice": """
        SELECT payment.id FROM payment_payment payment
        LEFT JOIN payment_offer offer
            ON offer.payment_id = payment.id AND offer.state = 'OPEN' AND offer.because <> 'CALLED_OFF'
        WHERE (payment.fulfilment = 'OFFERED') <> (offer.id IS NOT NULL)
    """,
    "a cart is booked once": """
        SELECT checkout.cart_id FROM booking_booking booking
        JOIN booking_checkout checkout ON checkout.id = booking.checkout_id
        GROUP BY checkout.cart_id HAVING count(*) > 1
    """,
    "a cart has one checkout that stands": """
        SELECT cart_id FROM booking_checkout WHERE state IN ('RESERVED', 'BOOKED')
        GROUP BY cart_id HAVING count(*) > 1
    """,
    "a booking is a payment that says so": """
        SELECT checkout.id FROM booking_checkout checkout
        LEFT JOIN booking_booking booking ON booking.checkout_id = checkout.id
        LEFT JOIN payment_payment payment ON payment.checkout_id = checkout.id AND payment.fulfilment = 'BOOKED'
        WHERE (booking.id IS NOT NULL) <> (payment.id IS NOT NULL)
           OR (booking.id IS NOT NULL) <> (checkout.state = 'BOOKED')
    """,
    "a payment that ended unpaid holds nothing": """
        SELECT payment.id FROM payment_payment payment
        JOIN booking_checkout checkout ON checkout.id = payment.checkout_id
        WHERE payment.state IN ('FAILED', 'CANCELLED') AND checkout.state = 'RESERVED'
    """,
    "a cart is checked out as long as its checkout is reserved": """
        SELECT cart.id FROM booking_cart cart
        WHERE (cart.status = 'CHECKED_OUT') <> EXISTS (
            SELECT 1 FROM booking_checkout WHERE cart_id = cart.id AND state = 'RESERVED')
    """,
    "a person has one active cart": """
        SELECT user_id FROM booking_cart WHERE status = 'ACTIVE' GROUP BY user_id HAVING count(*) > 1
    """,
    "held and booked places are those of the holds": """
        SELECT slot.id FROM booking_slot slot
        WHERE slot.held <> (SELECT count(*) FROM booking_slothold WHERE slot_id = slot.id AND state = 'HELD')
                         + (SELECT count(*) FROM booking_waitingentry WHERE slot_id = slot.id AND state = 'OFFERED')
           OR slot.booked <> (SELECT count(*) FROM booking_slothold WHERE slot_id = slot.id AND state = 'TAKEN')
           OR slot.held + slot.booked > slot.capacity
    """,
    "promo codes count their checkouts": """
        SELECT promo.id FROM booking_promocode promo
        WHERE promo.reserved_count <> (
                SELECT count(*) FROM booking_checkout
                WHERE promo_code_id = promo.id AND promo_state = 'RESERVED')
           OR promo.used_count <> (
                SELECT count(*) FROM booking_checkout WHERE promo_code_id = promo.id AND promo_state = 'USED')
    """,
    "the sums of a promo code are those of its checkouts": """
        SELECT promo.id FROM booking_promocode promo
        WHERE promo.summed_count = promo.used_count AND (
            promo.summed_discount_paise <> (
                SELECT coalesce(sum(discount_paise), 0) FROM booking_checkout
                WHERE promo_code_id = promo.id AND promo_state = 'USED')
            OR promo.summed_total_paise <> (
                SELECT coalesce(sum(total_paise), 0) FROM booking_checkout
                WHERE promo_code_id = promo.id AND promo_state = 'USED'))
    """,
    "who has a booking has a place, and who has cancelled has none": """
        SELECT booking.id FROM booking_booking booking
        JOIN booking_slothold place ON place.checkout_id = booking.checkout_id
        WHERE (booking.status = 'CANCELLED') = (place.state = 'TAKEN')
    """,
}
LAWS = {law: statement.replace("{PAYING}", PAYING) for law, statement in LAWS.items()}
UNDECIDED = {
    "payments": "SELECT id FROM payment_payment WHERE state = 'PENDING' AND fulfilment <> 'HELD_FOR_STAFF'",
    "orders": "SELECT id FROM payment_paymentattempt WHERE state IN ('CREATED', 'UNKNOWN', 'PENDING')",
    "fulfilments": "SELECT id FROM payment_payment WHERE fulfilment IN ('DUE', 'OFFERED')",
    "refunds": "SELECT id FROM payment_refund WHERE state NOT IN ('COMPLETED', 'FAILED') AND held_because = ''",
    "events": "SELECT id FROM payment_webhookevent WHERE state = 'RECEIVED'",
    "notifications": "SELECT id FROM notifications_notification WHERE state = 'WAITING'",
    "holds": "SELECT id FROM booking_slothold WHERE state = 'HELD'",
    "receipts": "SELECT id FROM payment_receipt WHERE number IS NULL",
    "credit notes": "SELECT id FROM payment_creditnote WHERE number IS NULL",
}
# What was reported is applied: pages may still be open.
REPORTS_APPLIED = {
    "each webhook was applied": "SELECT id FROM payment_webhookevent WHERE state = 'RECEIVED'",
    "each received payment has its outcome": "SELECT id FROM payment_payment WHERE fulfilment = 'DUE'",
}
# Once all work is done, no page is open, and PhonePe has answered everything.
AT_REST = {
    **REPORTS_APPLIED,
    **{f"no {name} are undecided": statement for name, statement in UNDECIDED.items()},
    "each received payment is a booking, a donation, a refund, or a case for staff": """
        SELECT id, fulfilment FROM payment_payment
        WHERE state = 'SUCCESS' AND fulfilment NOT IN ('BOOKED', 'GIFT', 'REFUND_DUE', 'REFUNDED', 'HELD_FOR_STAFF')
    """,
    "what could not be booked has gone back": """
        SELECT payment.id FROM payment_payment payment
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind IN ({PAYING})
        WHERE fulfilment IN ('REFUND_DUE', 'REFUNDED') AND NOT EXISTS (
            SELECT 1 FROM payment_refund WHERE payment_id = payment.id AND held_because <> '')
        AND entry.amount_paise > (
            SELECT coalesce(sum(amount_paise), 0) FROM payment_refund
            WHERE attempt_id = entry.attempt_id AND state = 'COMPLETED')
    """,
    "receipts have no gaps": """
        SELECT series, year, count(*), max(number) FROM payment_receipt
        GROUP BY series, year HAVING count(*) <> max(number)
    """,
    "credit notes have no gaps": """
        SELECT series, year, count(*), max(number) FROM payment_creditnote
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
    "who has got everything back has no booking": """
        SELECT booking.id FROM booking_booking booking JOIN payment_payment payment USING (checkout_id)
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind IN ({PAYING})
        WHERE booking.status <> 'CANCELLED' AND entry.amount_paise <= (
            SELECT coalesce(sum(amount_paise), 0) FROM payment_refund
            WHERE attempt_id = entry.attempt_id AND state = 'COMPLETED')
    """,
}
AT_REST = {law: statement.replace("{PAYING}", PAYING) for law, statement in AT_REST.items()}
# PhonePe's account may be ahead of our ledger, never behind it.
NOTHING_INVENTED = {
    "nothing came that PhonePe has not received": """
        SELECT entry.reference FROM payment_ledgerentry entry
        JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id
        WHERE entry.kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE') AND entry.amount_paise > 0 AND NOT EXISTS (
            SELECT 1 FROM simulator_order told JOIN simulator_attempt paid ON paid.order_id = told.id
            WHERE told.merchant_order_id = attempt.merchant_order_id AND paid.state = 'COMPLETED'
            AND paid.amount_paise = entry.amount_paise)
    """,
    "nothing went back that PhonePe has not sent": """
        SELECT entry.reference FROM payment_ledgerentry entry
        JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id AND NOT attempt.by_hand
        WHERE entry.kind = 'REFUND' AND NOT EXISTS (
            SELECT 1 FROM simulator_refund gone
            WHERE gone.merchant_refund_id = entry.reference AND gone.state = 'COMPLETED'
            AND gone.amount_paise = -entry.amount_paise)
    """,
}
NOTHING_LOST = {
    "what PhonePe received is in the ledger": """
        SELECT told.merchant_order_id FROM simulator_order told
        JOIN simulator_attempt paid ON paid.order_id = told.id AND paid.state = 'COMPLETED'
        JOIN payment_paymentattempt attempt ON attempt.merchant_order_id = told.merchant_order_id
        WHERE attempt.state <> 'COMPLETED' OR attempt.received_paise <> paid.amount_paise
    """,
    "what PhonePe received is for an order of ours": """
        SELECT told.merchant_order_id FROM simulator_order told
        LEFT JOIN payment_paymentattempt attempt ON attempt.merchant_order_id = told.merchant_order_id
        WHERE attempt.id IS NULL
    """,
    "what PhonePe has sent back is in the ledger": """
        SELECT gone.merchant_refund_id FROM simulator_refund gone
        LEFT JOIN payment_ledgerentry entry ON entry.reference = gone.merchant_refund_id
        WHERE gone.state = 'COMPLETED' AND entry.id IS NULL
    """,
}
# What PhonePe's account, wherever it stands, must say too.
RECEIVED_PAISE = """
    SELECT coalesce(sum(amount_paise), 0) FROM payment_ledgerentry
    WHERE kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE')
"""


def query(statement: str) -> list[Any]:
    """Runs SQL over the connection of the test."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def violations(query: Callable[[str], list[Any]], laws: dict[str, str] = LAWS) -> dict[str, list[Any]]:
    """The laws that are broken, each with the rows that break it."""
    found = {law: query(statement) for law, statement in laws.items()}
    return {law: rows for law, rows in found.items() if rows}
