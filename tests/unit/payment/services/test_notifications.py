"""Whom we tell what, and when: each message is about a fact that is committed with it, and is said once."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from booking.models import Slot
from booking.services import cancel
from notifications.models import Notification
from payment.models import Offer, Payment, PaymentAttempt
from payment.phonepe.enums import ProviderStatus
from payment.phonepe.schemas import OrderStatus
from payment.services.notifications import (
    notify_cancelled,
    notify_moved,
    notify_offer,
    notify_refund_credited,
)
from payment.services.outcomes import accept_after_review, apply_status
from payment.services.receipts import receipt_document, receipt_of
from payment.states import RefundState
from tests.harness import builders
from tests.unit.payment.builders import FAILED, PENDING, completed, make_attempt, make_payment
from worker.jobs import run_due

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def payment(cart):
    return make_payment(builders.make_checkout(cart))


def told():
    return sorted(Notification.objects.values_list("kind", flat=True))


def hear(payment, answer, **more):
    return apply_status(payment.attempts.get().pk, answer, "worker", **more)


def test_a_booking_is_told_with_its_receipt(payment, mailoutbox):
    hear(payment, completed())
    hear(payment, completed())
    assert told() == ["booked"]
    run_due(["notifications"])

    (mail,) = mailoutbox
    assert payment.checkout.booking.book_id in mail.subject
    assert "₹1,100.00" in mail.body
    number = str(receipt_of(payment)).replace("/", "-")
    (name, content, kind), (calendar, _, calendar_kind) = mail.attachments
    assert (calendar, calendar_kind) == (f"{payment.checkout.booking.book_id}.ics", "text/calendar")
    assert (name, kind) == (f"receipt-{number}.pdf", "application/pdf")
    assert content.startswith(b"%PDF-")


def test_the_link_in_a_mail_opens_the_payment(payment, mailoutbox, client):
    hear(payment, completed())
    run_due(["notifications"])

    link = next(line for line in mailoutbox[0].body.splitlines() if line.startswith("http://testserver/"))
    assert payment.checkout.booking.book_id in client.get(link).content.decode()


def test_links_are_not_kept_in_the_outbox(payment):
    hear(payment, completed())

    assert "http" not in str(Notification.objects.get().facts)


def test_a_refused_payment_is_told(payment):
    hear(payment, FAILED)

    assert told() == ["failed"]


def test_whoever_left_without_trying_is_left_alone(payment):
    PaymentAttempt.objects.update(expires_at=timezone.now())
    hear(payment, PENDING)

    assert Payment.objects.get().state == "CANCELLED"
    assert told() == []


@pytest.mark.parametrize(
    "answer",
    [
        OrderStatus(ProviderStatus.FAILED, code="ORDER_EXPIRED"),
        OrderStatus(ProviderStatus.FAILED, code="TIMED_OUT", provider_transaction_id="T1"),
    ],
)
def test_whoever_left_without_trying_is_left_alone_whatever_phonepe_calls_it(payment, answer):
    hear(payment, answer)

    assert Payment.objects.get().state == "FAILED"
    assert told() == []


def test_nobody_is_told_that_nothing_is_booked_after_their_booking(payment, cart):
    """Late money for a first payment has booked the cart; the second one fails."""
    hear(payment, PENDING, giving_up=True)
    cart.refresh_from_db()
    second = make_payment(builders.make_checkout(cart))
    hear(payment, completed())

    hear(second, FAILED)

    second.refresh_from_db()
    assert second.state == "FAILED"
    assert told() == ["booked"]


def test_whoever_waits_for_their_bank_is_asked_not_to_pay_twice_and_told_the_end(payment):
    tried = PENDING.__class__(PENDING.state, provider_transaction_id="T1")
    hear(payment, tried)
    assert told() == []

    PaymentAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    hear(payment, tried)
    hear(payment, tried)
    assert told() == ["pending"]

    hear(payment, PENDING, giving_up=True)
    assert told() == ["failed", "pending"]


def test_money_that_comes_after_a_no_is_told_too(payment):
    hear(payment, FAILED)
    hear(payment, completed())

    assert told() == ["booked", "failed"]


def test_a_wrong_amount_is_told_to_the_buyer_and_to_staff(payment, settings):
    settings.STAFF_EMAILS = ["ops@example.com"]
    hear(payment, completed(1))

    assert told() == ["alert", "received"]
    facts = Notification.objects.get(kind="received").facts
    assert facts["fulfilment"] == "HELD_FOR_STAFF"
    assert (facts["amount_paise"], facts["agreed_paise"]) == (1, 110_000)


def test_a_guest_who_left_an_address_gets_their_receipt(db, mailoutbox):
    payment = make_payment(payer_reference="guest@example.com")
    hear(payment, completed(payment.amount_paise))
    run_due(["notifications"])

    assert mailoutbox[0].to == ["guest@example.com"]
    assert len(mailoutbox[0].attachments) == 1


def test_a_donation_that_staff_accept_is_told_once_more_with_its_receipt(db, mailoutbox):
    payment = make_payment(payer_reference="guest@example.com")
    hear(payment, completed(5_000))
    hear(payment, completed(5_000))
    run_due(["notifications"], limit=10)
    accept_after_review(payment.pk, builders.make_superuser())
    run_due(["notifications"], limit=10)

    assert [len(mail.attachments) for mail in mailoutbox] == [0, 1]


def test_a_guest_who_left_none_is_told_nothing(db):
    payment = make_payment(payer_reference="test_user")
    hear(payment, completed(payment.amount_paise))

    assert told() == []


def test_a_guest_whose_payment_fails_gets_no_mail_at_an_address_that_may_not_be_theirs(db):
    payment = make_payment(payer_reference="somebody.else@example.com")
    hear(payment, FAILED)

    assert told() == []


def test_a_message_that_cannot_be_written_costs_the_words_not_the_money(payment, settings):
    settings.STAFF_EMAILS = ["ops@example.com"]
    hear(payment, completed())
    booked = Notification.objects.get(kind="booked")
    Notification.objects.filter(pk=booked.pk).update(facts=booked.facts | {"puja": ""})
    assert Payment.objects.get().fulfilment == "BOOKED"

    run_due(["notifications"])
    assert Notification.objects.get(kind="booked").state == "GIVEN_UP"
    assert Notification.objects.get(kind="alert").facts["rule"] == "message_given_up"


def test_each_move_of_a_booking_is_told(payment):
    hear(payment, completed())
    booking = payment.checkout.booking
    before = booking.starts_at
    for days in (1, 2, 2):
        booking.starts_at = before + timedelta(days=days)
        booking.moves += 1
        booking.save()
        notify_moved(booking, before)
        notify_moved(booking, before)  # the same move

    assert told() == ["booked", "moved", "moved", "moved"]


def test_the_receipt_and_later_mails_name_the_time_that_the_booking_has_now(payment):
    hear(payment, completed())
    booking = payment.checkout.booking
    booking.starts_at += timedelta(days=1)
    booking.save()
    refund = payment.refunds.create(
        attempt=payment.attempts.get(),
        merchant_refund_id="R1",
        amount_paise=100,
        reason="x",
        state=RefundState.COMPLETED,
    )
    notify_refund_credited(refund)

    assert receipt_document(receipt_of(payment)).starts_at == booking.starts_at
    told_at = Notification.objects.get(kind="refund_credited").facts["starts_at"]
    assert datetime.fromisoformat(told_at) == booking.starts_at


@pytest.mark.parametrize("language", ["en", "hi"])
def test_every_message_can_be_written_from_the_facts_that_telling_gives(payment, language, mailoutbox):
    payment.user.language = language
    payment.user.save()
    PaymentAttempt.objects.update(created_at=timezone.now() - timedelta(minutes=6))
    for answer in (PENDING.__class__(PENDING.state, provider_transaction_id="T1"), FAILED, completed()):
        hear(payment, answer)
        run_due(["notifications"])
    booking = payment.checkout.booking
    notify_moved(booking, booking.starts_at - timedelta(days=1))
    run_due(["notifications"])
    cancel(booking, "the family is travelling")
    notify_cancelled(booking, 110_000)
    until = timezone.now() + timedelta(hours=24)
    Offer.objects.create(payment=payment, expires_at=until)
    notify_offer(payment, [Slot.objects.get().starts_at], until)
    run_due(["notifications"])

    assert not Notification.objects.exclude(state="SENT").exists()
    assert len(mailoutbox) == 6


def test_a_refund_is_told_with_its_bank_reference(payment):
    hear(payment, completed())
    refund = payment.refunds.create(
        attempt=payment.attempts.get(),
        merchant_refund_id="R1",
        amount_paise=110_000,
        reason="x",
        utr="UTR9",
        state=RefundState.COMPLETED,
    )
    notify_refund_credited(refund)

    facts = Notification.objects.get(kind="refund_credited").facts
    assert (facts["refund_paise"], facts["utr"]) == (110_000, "UTR9")


def test_what_goes_back_is_no_part_of_what_was_paid(payment):
    hear(payment, completed(100_000))
    second = make_attempt(payment, number=2)
    apply_status(second.pk, completed(110_000), "worker")

    booked = Notification.objects.get(kind="booked").facts
    assert (booked["amount_paise"], booked["agreed_paise"]) == (110_000, None)


def test_what_staff_accept_is_told_and_receipted_as_what_came(payment, mailoutbox):
    hear(payment, completed(100_000))
    accept_after_review(payment.pk, builders.make_superuser())
    run_due(["notifications"], limit=10)

    booked = Notification.objects.get(kind="booked").facts
    assert (booked["amount_paise"], booked["agreed_paise"]) == (100_000, 110_000)
    assert receipt_document(receipt_of(payment)).total_paise == 100_000
    assert "₹1,000.00" in mailoutbox[-1].body
