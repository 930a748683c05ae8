"""The audit from outside: the rows of both installations, those of PhonePe, and the mails that arrived."""

from collections.abc import Iterable
from typing import Any

from tests.harness import invariants
from tests.harness.processes import Simulator
from tests.system.torture.installation import MERCHANTS, RestartedInstallation, Testbed

LOOKED_AT = ("payment_paymentattempt", "payment_refund", "payment_webhookevent", "notifications_notification")
SENT_MAILS = (
    "SELECT key, message_id FROM notifications_notification WHERE channel <> 'HOOK' AND state = 'SENT'"
)
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
# PhonePe rejects ours when somebody has refunded the payment in its dashboard, and the only webhook about that may be
# lost: then staff are alerted, and the settlement file tells.
REJECTED = """
    SELECT attempt.merchant_order_id FROM payment_refund refund
    JOIN payment_paymentattempt attempt ON attempt.id = refund.attempt_id
    WHERE refund.state = 'CREATED' AND refund.held_because = '' AND refund.sent_at IS NULL AND refund.code <> ''
    AND EXISTS (SELECT 1 FROM notifications_notification alert
        WHERE alert.key LIKE 'alert:refund_not_sent:payment:' || attempt.payment_id || ':%')
"""
ORDERS_REFUNDED_IN_DASHBOARD = """
    SELECT DISTINCT told.merchant_order_id FROM simulator_refund refund
    JOIN simulator_order told ON told.id = refund.order_id
    WHERE refund.by_dashboard AND refund.state = 'COMPLETED'
"""
SHOWN = 10


def to_do(installation: RestartedInstallation, phonepe: Simulator) -> dict[str, int]:
    """What is undecided, and what a worker is to look at this very moment."""
    due = {
        table: int(installation.query(f"SELECT count(*) FROM {table} WHERE next_check_at <= now()")[0][0])  # noqa: S608
        for table in LOOKED_AT
    }
    return undecided(installation, phonepe) | {
        f"due in {table}": count for table, count in due.items() if count
    }


def undecided(installation: RestartedInstallation, phonepe: Simulator) -> dict[str, int]:
    found = {name: len(installation.query(statement)) for name, statement in invariants.UNDECIDED.items()}
    in_dashboard = {order for [order] in phonepe.query(ORDERS_REFUNDED_IN_DASHBOARD)}
    found["refunds"] -= sum(order in in_dashboard for [order] in installation.query(REJECTED))
    return {name: count for name, count in found.items() if count}


def findings(testbed: Testbed) -> list[str]:
    found = testbed.phonepe.complaints
    for installation in testbed.installations:
        left = undecided(installation, testbed.phonepe)
        found_here = [f"not decided: {count} {name}" for name, count in left.items()]
        found_here += broken(installation, invariants.LAWS | invariants.AT_REST)
        found_here += money_apart(installation, testbed.phonepe)
        found_here += undelivered(installation, testbed.inbox.message_ids)
        found_here += [complaint for program in installation.programs for complaint in program.complaints]
        found += [f"{installation.generation}: {what}" for what in found_here]
    return found


def broken(installation: RestartedInstallation, laws: dict[str, str]) -> list[str]:
    return [
        f"not so: {law} {rows[:SHOWN]}"
        for law, rows in invariants.violations(installation.query, laws).items()
    ]


def money_apart(installation: RestartedInstallation, phonepe: Simulator) -> list[str]:
    """Order by order, refund by refund. What is made in the dashboard is told by a webhook only, which may be lost."""
    merchant = MERCHANTS[installation.generation]
    gone_back = dict(installation.query(GONE_BACK))
    by_dashboard = dict(phonepe.query(REFUNDED, True, merchant))
    ours = {name: paise for name, paise in gone_back.items() if name not in by_dashboard}
    return [
        *differences("received", dict(phonepe.query(PAID, merchant)), dict(installation.query(RECEIVED))),
        *differences("refunded", dict(phonepe.query(REFUNDED, False, merchant)), ours),
    ]


def differences(what: str, theirs: dict[str, int], ours: dict[str, int]) -> list[str]:
    return [
        f"{what}: {name} is {theirs.get(name, 'unknown')} at PhonePe and {ours.get(name, 'unknown')} with us"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]


def undelivered(installation: RestartedInstallation, message_ids: Iterable[str]) -> list[str]:
    arrived = set(message_ids)
    return [
        f"nobody got the mail {key}" for key, name in installation.query(SENT_MAILS) if name not in arrived
    ]


def figures(testbed: Testbed) -> list[str]:
    lines = []
    for installation in testbed.installations:
        payments: dict[str, Any] = dict(
            installation.query(
                "SELECT state || ' ' || fulfilment, count(*) FROM payment_payment GROUP BY 1 ORDER BY 1"
            )
        )
        refunds = dict(installation.query("SELECT state, count(*) FROM payment_refund GROUP BY 1 ORDER BY 1"))
        mails = installation.query("SELECT count(*) FROM notifications_notification WHERE state = 'SENT'")[0][
            0
        ]
        lines += [f"{installation.generation}  payments {payments}", f"    refunds {refunds}  mails {mails}"]
    return lines


def payments_made(testbed: Testbed) -> int:
    return sum(
        int(installation.query("SELECT count(*) FROM payment_payment")[0][0])
        for installation in testbed.installations
    )
