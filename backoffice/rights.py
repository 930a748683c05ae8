"""Who may do what on the desk. A right is a permission of Django; a role is a group of that name, made by migrations.

A further right: a constant, its words in `WORDS`, its roles in `ROLES`, and a migration with `grant`
(backoffice/migrations/_grants.py). A test compares this table with what the migrations have made.
"""

from django.utils.translation import gettext_lazy as _

from core.language import Text

SEE_BOOKINGS = "booking.view_booking"
CHANGE_BOOKINGS = "booking.change_booking"
SEE_SLOTS = "booking.view_slot"
ADD_SLOTS = "booking.add_slot"
CHANGE_SLOTS = "booking.change_slot"
SEE_PRIESTS = "booking.view_priest"
CHANGE_PRIESTS = "booking.change_priest"
ASSIGN_PRIESTS = "booking.add_assignment"
OWN_DAY = "booking.view_assignment"
SEE_CATALOGUE = "booking.view_pujaservice"
ADD_CATALOGUE = "booking.add_pujaservice"
CHANGE_CATALOGUE = "booking.change_pujaservice"
SEE_PACKAGES = "booking.view_package"
ADD_PACKAGES = "booking.add_package"
CHANGE_PACKAGES = "booking.change_package"
SEE_PROMO_CODES = "booking.view_promocode"
ADD_PROMO_CODES = "booking.add_promocode"
CHANGE_PROMO_CODES = "booking.change_promocode"
SEE_PEOPLE = "accounts.view_user"
CHANGE_PEOPLE = "accounts.change_user"
ASSIGN_ROLES = "accounts.assign_role"
END_SESSIONS = "accounts.change_session"
SEE_PAYMENTS = "payment.view_payment"
DECIDE_PAYMENTS = "payment.change_payment"
SEE_REFUNDS = "payment.view_refund"
REFUND = "payment.change_refund"
SEE_OFFERS = "payment.view_offer"
END_OFFERS = "payment.change_offer"
SEE_RECEIPTS = "payment.view_receipt"
SEE_CREDIT_NOTES = "payment.view_creditnote"
SEE_DONATIONS = "payment.view_donation"
EXPORT_PANS = "payment.export_pan"
SEE_LEDGER = "payment.view_ledgerentry"
MAKE_BOOKINGS = "payment.add_paylink"
TAKE_MONEY = "payment.add_manualentry"
CLOSE_CASH = "payment.add_cashclosing"
CONFIRM_CASH = "payment.change_cashclosing"
COMPARE_SETTLEMENTS = "payment.add_settlementfile"
SEE_RECONCILIATIONS = "payment.view_reconciliation"
SEE_DISPUTES = "payment.view_dispute"
DECIDE_DISPUTES = "payment.change_dispute"
SEE_WEBHOOKS = "payment.view_webhookevent"
CLOSE_WEBHOOKS = "payment.change_webhookevent"
SEE_DIAGNOSES = "payment.view_diagnosisrun"
DIAGNOSE = "payment.add_diagnosisrun"
SEE_WORK = "payment.view_worklease"
REPEAT_WORK = "payment.change_worklease"
SEE_MESSAGES = "notifications.view_notification"
RESEND_MESSAGES = "notifications.change_notification"
SEE_API_KEYS = "accounts.view_apikey"
ADD_API_KEYS = "accounts.add_apikey"
REVOKE_API_KEYS = "accounts.change_apikey"
WRITE_NOTES = "payment.add_casenote"
SEE_ENDPOINTS = "payment.view_webhookendpoint"
ADD_ENDPOINTS = "payment.add_webhookendpoint"
CHANGE_ENDPOINTS = "payment.change_webhookendpoint"
SEE_EVENTS = "payment.view_serverevent"
REPLAY_EVENTS = "payment.change_serverevent"
SEE_DELIVERIES = "payment.view_webhookdelivery"
REPLAY_DELIVERIES = "payment.change_webhookdelivery"

