"""What staff are alerted about, one sentence per rule."""

from typing import Any

SENTENCES = {
    "amount_differs": "PhonePe reports another amount than was agreed. Nothing is booked until you decide.",
    "held_for_staff": "Money has come that cannot become a booking by itself. Please decide.",
    "payment_stuck": "PhonePe has not decided a payment for a long time.",
    "refund_stuck": "A refund has been under way for longer than banks take.",
    "refund_failed": "PhonePe could not send a refund. Please look at it.",
    "worker_overdue": "Background work is late: the worker is dead, or too slow.",
    "webhook_silence": "Payments are confirmed only because we ask: no webhook of PhonePe arrives.",
    "dispute": "A customer disputes a payment at his bank. There is a deadline to answer.",
    "message_given_up": "A message to a customer could not be sent for days, or cannot be written.",
}


def sentence_of(facts: dict[str, Any]) -> str:
    """Also for a rule that has no sentence of its own yet: its name says something."""
    rule = str(facts.get("rule", ""))
    return SENTENCES.get(rule) or rule.replace("_", " ").capitalize()
