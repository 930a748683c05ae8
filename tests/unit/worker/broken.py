"""For each kind of background work: rows that are due, and a database that refuses to let one of them through."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import uuid4

from django.db import connection
from django.utils import timezone

from accounts.codes import REGISTRATION_KEPT, issue, request
from accounts.models import CodeRequest, OneTimeCode, Registration, Session, Upload
from accounts.services import register
from accounts.sessions import KEPT, open_session
from booking.models import Booking, Slot, SlotHold, WaitingEntry
from notifications.models import Notification
from notifications.services import notify
from payment.models import (
    Closure,
    ClosureItem,
    CreditNote,
    DiagnosisRun,
    IdempotencyKey,
    Offer,
    PayingWatch,
    PayLink,
    Payment,
    PaymentAttempt,
    Receipt,
    Reconciliation,
    Refund,
    ServerEvent,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from payment.reconciliation.days import yesterday
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from payment.services.webhook_endpoints import create_endpoint
from payment.states import Fulfilment, PaymentState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

FUNCTION = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS
$$ BEGIN RAISE 'broken on purpose'; END $$ LANGUAGE plpgsql
"""


@dataclass(frozen=True)
class Kind:
    """`make` gives the key of a due row; `is_done` says whether the work on it went through.

    The database refuses `act` on `table` where `which` (SQL, with the key) is true. `leased_as` is the kind in its
    lease. `is_one` is work that has one row only.
    """

    make: Callable[[], int]
    is_done: Callable[[int], bool]
    table: str
    act: str = "UPDATE"
    which: str = "NEW.id = {key}"
    leased_as: str = ""
    is_one: bool = False

    @contextmanager
    def broken(self, key: int) -> Iterator[None]:
        which = self.which.format(key=key, day=date.fromordinal(max(key, 1)))
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(FUNCTION)
                cursor.execute(
                    f"CREATE TRIGGER broken BEFORE {self.act} ON {self.table} FOR EACH ROW"
                    f" WHEN ({which}) EXECUTE FUNCTION refuse()"
                )
            else:
                cursor.execute(
                    f"CREATE TRIGGER broken BEFORE {self.act} ON {self.table} WHEN {which}"
                    " BEGIN SELECT RAISE(ABORT, 'broken on purpose'); END"
                )
        try:
            yield
        finally:
            on = f" ON {self.table}" if connection.vendor == "postgresql" else ""
            with connection.cursor() as cursor:
                cursor.execute(f"DROP TRIGGER broken{on}")


def open_order() -> int:
    attempt = make_payment().attempts.get()
    PaymentAttempt.objects.filter(pk=attempt.pk).update(next_check_at=ago(1))
    return attempt.pk


def paid_donation() -> Payment:
    payment = make_payment()
    return apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")


def refund() -> int:
    return create_refund(paid_donation().attempts.get(), 1_000, "a gesture", asked_by=None).pk


def event() -> int:
    attempt, digest = make_payment().attempts.get(), uuid4().hex
    told = {"event": "checkout.order.completed", "claimed_state": "COMPLETED", "attempt": attempt}
    return WebhookEvent.objects.create(
        digest=digest, scheme="hmac", body=b"{}", next_check_at=ago(1), **told
    ).pk


def unfulfilled() -> int:
    payment = paid_donation()
    Payment.objects.filter(pk=payment.pk).update(fulfilment=Fulfilment.DUE, fulfil_at=ago(1))
    return payment.pk


def ended_hold() -> int:
    slot = builders.make_slot(builders.make_service())
    package = builders.make_package(slot.service)
    checkout = builders.make_checkout(builders.make_cart(builders.make_user(), package, slot.starts_at))
    make_payment(checkout, state=PaymentState.FAILED)
    SlotHold.objects.filter(checkout=checkout).update(expires_at=ago(1))
    return SlotHold.objects.get(checkout=checkout).pk


def ended_link() -> int:
    """Nobody has clicked on it."""
    slot = builders.make_slot(builders.make_service())
    package = builders.make_package(slot.service)
    person = builders.make_user()
    checkout = builders.make_checkout(builders.make_cart(person, package, slot.starts_at))
    return PayLink.objects.create(checkout=checkout, key=uuid4(), made_by=person, expires_at=ago(1)).pk


def ended_offer() -> int:
    payment = paid_donation()
    Payment.objects.filter(pk=payment.pk).update(fulfilment=Fulfilment.OFFERED)
    return Offer.objects.create(payment=payment, expires_at=ago(1)).pk


def near_puja() -> int:
    """A booking whose customer is to be reminded."""
    slot = builders.make_slot(builders.make_service())
    cart = builders.make_cart(builders.make_user(), builders.make_package(slot.service), slot.starts_at)
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    booking = Booking.objects.get(checkout=payment.checkout)
    Booking.objects.filter(pk=booking.pk).update(next_reminder_at=ago(60))
    return booking.pk


