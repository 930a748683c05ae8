"""What must be true of the money, the places and the promo codes at every moment, in SQL.

Each law is a query for the rows that break it. `violations` takes whatever runs SQL and gives rows back.
"""

from collections.abc import Callable
from typing import Any

from django.db import connection

LAWS = {
    "a payment is received once": """
        SELECT payment_id FROM payment_ledgerentry WHERE kind = 'RECEIPT' GROUP BY payment_id HAVING count(*) > 1
    """,
    "a paid payment has its receipt, and nobody else has one": """
        SELECT payment.id FROM payment_payment payment
        LEFT JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind = 'RECEIPT'
        WHERE (payment.state = 'SUCCESS') <> (entry.id IS NOT NULL)
    """,
    "what paid a payment is on its paper, with its amount, and there is no other paper": """
        SELECT entry.payment_id FROM payment_ledgerentry entry
        LEFT JOIN payment_receipt paper ON paper.payment_id = entry.payment_id
        WHERE entry.kind = 'RECEIPT' AND (paper.id IS NULL OR paper.total_paise <> entry.amount_paise)
        UNION
        SELECT paper.payment_id FROM payment_receipt paper WHERE NOT EXISTS (
            SELECT 1 FROM payment_ledgerentry WHERE payment_id = paper.payment_id AND kind = 'RECEIPT')
    """,
    "money that came has a outcome": "SELECT id FROM payment_payment WHERE state = 'SUCCESS' AND fulfilment = ''",
    "a completed order stands in the ledger with what it brought, and no other order does": """
        SELECT attempt.id FROM payment_paymentattempt attempt
        LEFT JOIN payment_ledgerentry entry ON entry.reference = attempt.merchant_order_id
        WHERE (attempt.state = 'COMPLETED') <> (entry.id IS NOT NULL)
           OR entry.amount_paise <> attempt.received_paise
    """,
    "what came twice is promised back, whole": """
        SELECT entry.id FROM payment_ledgerentry entry
        WHERE entry.kind = 'SURPLUS' AND entry.amount_paise <> (
            SELECT coalesce(sum(refund.amount_paise), 0) FROM payment_refund refund
            WHERE refund.attempt_id = entry.attempt_id AND refund.state <> 'FAILED')
    """,
    "what can never be a booking is promised back, whole": """
        SELECT payment.id FROM payment_payment payment
        JOIN payment_ledgerentry entry ON entry.payment_id = payment.id AND entry.kind = 'RECEIPT'
        WHERE payment.fulfilment IN ('REFUND_DUE', 'REFUNDED') AND entry.amount_paise <> (
            SELECT coalesce(sum(refund.amount_paise), 0) FROM payment_refund refund
            WHERE refund.attempt_id = entry.attempt_id AND refund.state <> 'FAILED')
    """,
    "no more is promised back than came": """
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
    """,
    "no more goes back than came": """
        SELECT attempt_id FROM payment_ledgerentry WHERE kind <> 'CHARGEBACK'
        GROUP BY attempt_id HAVING sum(amount_paise) < 0
    """,
    "chargebacks of an order never exceed what it brought": """
        SELECT attempt_id FROM payment_ledgerentry
        WHERE kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE', 'CHARGEBACK')
        GROUP BY attempt_id HAVING sum(amount_paise) < 0
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
}
# Only once nobody is at work any more.
AT_REST = {
    "what was reported is settled": "SELECT id FROM payment_webhookevent WHERE state = 'RECEIVED'",
    "what was paid has its outcome": "SELECT id FROM payment_payment WHERE fulfilment = 'DUE'",
}
# What PhonePe's account, wherever it stands, must say too.
RECEIVED_PAISE = """
    SELECT coalesce(sum(amount_paise), 0) FROM payment_ledgerentry
    WHERE kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE')
"""
# Only where PhonePe is simulated inside the same database, and once everything has been asked about.
SAME_AS_PHONEPE = """
    SELECT told.merchant_order_id FROM simulator_order told
    JOIN simulator_attempt paid ON paid.order_id = told.id AND paid.state = 'COMPLETED'
    LEFT JOIN payment_ledgerentry entry ON entry.reference = told.merchant_order_id
    WHERE entry.id IS NULL OR entry.amount_paise <> paid.amount_paise
    UNION
    SELECT entry.reference FROM payment_ledgerentry entry
    JOIN payment_paymentattempt attempt ON attempt.id = entry.attempt_id
    WHERE entry.kind IN ('RECEIPT', 'SURPLUS', 'SUSPENSE') AND NOT EXISTS (
        SELECT 1 FROM simulator_order told
        JOIN simulator_attempt paid ON paid.order_id = told.id AND paid.state = 'COMPLETED'
        WHERE told.merchant_order_id = attempt.merchant_order_id)
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
