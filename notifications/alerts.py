"""What staff are alerted about, in English: one sentence per rule."""

from typing import Any

SENTENCES = {
    "amount_differs": "PhonePe reports another amount than was agreed. Nothing is booked until you decide.",
    "amount_missing": "PhonePe reports a payment as completed and does not say how much came. It is asked again.",
    "payment_stuck": "PhonePe has not decided a payment for a long time.",
    "places_held": "Many places are held and not paid for: new ones are refused to this account, network or slot.",
    "refund_stuck": "A refund has been under way for longer than banks take.",
    "refunds_await_approval": "Refunds wait for a second person: approve or withdraw them under Refunds in the admin.",
    "refund_failed_often": "A refund failed under several ids. It is sent again only when you say so.",
    "refund_not_sent": "A refund cannot be sent: PhonePe refuses it, or its credentials are gone.",
    "refund_differs": "PhonePe has refunded another amount than was asked for.",
    "money_waits": "Money has come, and still is no booking, no donation and no refund.",
    "books_differ": "A day's payments differ between PhonePe's accounts and ours: see Reconciliations in the admin.",
    "worker_overdue": "Background work is late: the worker is dead, or too slow.",
    "backup_overdue": "There is no backup of the last 36 hours in BACKUP_DIR: look at what `manage.py backup` says.",
    "cash_not_counted": "Cash of an earlier day has not been counted: close it under Cash on the desk.",
    "work_fails": "Background work on one row fails again and again; other rows go on: see Work leases in the admin.",
    "webhook_endpoint_off": "A server of yours gets no events any more: look at Webhook endpoints in the admin.",
    "webhook_silence": "Payments are confirmed only because we ask: no webhook of PhonePe arrives.",
    "guessing": "Somebody guesses at passwords, codes or OPS_TOKEN. They have to wait longer and longer.",
    "dispute": "A customer disputes a payment at their bank. There is a deadline to answer.",
    "dispute_unmatched": "PhonePe tells of a dispute about an order that is not in our accounts. There is a deadline.",
    "dispute_after_refund": "The buyer's bank has taken what was sent back already: dispute it, it was paid twice.",
    "event_not_understood": "PhonePe has called with something that we do not understand: look at Webhook events.",
    "events_in_review": "Calls of PhonePe that nobody understands wait: close them in the admin, with a reason.",
    "event_unconfirmed": "PhonePe has called about something that it does not confirm when it is asked.",
    "messages_wait": "Messages to customers wait for days: the mail server does not answer. They are sent later.",
    "message_given_up": "A message to a customer is refused, was not sent for days, or cannot be written.",
}


def title_of(facts: dict[str, Any]) -> str:
    return str(facts.get("rule", "")).replace("_", " ")


def sentence_of(facts: dict[str, Any]) -> str:
    """The sentence of the rule; its name in words for a rule without one."""
    return SENTENCES.get(str(facts.get("rule", ""))) or title_of(facts).capitalize()