def closed_time() -> int:
    """The booking of a time that staff have closed, of which nothing has become yet."""
    booking = Booking.objects.get(pk=near_puja())
    Booking.objects.filter(pk=booking.pk).update(next_reminder_at=None)
    closure = Closure.objects.create(
        by=builders.make_superuser(),
        starts_from=booking.starts_at,
        starts_before=booking.starts_at + timedelta(hours=1),
        reason="The river has risen.",
    )
    item = ClosureItem(closure=closure, booking=booking, payment=booking.checkout.payment, then="REFUND")
    item.starts_at = booking.starts_at
    item.save()
    return item.pk


def is_reminded(booking_id: int) -> bool:
    booking = Booking.objects.get(pk=booking_id)
    return Notification.objects.filter(kind="reminder", facts__book_id=booking.book_id).exists()


def asked_to_be_told() -> int:
    """Longer ago than they are remembered."""
    watch = PayingWatch.objects.create(user=builders.make_user(), next_check_at=ago(1))
    PayingWatch.objects.filter(pk=watch.pk).update(created_at=ago(3 * 86_400))
    return watch.pk


def waits(**fields) -> int:
    """For a time that has a free place."""
    slot = builders.make_slot(builders.make_service(), held=1 if fields else 0)
    package = builders.make_package(slot.service)
    return WaitingEntry.objects.create(user=builders.make_user(), slot=slot, package=package, **fields).pk


def ended_offer_of_a_place() -> int:
    return waits(state="OFFERED", offered_until=ago(1))


def waits_for_what_is_over() -> int:
    entry = waits()
    Slot.objects.filter(waiting_entries=entry).update(starts_at=ago(60))
    return entry


def old_key() -> int:
    fields = {"caller": "guest", "route": "process-cart", "key_digest": uuid4().hex, "body_digest": "b"}
    key = IdempotencyKey.objects.create(**fields, lease=uuid4(), lease_until=timezone.now())
    IdempotencyKey.objects.filter(pk=key.pk).update(created_at=ago(100_000))
    return key.pk


def new_code() -> int:
    return issue(builders.make_user(), OneTimeCode.Purpose.CONFIRM).pk


def new_code_request() -> int:
    request("nobody@example.com", OneTimeCode.Purpose.RESET, "203.0.113.5")
    return CodeRequest.objects.latest("pk").pk


def new_registration(age: timedelta = timedelta(0)) -> int:
    made = register(email=f"{uuid4().hex}@example.com", password=builders.PASSWORD)
    Registration.objects.filter(pk=made.pk).update(created_at=timezone.now() - age)
    return made.pk


def left_registration() -> int:
    return new_registration(2 * REGISTRATION_KEPT)


def replaced_upload() -> int:
    upload = Upload(owner=builders.make_user(), purpose="PROFILE", state="REPLACED")
    upload.file, upload.thumbnail = f"{uuid4().hex}.jpg", f"{uuid4().hex}.jpg"
    upload.save()
    return upload.pk


def old_session() -> int:
    open_session(builders.make_user())
    session = Session.objects.latest("pk")
    Session.objects.filter(pk=session.pk).update(ended_at=timezone.now() - 2 * KEPT)
    return session.pk


def notification() -> int:
    key = uuid4().hex
    notify("pending", key, {"amount_paise": 100}, user=builders.make_user(email_confirmed_at=timezone.now()))
    return Notification.objects.get(key=key).pk


def waiting_money() -> int:
    payment = make_payment()
    apply_status(payment.attempts.get().pk, completed(1), "worker")
    Payment.objects.filter(pk=payment.pk).update(created_at=ago(10_000))
    return payment.pk


def unnumbered_receipt() -> int:
    return Receipt.objects.get(payment=paid_donation()).pk


def unnumbered_credit_note() -> int:
    key = refund()
    Refund.objects.filter(pk=key).update(state="FAILED", next_check_at=None)  # nobody sends it meanwhile
    return CreditNote.objects.create(
        refund_id=key, series="SIC", year=2026, issued_at=ago(60), total_paise=100
    ).pk


def endpoint(types: list[str]) -> WebhookEndpoint:
    """Nobody answers there."""
    return create_endpoint("http://127.0.0.1:9/", types=types)[0]


def new_server_event() -> int:
    endpoint(["booking.moved"])
    return ServerEvent.objects.create(type="payment.paid").pk


def new_delivery() -> int:
    event = ServerEvent.objects.create(type="endpoint.test", is_distributed=True)
    return WebhookDelivery.objects.create(event=event, endpoint=endpoint(["endpoint.test"])).pk


def unseen_day() -> int:
    """Yesterday; at the second call the day before, on which an order was opened by then."""
    ordered = PaymentAttempt.objects.filter(created_at__lt=ago(100_000)).exists()
    if not ordered and PaymentAttempt.objects.exists():
        first = PaymentAttempt.objects.order_by("pk").values_list("pk", flat=True)[:1]
        PaymentAttempt.objects.filter(pk__in=list(first)).update(
            created_at=timezone.now() - timedelta(days=2)
        )
        return yesterday().toordinal()
    return yesterday().toordinal() - 1


