"""The rows of the money. Constraints allow only valid rows, `advance` only valid changes of state.

Payment ──< PaymentAttempt ──< GatewayCall       what is owed · one order at PhonePe · one HTTP attempt
   │             └──< Refund ─── CreditNote      money on its way back · its paper, numbered without gaps
   ├─── Donation                                 what the donor said about themselves
   ├─── Offer                                    free slots for a customer whose slot is gone
   ├──< LedgerEntry ─── ManualEntry              money that moved; added to, never changed · by whose hand, if by hand
   ├─── Receipt ──< DrawnReceipt                 numbered without gaps (ReceiptCounter has the last number) · its PDF
   ├──< CaseNote                                 what staff write down about it
   └──< StateChange                              a change of state and its rule
Closure ──< ClosureItem                          a time that the temple closes · what becomes of one booking of it
WebhookEvent                                     one webhook of PhonePe, as it came
Dispute ──< DisputeUpdate                        a buyer asks their bank for the money back; each event about it
IdempotencyKey                                   one caller, route and key, with the stored answer
DiagnosisRun                                     one diagnosis of every connection
SettlementFile                                   PhonePe's report of a day, as it was handed in
Reconciliation                                   one day's comparison with PhonePe's accounts
CashClosing ──< ManualEntry                      the cash of one person, counted
PayLink                                          a booking that staff made, paid by a signed link
ServerEvent ──< WebhookDelivery >── WebhookEndpoint   a fact, told to servers of the business
PayingWatch                                      a customer who is told when paying works again
WorkLease                                        one row that a worker is busy with, or whose work has failed
"""

from payment.models.by_hand import CashClosing, ManualEntry, PayLink
from payment.models.closures import Closure, ClosureItem
from payment.models.disputes import Dispute, DisputeUpdate
from payment.models.donations import Donation
from payment.models.inbox import IdempotencyKey, WebhookEvent
from payment.models.ledger import PAYING, LedgerEntry
from payment.models.notes import CaseNote
from payment.models.offers import Offer
from payment.models.paying_watches import PayingWatch
from payment.models.payments import OPEN_ATTEMPT, Payment, PaymentAttempt, longest_call
from payment.models.receipts import CreditNote, DrawnReceipt, Receipt, ReceiptCounter
from payment.models.reconciliations import Reconciliation, SettlementFile
from payment.models.records import DiagnosisRun, GatewayCall, StateChange
from payment.models.refunds import OPEN_REFUND, UNSENT_REFUND, Refund
from payment.models.server_events import ServerEvent, WebhookDelivery, WebhookEndpoint
from payment.models.work import WorkLease

__all__ = [
    "OPEN_ATTEMPT",
    "OPEN_REFUND",
    "PAYING",
    "UNSENT_REFUND",
    "CaseNote",
    "CashClosing",
    "Closure",
    "ClosureItem",
    "CreditNote",
    "DiagnosisRun",
    "Dispute",
    "DisputeUpdate",
    "Donation",
    "DrawnReceipt",
    "GatewayCall",
    "IdempotencyKey",
    "LedgerEntry",
    "ManualEntry",
    "Offer",
    "PayLink",
    "PayingWatch",
    "Payment",
    "PaymentAttempt",
    "Receipt",
    "ReceiptCounter",
    "Reconciliation",
    "Refund",
    "ServerEvent",
    "SettlementFile",
    "StateChange",
    "WebhookDelivery",
    "WebhookEndpoint",
    "WebhookEvent",
    "WorkLease",
    "longest_call",
]
