"""A message whose fact is over when it is sent is dropped with the reason; while it is true, it is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

import notifications
from booking.models import Assignment, Booking, Priest, Slot
from booking.services import cancel
from notifications.alerts import SENTENCES
from notifications.models import Notification
from notifications.services import ABOUT_LOGIN, send_again, was_notified
from payment.gateways import RefundStatus
from payment.models import Offer, Payment, PaymentAttempt, Refund, WebhookEvent, WorkLease
from payment.phonepe.enums import ProviderStatus
from payment.services.notification_delivery import ALERT_DROP_RULES, DROP_RULES, DROP_RULES_WITHOUT_PAYMENT
from payment.services.notifications import (
    alert_staff,
    notify_booked,
    notify_cancelled,
    notify_failed,
    notify_moved,
    notify_moved_by_customer,
    notify_offer,
    notify_offer_closed,
    notify_paid_twice,
    notify_pending,
    notify_received,
    notify_refund_credited,
    notify_refund_started,
    notify_reminder,
)
from payment.services.offers import close_offer
from payment.services.outcomes import apply_status
from payment.services.priests import assign_priest
from payment.services.refunds.outcomes import apply_refund_status
from payment.services.refunds.requests import cancel_booking, create_refund
from payment.services.slot_closure import move_all
from payment.services.webhooks import close_event
from payment.states import AttemptState, Fulfilment, PaymentState, RefundState
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment
from worker.jobs import run_due

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def staff_have_an_address(settings):
    settings.STAFF_EMAILS = ["ops@example.com"]


@pytest.fixture
def payment(cart):
    return make_payment(builders.make_checkout(cart))


def pays(payment: Payment) -> Payment:
    return apply_status(payment.attempts.get().pk, completed(), "worker")


def is_offered(payment: Payment) -> Payment:
    pays(payment)
    Payment.objects.filter(pk=payment.pk).update(fulfilment=Fulfilment.OFFERED)
    Offer.objects.create(payment=payment, expires_at=timezone.now() + timedelta(hours=1))
    return Payment.objects.get(pk=payment.pk)


def booking(payment: Payment) -> Booking:
    return Booking.objects.get(checkout=payment.checkout)


def refund(payment: Payment) -> Refund:
    pays(payment)
    return create_refund(payment.attempts.get(), 10_000, "a gesture", asked_by=None)


def fulfilment_becomes(to: str) -> Callable[[Payment], Any]:
    return lambda payment: Payment.objects.filter(pk=payment.pk).update(fulfilment=to)


def refund_becomes(to: RefundState) -> Callable[[Payment], Any]:
    return lambda payment: Refund.objects.filter(payment=payment).update(state=to, held_because="")


def booking_is_cancelled(payment: Payment) -> None:
    cancel(booking(payment), "the family is travelling")


def booking_is_moved(payment: Payment) -> None:
    Booking.objects.update(starts_at=booking(payment).starts_at + timedelta(days=1))


def is_called_off(payment: Payment) -> None:
    pays(payment)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    slot = Slot.objects.get()
    Slot.objects.create(service=slot.service, starts_at=hour + timedelta(hours=7))  # the only one, and near
    move_all(slot, "the river has risen", builders.make_superuser())


def is_offered_again(payment: Payment) -> None:
    """The first offer has ended; a later one is open, until another moment."""
    first = Offer.objects.get()
    Offer.objects.update(state=Offer.State.CLOSED, decided_at=timezone.now())
    Offer.objects.create(
        payment=payment, because=first.because, expires_at=first.expires_at + timedelta(minutes=5)
    )


def booking_is_cancelled_by_us(payment: Payment) -> None:
    cancel_booking(booking(payment), "the family is travelling", in_full=True)


def held(payment: Payment) -> None:
    apply_status(payment.attempts.get().pk, completed(1), "worker")


def fails_then_is_held_for_staff(payment: Payment) -> None:
    refund(payment)
    Refund.objects.update(held_because="FAILED_OFTEN", next_check_at=None)


def has_a_priest(payment: Payment) -> None:
    staff = builders.make_superuser()
    assign_priest(booking(pays(payment)), Priest.objects.create(name="Pandit Ravi"), staff)


@dataclass(frozen=True)
class News:
    """`tell` brings a fact about and tells it; each of `ends` ends the fact."""

    tell: Callable[[Payment], Any]
    ends: tuple[Callable[[Payment], Any], ...]


PERSON: dict[str, News] = {
    "received": News(
        lambda payment: (held(payment), notify_received(Payment.objects.get(pk=payment.pk))),
        (lambda payment: Payment.objects.update(fulfilment=Fulfilment.NONE),),
    ),
    "booked": News(lambda payment: notify_booked(pays(payment)), (booking_is_cancelled, is_called_off)),
    "pending": News(notify_pending, (pays, held)),
    "failed": News(notify_failed, (pays, held)),
    "offer": News(
        lambda payment: notify_offer(
            is_offered(payment), [Slot.objects.get().starts_at], Offer.objects.get().expires_at
        ),
        (
            is_offered_again,
            lambda payment: close_offer(payment.pk, "offer_declined", by=None),
            lambda payment: Offer.objects.update(expires_at=timezone.now()),
            lambda payment: Offer.objects.update(state=Offer.State.TAKEN, slot=Slot.objects.get()),
        ),
    ),
    "called_off": News(
        is_called_off,
        (
            is_offered_again,
            booking_is_cancelled_by_us,
            lambda payment: Offer.objects.update(expires_at=timezone.now()),
            lambda payment: Offer.objects.update(state=Offer.State.TAKEN, slot=Slot.objects.first()),
        ),
    ),
    "offer_closed": News(
        lambda payment: notify_offer_closed(close_offer(is_offered(payment).pk, "offer_declined", by=None)),
        (fulfilment_becomes(Fulfilment.BOOKED),),
    ),
    "cancelled": News(
        lambda payment: (pays(payment), booking_is_cancelled(payment), notify_cancelled(booking(payment), 0)),
        (lambda payment: Booking.objects.update(status="CONFIRMED"),),
    ),
    "moved": News(
        lambda payment: (pays(payment), notify_moved(booking(payment), timezone.now())),
        (booking_is_moved, booking_is_cancelled),
    ),
    "reminder": News(
        lambda payment: (pays(payment), notify_reminder(booking(payment), timezone.now())),
        (booking_is_moved, booking_is_cancelled),
    ),
    "moved_by_customer": News(
        lambda payment: (pays(payment), notify_moved_by_customer(booking(payment), timezone.now())),
        (booking_is_moved, booking_is_cancelled),
    ),
    "priest_known": News(
        has_a_priest,
        (
            booking_is_cancelled,
            lambda payment: Assignment.objects.update(freed_at=timezone.now()),
        ),
    ),
    "paid_twice": News(
        lambda payment: (pays(payment), notify_paid_twice(payment, booking(payment))), (booking_is_cancelled,)
    ),
    "refund_started": News(
        lambda payment: notify_refund_started(refund(payment)),
        (refund_becomes(RefundState.COMPLETED), refund_becomes(RefundState.FAILED)),
    ),
    "refund_credited": News(
        lambda payment: (
            refund(payment),
            refund_becomes(RefundState.COMPLETED)(payment),
            notify_refund_credited(Refund.objects.get()),
        ),
        (refund_becomes(RefundState.FAILED),),
    ),
}


def alert(rule: str, **facts: Any) -> Callable[[Payment], None]:
    return lambda payment: alert_staff(rule, payment, order=payment.attempts.get().merchant_order_id, **facts)


def refund_alert(rule: str) -> Callable[[Payment], None]:
    return lambda payment: alert_staff(
        rule, payment, refund_id=Refund.objects.filter(payment=payment).get().merchant_refund_id
    )


def attempt_becomes(to: AttemptState) -> Callable[[Payment], Any]:
    return lambda payment: PaymentAttempt.objects.update(state=to, received_paise=1)


def event_unconfirmed(payment: Payment) -> None:
    attempt = payment.attempts.get()
    event = WebhookEvent.objects.create(digest="d", scheme="hmac", body=b"{}", attempt=attempt)
    alert_staff("event_unconfirmed", payment, case=f"event:{event.pk}")


def event_in_review(rule: str) -> Callable[[Payment], None]:
    def tell(payment: Payment) -> None:
        kind = {"event": "payment.captured", "unclear": "this kind of event is not known"}
        WebhookEvent.objects.create(digest="d", scheme="hmac", body=b"{}", state="NEEDS_REVIEW", **kind)
        alert_staff(rule, case="events", **kind)

    return tell


def event_is_closed(payment: Payment) -> None:
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    close_event(WebhookEvent.objects.get().pk, "a new product of PhonePe", clerk)


def work_fails(payment: Payment) -> None:
    now = timezone.now()
    lease = {"token": "0" * 32, "taken_at": now, "held_until": now, "tries": 7}
    WorkLease.objects.create(kind="offers", row=17, **lease)
    alert_staff("work_fails", case="offers:17", work="offers", row=17)


def after(first: Callable[[Payment], Any], then: Callable[[Payment], Any]) -> Callable[[Payment], None]:
    def both(payment: Payment) -> None:
        first(payment)
        then(payment)

    return both


STAFF: dict[str, News] = {
    "amount_differs": News(after(held, alert("amount_differs")), (fulfilment_becomes(Fulfilment.NONE),)),
    "amount_missing": News(alert("amount_missing"), (attempt_becomes(AttemptState.COMPLETED),)),
    "payment_stuck": News(alert("payment_stuck"), (attempt_becomes(AttemptState.COMPLETED),)),
    "money_waits": News(after(held, alert("money_waits")), (fulfilment_becomes(Fulfilment.NONE),)),
    "refund_stuck": News(
        after(refund, refund_alert("refund_stuck")), (refund_becomes(RefundState.COMPLETED),)
    ),
    "refund_not_sent": News(
        after(refund, refund_alert("refund_not_sent")),
        (lambda payment: Refund.objects.update(sent_at=timezone.now()),),
    ),
    "refund_failed_often": News(
        after(fails_then_is_held_for_staff, refund_alert("refund_failed_often")),
        (lambda payment: Refund.objects.update(held_because="", next_check_at=timezone.now()),),
    ),
    "event_unconfirmed": News(
        event_unconfirmed,
        (lambda payment: WebhookEvent.objects.update(state="HANDLED"), event_is_closed),
    ),
    "event_not_understood": News(event_in_review("event_not_understood"), (event_is_closed,)),
    "events_in_review": News(event_in_review("events_in_review"), (event_is_closed,)),
    "work_fails": News(work_fails, (lambda payment: WorkLease.objects.filter(kind="offers").delete(),)),
}
HAPPENED = {name for name, rule in ALERT_DROP_RULES.items() if rule.__name__ == "_happened"}
ALL = {
    **{(kind, ""): news for kind, news in PERSON.items()},
    **{("alert", rule): news for rule, news in STAFF.items()},
}
ENDS = [(name, number) for name, news in ALL.items() for number in range(len(news.ends))]


def label(name: object) -> str:
    return " ".join(filter(None, name)) if isinstance(name, tuple) else str(name)


def the_one(kind: str, rule: str) -> Notification:
    """What the test is about; nothing else waits."""
    which = {"facts__rule": rule} if rule else {}
    notification = Notification.objects.get(kind=kind, **which)
    Notification.objects.exclude(pk=notification.pk).delete()
    return notification


@pytest.mark.parametrize("name", ALL, ids=label)
def test_what_is_true_is_sent(name, payment, mailoutbox):
    ALL[name].tell(payment)
    the_one(*name)
    run_due(["notifications"], limit=1)

    assert Notification.objects.get().state == "SENT"
    assert len(mailoutbox) == 1


@pytest.mark.parametrize(("name", "number"), ENDS, ids=label)
def test_what_is_over_is_dropped_and_says_why(name, number, payment, mailoutbox):
    ALL[name].tell(payment)
    notification = the_one(*name)
    ALL[name].ends[number](payment)
    run_due(["notifications"], limit=1)

    notification.refresh_from_db()
    assert notification.state == "DROPPED", notification.last_error
    assert notification.dropped_because
    assert mailoutbox == []
    assert notification.next_check_at is None


def test_every_kind_of_message_has_a_rule_and_a_test():
    texts = {
        path.stem
        for path in Path(notifications.__file__).parent.glob("templates/notifications/messages/*.txt")
    }

    assert DROP_RULES.keys() | DROP_RULES_WITHOUT_PAYMENT.keys() | {"alert", *ABOUT_LOGIN} == texts
    assert PERSON.keys() == DROP_RULES.keys()


def test_every_alert_has_a_rule_and_what_may_be_over_a_test():
    assert ALERT_DROP_RULES.keys() == SENTENCES.keys()
    assert STAFF.keys() == ALERT_DROP_RULES.keys() - HAPPENED


def test_your_bank_has_not_decided_does_not_come_after_booked(payment, mailoutbox):
    notify_pending(payment)
    pays(payment)
    run_due(["notifications"])

    assert [mail.subject.split()[0] for mail in mailoutbox] == ["Booking"]


def test_who_cancels_before_the_confirmation_went_out_hears_of_the_cancellation_only(payment, mailoutbox):
    pays(payment)
    booking_is_cancelled(payment)
    notify_cancelled(booking(payment), 110_000)
    run_due(["notifications"])

    assert list(Notification.objects.order_by("pk").values_list("kind", "state")) == [
        ("booked", "DROPPED"),
        ("cancelled", "SENT"),
    ]


def test_a_booking_that_was_moved_before_it_was_confirmed_is_confirmed_for_its_new_time(payment, mailoutbox):
    pays(payment)
    Booking.objects.update(starts_at=timezone.make_aware(timezone.datetime(2027, 3, 5, 9, 30)))
    run_due(["notifications"])

    assert "5 March 2027" in mailoutbox[0].body
    assert len(mailoutbox[0].attachments) == 2  # receipt and calendar


def test_the_refund_that_took_the_place_of_a_failed_one_is_told_instead(payment, mailoutbox):
    pays(payment)
    Notification.objects.all().delete()
    first = create_refund(payment.attempts.get(), 10_000, "a gesture", asked_by=None)
    Refund.objects.update(state=RefundState.PENDING, sent_at=timezone.now())
    apply_refund_status(first.pk, RefundStatus(ProviderStatus.FAILED), "worker")
    while run_due(["notifications"]):
        pass

    (mail,) = mailoutbox
    assert Refund.objects.get(replaces=first).merchant_refund_id in mail.body
    assert sorted(Notification.objects.values_list("state", flat=True)) == ["DROPPED", "SENT"]


def test_a_fact_that_ends_while_the_receipt_is_drawn_is_over_all_the_same(payment, mailoutbox, settings):
    """The last look comes after all that takes time."""
    pays(payment)
    ended = []

    class Lines(list):
        def __iter__(self):
            if not ended:
                ended.append(True)
                booking_is_cancelled(payment)
            return super().__iter__()

    settings.RECEIPT_ISSUER = Lines(["OkPuja"])
    run_due(["notifications"])

    assert ended
    assert Notification.objects.get(kind="booked").state == "DROPPED"


def test_what_was_dropped_was_not_told(payment):
    notify_pending(payment)
    held(payment)
    run_due(["notifications"], limit=10)

    assert not was_notified(f"pending:payment:{payment.pk}")


def test_staff_cannot_send_what_is_over(payment, mailoutbox):
    notify_pending(payment)
    pays(payment)
    run_due(["notifications"], limit=10)
    mailoutbox.clear()
    assert send_again(Notification.objects.get(kind="pending"))
    run_due(["notifications"], limit=10)

    assert Notification.objects.get(kind="pending").state == "DROPPED"
    assert mailoutbox == []


def test_a_payment_that_ended_unpaid_is_still_told(payment, mailoutbox):
    notify_failed(payment)
    Payment.objects.update(state=PaymentState.FAILED)
    run_due(["notifications"])

    assert len(mailoutbox) == 1
