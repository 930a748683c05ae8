"""One person's data: all of it as JSON for them, and its erasure, after which the money is still accounted for.

The tables are named once, with the path to their person, and a test compares them with the models: a new table of
people's data fails it until somebody has thought of it.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts import uploads
from accounts.models import Address, CodeRequest, OneTimeCode, PanCard, Registration, Session, Upload, User
from accounts.pan_cards import KeyIsMissing, number_of
from accounts.services import lock_user
from accounts.session_ends import end_all
from booking.models import (
    Assignment,
    Booking,
    CalendarFeed,
    Cart,
    Checkout,
    EarlierStart,
    Priest,
    SlotHold,
    WaitingEntry,
)
from booking.services.waiting_list import leave
from core.clocks import database_now
from core.errors import Conflict
from notifications.models import Notification
from payment.models import (
    CaseNote,
    ClosureItem,
    CreditNote,
    Dispute,
    Donation,
    DrawnReceipt,
    IdempotencyKey,
    LedgerEntry,
    ManualEntry,
    Offer,
    PayingWatch,
    PayLink,
    Payment,
    PaymentAttempt,
    Receipt,
    Refund,
    ServerEvent,
    StateChange,
    WebhookEvent,
)
from payment.services.donations import pan_of
from payment.services.retention import of_payments_under_way

logger = logging.getLogger(__name__)

# The paths from a row to its person: to an account, a payment, an order or a refund of theirs, to their mail address,
# or to what idempotency keys call them.
PATHS: dict[type[Model], dict[str, str]] = {
    User: {"account": "pk"},
    Address: {"account": "user"},
    PanCard: {"account": "user"},
    Upload: {"account": "owner"},
    Session: {"account": "user"},
    OneTimeCode: {"account": "user"},
    Registration: {"mail": "email"},
    CodeRequest: {"mail": "email"},
    Cart: {"account": "user"},
    Checkout: {"account": "user"},
    SlotHold: {"account": "checkout__user"},
    Booking: {"account": "user"},
    EarlierStart: {"account": "booking__user"},
    Assignment: {"account": "booking__user"},
    Priest: {"account": "user", "mail": "email"},
    CalendarFeed: {"account": "user"},
    WaitingEntry: {"account": "user"},
    PayingWatch: {"account": "user"},
    Payment: {"payment": "pk"},
    PaymentAttempt: {"payment": "payment"},
    LedgerEntry: {"payment": "payment"},
    Receipt: {"payment": "payment"},
    Refund: {"payment": "payment"},
    ManualEntry: {"payment": "entry__payment"},
    PayLink: {"account": "checkout__user"},
    CreditNote: {"payment": "refund__payment"},
    Donation: {"payment": "payment"},
    Offer: {"payment": "payment"},
    Dispute: {"payment": "attempt__payment"},
    StateChange: {"payment": "payment"},
    CaseNote: {"payment": "payment"},
    ClosureItem: {"payment": "payment"},
    ServerEvent: {"payment": "payment"},
    WebhookEvent: {"attempt": "attempt", "refund": "refund"},
    IdempotencyKey: {"caller": "caller"},
    Notification: {"account": "user", "mail": "email"},
}
# Digests, keys, and what somebody could pay or log in with: nobody's to take along.
SECRET = {
    *(
        "password",
        "nonce",
        "refresh_digest",
        "previous_digest",
        "user_hash",
        "digest",
        "feed_digest",
        "number",
        "session_epoch",
    ),
    *("answer", "key_digest", "body_digest", "lease"),
    *("page_url", "order_token", "intent_url", "network", "header_names", "groups", "user_permissions"),
}
NO_REASON = "the person was erased"
ERASED = "erased.invalid"  # a name that can never exist (RFC 2606)


class NotOver(Conflict):
    default_code = "not_over"
    default_detail = _("Something of this person is not over yet.")


class Person:
    """Who has, or had, this mail address here: an account, or a guest who gave it with a payment."""

    def __init__(self, email: str) -> None:
        self.email = email.strip().lower()
        self.user = User.objects.filter(email=self.email).first()
        paid = Q(payer_reference__iexact=self.email, user=None)
        paid |= Q(pk__in=Donation.objects.filter(email=self.email).values("payment"))
        if self.user is not None:
            paid |= Q(user=self.user)
        self.payments = [*Payment.objects.filter(paid).values_list("pk", flat=True)]

    def rows(self, model: type[Model]) -> "QuerySet[Any]":
        known = {
            "account": [self.user.pk] if self.user else [],
            "caller": [f"user:{self.user.pk}"] if self.user else [],
            "payment": self.payments,
            "attempt": PaymentAttempt.objects.filter(payment__in=self.payments),
            "refund": Refund.objects.filter(payment__in=self.payments),
            "mail": [self.email],
        }
        paths = Q()
        for kind, path in PATHS[model].items():
            paths |= Q(**{f"{path}__in": known[kind]})
        return model._default_manager.filter(paths).order_by("pk")


def export_person(email: str) -> dict[str, list[dict[str, Any]]]:
    """By table, every row about the person. Moments in ISO 8601, amounts in paise, the PAN in full."""
    person = Person(email)
    return {model._meta.label_lower: [*map(_as_json, person.rows(model).iterator())] for model in PATHS}


def _as_json(row: Model) -> dict[str, Any]:
    fields = [field for field in row._meta.concrete_fields if field.name not in SECRET]
    values = {field.attname: _plain(getattr(row, field.attname)) for field in fields}
    if isinstance(row, PanCard):
        try:
            values["number"] = number_of(row)
        except KeyIsMissing:
            values["number"] = None
    if isinstance(row, Donation):
        try:
            values["pan"] = pan_of(row)
        except KeyIsMissing:
            values["pan"] = None
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


@transaction.atomic
def erase_person(email: str) -> dict[str, int]:
    """Rows that were changed or deleted, by table. Raises NotOver; once done, it does nothing more.

    What is money stays, with its amounts, ids and moments: it says of whom no more.
    """
    person = _lock_person(email)
    _refuse_what_is_not_over(person)
    changed = {model._meta.label_lower: count for model, count in _erase(person) if count}
    fields = {"user": person.user and person.user.pk, "rows": sum(changed.values())}
    logger.warning("a person was erased", extra=fields)
    return changed


def _lock_person(email: str) -> Person:
    """Their payments before them, in the order of everything that moves money. Raises NotOver.

    A payment that was opened between the two reads is not locked; none is opened behind the lock of the person.
    """
    person = Person(email)
    payments = Payment.objects.select_for_update(no_key=True).filter(pk__in=person.payments).order_by("pk")
    locked = {payment.pk for payment in payments.only("pk")}
    if person.user is not None:
        lock_user(person.user.pk)
    current = Person(email)
    if not locked.issuperset(current.payments):
        raise NotOver(_("A payment of this person has just been opened: try again later."))
    return current


def _refuse_what_is_not_over(person: Person) -> None:
    if person.user is not None and not person.user.is_customer:
        raise NotOver(_("This is an account of staff: take its rights away first."))
    if of_payments_under_way(person.rows(Payment)).exists():
        raise NotOver(_("A payment of this person is open, in review, disputed, or on its way back."))
    now = database_now()
    coming = Q(starts_at__gt=now) | Q(choose_until__gt=now)
    if person.rows(Booking).filter(coming, status=Booking.Status.CONFIRMED).exists():
        raise NotOver(_("A booking of this person is still to come: cancel it first."))


def _erase(person: Person) -> Iterator[tuple[type[Model], int]]:
    payments = person.payments
    yield LogEntry, _erase_log(person)
    left = {"name": "A former priest", "name_hi": "", "email": "", "phone": None, "user": None}
    yield Priest, person.rows(Priest).update(**left, is_active=False, feed_digest=None)
    yield Assignment, person.rows(Assignment).exclude(freed_because="").update(freed_because="")
    events = person.rows(WebhookEvent)
    yield WebhookEvent, events.exclude(body=b"").update(body=b"")
    events.filter(state=WebhookEvent.State.CLOSED).update(closed_because=NO_REASON)
    written = person.rows(Refund).exclude(origin=Refund.Origin.DASHBOARD).exclude(reason=NO_REASON)
    yield Refund, written.update(reason=NO_REASON)  # the customer's words, or those of staff about them
    yield CaseNote, person.rows(CaseNote).exclude(text=NO_REASON).update(text=NO_REASON)
    yield StateChange, _erase_reasons(person)
    yield IdempotencyKey, person.rows(IdempotencyKey).delete()[0]
    yield DrawnReceipt, DrawnReceipt.objects.filter(receipt__payment__in=payments).delete()[0]
    yield (
        Payment,
        Payment.objects.filter(pk__in=payments).update(payer_reference="", payer_mobile="", buyer_gstin=""),
    )
    known = Donation.objects.filter(payment__in=payments).exclude(email="", pan="", address="")
    yield Donation, known.update(email="", pan="", address="")
    messages = [*person.rows(Notification).values_list("pk", flat=True)]
    nothing: dict[str, Any] = {
        "email": "",
        "facts": {},
        "user": None,
        "next_check_at": None,
        "last_error": "",
    }
    waiting = Notification.objects.filter(pk__in=messages, state=Notification.State.WAITING)
    waiting.update(state=Notification.State.DROPPED, dropped_because=NO_REASON)
    yield Notification, Notification.objects.filter(pk__in=messages).update(**nothing)
    for model in (Registration, CodeRequest):
        yield model, person.rows(model).delete()[0]
    if person.user is not None:
        yield from _erase_account(person.user)


def _erase_account(user: User) -> Iterator[tuple[type[Model], int]]:
    nothing = dict.fromkeys(("line1", "line2", "city", "state", "postal_code", "country"), "")
    columns: dict[str, Any] = {f"address_{name}": empty for name, empty in nothing.items()}
    columns |= {"address_id": None, "address_created_at": None, "address_updated_at": None}
    yield Checkout, Checkout.objects.filter(user=user).update(**columns, **_emptied(Checkout))
    yield Booking, Booking.objects.filter(user=user).update(cancellation_reason="", moved_because="")
    unwanted = Cart.objects.filter(user=user, checkouts=None)
    yield Cart, unwanted.delete()[0] + Cart.objects.filter(user=user).update(**_emptied(Cart))
    end_all(user, Session.EndedBecause.ACCOUNT)
    for entry in WaitingEntry.objects.filter(user=user):
        leave(entry)  # a place that was offered goes to the next one
    for model in (Address, PanCard, Session, OneTimeCode, CalendarFeed, WaitingEntry, PayingWatch):
        yield model, model._default_manager.filter(user=user).delete()[0]
    pictures = [*Upload.objects.filter(owner=user)]
    Upload.objects.filter(owner=user).update(owner=None)
    transaction.on_commit(lambda: uploads.delete(pictures), robust=True)
    yield Upload, len(pictures)
    yield User.history.model, User.history.filter(id=user.pk).delete()[0]  # reasons may name the person
    yield User, _erase_columns(user)


def _erase_log(person: Person) -> int:
    """What staff did with rows of the person, which the log of the admin calls by name, address or mail address."""
    count = 0
    for model in PATHS:
        keys = [str(key) for key in person.rows(model).values_list("pk", flat=True)]
        kind = ContentType.objects.get_for_model(model)
        entries = LogEntry.objects.filter(content_type=kind, object_id__in=keys)
        count += entries.update(object_repr=model._meta.verbose_name_raw, change_message="")
    return count


def _erase_reasons(person: Person) -> int:
    """The name of the member of staff who decided stays; what they wrote about it may name the person."""
    reasons = [
        *person.rows(StateChange).filter(detail__startswith="by user ").exclude(detail__endswith=NO_REASON)
    ]
    for change in reasons:
        change.detail = f"{change.detail.partition(':')[0]}: {NO_REASON}"
    StateChange.objects.bulk_update(reasons, ["detail"])
    return len(reasons)


def _erase_columns(user: User) -> int:
    name = f"account-{user.pk}@{ERASED}"
    user.set_unusable_password()
    nobody = {"email": name, "phone": None, "first_name": "", "last_name": "", "dob": None}
    return User.objects.filter(pk=user.pk).update(
        **nobody,
        password=user.password,
        account_status=User.AccountStatus.DEACTIVATED,
        email_confirmed_at=None,
        phone_confirmed_at=None,
    )


def _emptied(model: type[Model]) -> dict[str, Any]:
    """What the customer wrote about the devotees, in the columns of whichever release this is."""
    written = {"devotee_names", "gotra", "nakshatra", "people", "wishes"}
    fields = [field for field in model._meta.concrete_fields if field.name in written]
    return {field.name: None if field.null else field.get_default() for field in fields}
