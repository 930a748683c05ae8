"""The rows of the money. Each guards itself: constraints say what may be, `advance` says what may become what.

Payment ──< PaymentAttempt ──< GatewayCall       what is owed · one order at PhonePe · one HTTP try
   │             └──< Refund                     money on its way back
   ├──< LedgerEntry                              money that moved; added to, never changed
   └──< StateChange                              what moved, and the rule that moved it
WebhookEvent                                     one call from PhonePe, as it came
IdempotencyKey                                   one caller, route and key, with the stored answer
"""

from payment.models.inbox import IdempotencyKey, WebhookEvent
from payment.models.ledger import OPEN_REFUND, LedgerEntry, Refund
from payment.models.payments import OPEN_ATTEMPT, Payment, PaymentAttempt
from payment.models.records import GatewayCall, StateChange

__all__ = [
    "OPEN_ATTEMPT",
    "OPEN_REFUND",
    "GatewayCall",
    "IdempotencyKey",
    "LedgerEntry",
    "Payment",
    "PaymentAttempt",
    "Refund",
    "StateChange",
    "WebhookEvent",
]