# What the page of a person says instead of a list of permissions.
WORDS: dict[str, Text] = {
    SEE_BOOKINGS: _("see bookings: who, when, where, and whether it is paid"),
    CHANGE_BOOKINGS: _("move, cancel and complete bookings"),
    SEE_SLOTS: _("see the times of pujas"),
    ADD_SLOTS: _("add times of pujas"),
    CHANGE_SLOTS: _("change and close times of pujas, with the bookings in them"),
    SEE_PRIESTS: _("see priests and who performs which booking"),
    CHANGE_PRIESTS: _("add priests, change their skills, hours and leave, and renew their calendar"),
    ASSIGN_PRIESTS: _("give bookings to priests, and take them away"),
    OWN_DAY: _("see the own day as a priest"),
    SEE_CATALOGUE: _("see the catalogue"),
    ADD_CATALOGUE: _("add pujas to the catalogue"),
    CHANGE_CATALOGUE: _("change pujas of the catalogue"),
    SEE_PACKAGES: _("see packages and prices"),
    ADD_PACKAGES: _("add packages with their prices"),
    CHANGE_PACKAGES: _("change packages and prices"),
    SEE_PROMO_CODES: _("see promo codes"),
    ADD_PROMO_CODES: _("add promo codes"),
    CHANGE_PROMO_CODES: _("change promo codes"),
    SEE_PEOPLE: _("see the accounts of customers and staff"),
    CHANGE_PEOPLE: _("change names and phones of customers, and suspend customers"),
    ASSIGN_ROLES: _("choose the roles of staff, and remove a lost second factor"),
    END_SESSIONS: _("log customers out"),
    SEE_PAYMENTS: _("see payments and how they came about"),
    DECIDE_PAYMENTS: _("decide about payments in review"),
    SEE_REFUNDS: _("see refunds"),
    REFUND: _("refund money, and approve refunds as the second person"),
    SEE_OFFERS: _("see times that were offered instead of a lost one"),
    END_OFFERS: _("end such an offer and send the money back"),
    SEE_RECEIPTS: _("see and print receipts"),
    SEE_CREDIT_NOTES: _("see and print credit notes"),
    MAKE_BOOKINGS: _("make bookings for people on the phone, and send them links to pay"),
    TAKE_MONEY: _("record cash and transfers that they took, and give such money back"),
    CLOSE_CASH: _("count and close cash"),
    CONFIRM_CASH: _("confirm a difference in another person's cash"),
    COMPARE_SETTLEMENTS: _("compare settlement files, and enter what they show"),
    SEE_DONATIONS: _("see donations and their donors"),
    EXPORT_PANS: _("take donors with their whole PAN along, for Form 10BD"),
    SEE_LEDGER: _("see the ledger"),
    SEE_RECONCILIATIONS: _("see comparisons with PhonePe's records"),
    SEE_DISPUTES: _("see disputes"),
    DECIDE_DISPUTES: _("decide about disputes"),
    SEE_WEBHOOKS: _("see what PhonePe has sent"),
    CLOSE_WEBHOOKS: _("close events of PhonePe that nobody else could explain"),
    SEE_DIAGNOSES: _("see diagnoses of the connection to PhonePe"),
    DIAGNOSE: _("run a diagnosis with a test payment"),
    SEE_WORK: _("see background work"),
    REPEAT_WORK: _("repeat background work that failed"),
    SEE_MESSAGES: _("see messages to customers"),
    RESEND_MESSAGES: _("send a message once more"),
    SEE_API_KEYS: _("see API keys"),
    ADD_API_KEYS: _("make and rotate API keys"),
    REVOKE_API_KEYS: _("revoke API keys"),
    WRITE_NOTES: _("write notes about a case"),
    SEE_ENDPOINTS: _("see which servers get webhooks"),
    ADD_ENDPOINTS: _("add servers that get webhooks"),
    CHANGE_ENDPOINTS: _("change, test and switch off servers that get webhooks"),
    SEE_EVENTS: _("see what servers are told"),
    REPLAY_EVENTS: _("tell servers once more"),
    SEE_DELIVERIES: _("see the log of webhooks"),
    REPLAY_DELIVERIES: _("send a webhook once more"),
}

OWNER, MANAGER, SUPPORT = "Owner", "Manager", "Support"
ACCOUNTANT, COORDINATOR, PRIEST = "Accountant", "Coordinator", "Priest"

_LOOK = frozenset({SEE_BOOKINGS, SEE_SLOTS, SEE_CATALOGUE, SEE_PACKAGES})
_SEE_MONEY = frozenset({SEE_PAYMENTS, SEE_REFUNDS, SEE_OFFERS, SEE_RECEIPTS, SEE_CREDIT_NOTES, SEE_DISPUTES})

NAMES: dict[str, Text] = {
    OWNER: _("Owner"),
    MANAGER: _("Manager"),
    SUPPORT: _("Support"),
    ACCOUNTANT: _("Accountant"),
    COORDINATOR: _("Coordinator"),
    PRIEST: _("Priest"),
}
ROLES: dict[str, frozenset[str]] = {
    OWNER: frozenset(WORDS),
    MANAGER: frozenset(WORDS)
    - {EXPORT_PANS, DECIDE_DISPUTES, DIAGNOSE, ADD_API_KEYS, ADD_ENDPOINTS, ASSIGN_ROLES},
    SUPPORT: _LOOK
    | _SEE_MONEY
    | {CHANGE_BOOKINGS, SEE_PRIESTS, SEE_PROMO_CODES, SEE_PEOPLE, CHANGE_PEOPLE, END_SESSIONS}
    | {SEE_MESSAGES, RESEND_MESSAGES, WRITE_NOTES, SEE_WEBHOOKS, SEE_DIAGNOSES}
    | {MAKE_BOOKINGS, TAKE_MONEY, CLOSE_CASH},
    ACCOUNTANT: _LOOK
    | _SEE_MONEY
    | {SEE_PROMO_CODES, WRITE_NOTES, SEE_LEDGER, SEE_RECONCILIATIONS, DECIDE_DISPUTES, SEE_WEBHOOKS}
    | {CLOSE_CASH, CONFIRM_CASH, COMPARE_SETTLEMENTS, SEE_DONATIONS, EXPORT_PANS},
    COORDINATOR: _LOOK
    | {MAKE_BOOKINGS, CHANGE_BOOKINGS, WRITE_NOTES, ADD_SLOTS, CHANGE_SLOTS}
    | {SEE_PRIESTS, CHANGE_PRIESTS, ASSIGN_PRIESTS, OWN_DAY},
    PRIEST: frozenset({OWN_DAY}),
}