def ago(seconds: int):
    return timezone.now() - timedelta(seconds=seconds)


def looked_at(model) -> Callable[[int], bool]:
    """Not whether it is due: on a slow machine it may be due again."""
    return lambda key: model.objects.filter(pk=key, checks__gt=0).exists()


def is_told(payment_id: int) -> bool:
    told = Notification.objects.filter(facts__rule="money_waits", facts__case=f"payment:{payment_id}")
    return told.exists()


BROKEN = {
    "attempts": Kind(open_order, looked_at(PaymentAttempt), "payment_paymentattempt"),
    "refunds": Kind(refund, looked_at(Refund), "payment_refund"),
    "events": Kind(event, looked_at(WebhookEvent), "payment_webhookevent"),
    "fulfilments": Kind(
        unfulfilled, lambda key: Payment.objects.get(pk=key).fulfilment == "GIFT", "payment_payment"
    ),
    "holds": Kind(
        ended_hold, lambda key: SlotHold.objects.get(pk=key).state == "RELEASED", "booking_slothold"
    ),
    "pay_links": Kind(
        ended_link, lambda key: PayLink.objects.get(pk=key).ended_at is not None, "payment_paylink"
    ),
    "offers": Kind(ended_offer, lambda key: Offer.objects.get(pk=key).state == "CLOSED", "payment_offer"),
    "keys": Kind(
        old_key,
        lambda key: not IdempotencyKey.objects.filter(pk=key).exists(),
        "payment_idempotencykey",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "code_requests": Kind(
        new_code_request,
        lambda key: not CodeRequest.objects.filter(pk=key).exists(),
        "accounts_coderequest",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "registrations": Kind(
        new_registration,
        lambda key: Registration.objects.get(pk=key).is_answered,
        "accounts_registration",
    ),
    "left_registrations": Kind(
        left_registration,
        lambda key: not Registration.objects.filter(pk=key).exists(),
        "accounts_registration",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "paying_watches": Kind(
        asked_to_be_told,
        lambda key: not PayingWatch.objects.filter(pk=key).exists(),
        "payment_payingwatch",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "waiting": Kind(
        waits,
        lambda key: WaitingEntry.objects.get(pk=key).state == "OFFERED",
        "booking_waitingentry",
    ),
    "waiting_offers": Kind(
        ended_offer_of_a_place,
        lambda key: WaitingEntry.objects.get(pk=key).state == "PASSED",
        "booking_waitingentry",
    ),
    "late_waiting": Kind(
        waits_for_what_is_over,
        lambda key: WaitingEntry.objects.get(pk=key).state == "PASSED",
        "booking_waitingentry",
    ),
    "closures": Kind(
        closed_time,
        lambda key: ClosureItem.objects.get(pk=key).outcome == "refunded",
        "payment_closureitem",
    ),
    "reminders": Kind(near_puja, is_reminded, "booking_booking"),
    "uploads": Kind(
        replaced_upload,
        lambda key: not Upload.objects.filter(pk=key).exists(),
        "accounts_upload",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "codes": Kind(new_code, lambda key: OneTimeCode.objects.get(pk=key).is_sent, "accounts_onetimecode"),
    "sessions": Kind(
        old_session,
        lambda key: not Session.objects.filter(pk=key).exists(),
        "accounts_session",
        act="DELETE",
        which="OLD.id = {key}",
    ),
    "notifications": Kind(
        notification,
        lambda key: Notification.objects.get(pk=key).state == "SENT",
        "notifications_notification",
    ),
    "server_events": Kind(
        new_server_event,
        lambda key: ServerEvent.objects.get(pk=key).is_distributed,
        "payment_serverevent",
    ),
    "webhooks": Kind(new_delivery, looked_at(WebhookDelivery), "payment_webhookdelivery"),
    "receipts": Kind(
        unnumbered_receipt, lambda key: bool(Receipt.objects.get(pk=key).number), "payment_receipt"
    ),
    "credit_notes": Kind(
        unnumbered_credit_note,
        lambda key: bool(CreditNote.objects.get(pk=key).number),
        "payment_creditnote",
    ),
    "diagnosis": Kind(
        lambda: 0,
        lambda key: DiagnosisRun.objects.filter(finished_at__isnull=False).exists(),
        "payment_diagnosisrun",
        act="INSERT",
        which="NEW.asked_by = 'worker'",
        is_one=True,
    ),
    "watch": Kind(
        waiting_money,
        is_told,
        "notifications_notification",
        act="INSERT",
        which="NEW.key LIKE 'alert:money_waits:payment:{key}:%'",
        leased_as="tell money_waits",
    ),
    "reconcile": Kind(
        unseen_day,
        lambda key: Reconciliation.objects.filter(
            day=date.fromordinal(key), finished_at__isnull=False
        ).exists(),
        "payment_reconciliation",
        which="NEW.finished_at IS NOT NULL AND NEW.day = '{day}'",
    ),
}
