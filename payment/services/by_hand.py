"""Money that staff take or give back themselves: cash and bank transfers to us. PhonePe never hears of it.

A form has a key: sent twice, it is one entry, whatever happened between. Whoever records the money has had it in their
hands, or has seen it on the account. Cash is counted by its person at the end of a day.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from accounts.services import lock_active_user, lock_user
from booking.models import Booking, Checkout
from booking.services import Beside, check_out_for, page_life
from core.clocks import database_now
from core.databases import Write, insert_rows, reserve_keys, write_together
from core.errors import Conflict, InvalidField, Refusal
from core.money import grouped
from payment.models import CashClosing, LedgerEntry, ManualEntry, PayLink, Payment, PaymentAttempt, Refund
from payment.phonepe import credentials
from payment.phonepe.credentials import NotConfigured
from payment.services.attempts import prefix
from payment.services.outcomes import AlreadyTaken, StillPayable, apply_payment_by_hand
from payment.services.refunds.outcomes import complete_by_hand
from payment.services.status import refresh
from payment.services.transitions import lock_payment, opening_change
from payment.states import AttemptState, PaymentState

Means = ManualEntry.Means
KINDS = {Means.CASH: LedgerEntry.Kind.CASH, Means.TRANSFER: LedgerEntry.Kind.TRANSFER}
BY_HAND = "MAN"  # begins the ids of attempts that PhonePe does not have
SECONDS_TO_ASK = 5  # PhonePe, whether the customer has paid by the link already


class AlreadyEntered(Conflict):
    default_code = "already_entered"
    default_detail = _(
        "This bank reference has been entered already: look at its booking before you enter it again."
    )


class LinkEnded(Conflict):
    default_code = "link_over"
    default_detail = _("This link has ended, and its place is free again: make a new booking.")


class NothingToClose(Conflict):
    default_code = "nothing_to_close"
    default_detail = _("There is no cash of this person that is not closed yet.")


class CashChanged(Conflict):
    """More was taken or given back since the sum was shown: it must be counted again."""

    default_code = "cash_changed"
    default_detail = _(
        "The cash of this person has changed since this page was shown. Please count it again."
    )


class NotWaiting(Conflict):
    default_code = "not_on_hold"
    default_detail = _("This closing is not waiting for a second person.")


class SamePerson(Refusal):
    status_code = 403
    default_code = "same_person"
    default_detail = _(
        "Another person must confirm this: neither the one whose cash it is nor the one who closed it."
    )


@dataclass(frozen=True)
class ManualPayment:
    """Money in the hands of `by`, or seen by them on the account: `reference` is the UTR of a transfer."""

    means: Means
    reference: str
    by: User
    key: UUID


def book_by_hand(
    user: User,
    choice: dict[str, Any],
    manual: ManualPayment,
    *,
    address_id: int | None = None,
    buyer_gstin: str = "",
) -> Booking:
    """A booking of what `user` has chosen (named as in `fill_cart`) and has paid to staff: all of it, or nothing.

    Raises AlreadyEntered, SlotFull and what `check_out_for` and `apply_payment_by_hand` raise: take no money then.
    """
    manual = _normalize(manual)

    def create() -> ManualEntry:
        def payment_writes(
            checkout: Checkout, was_checked_out: bool, now: datetime, keys: list[int]
        ) -> list[Write]:
            payment = _build_payment(checkout, user, manual, buyer_gstin)
            payment.pk, attempt_key = keys
            attempt = _build_attempt(payment, now)
            attempt.pk = attempt_key
            change = opening_change(payment, attempt, "taken_by_hand")
            return [insert_rows(payment), insert_rows(attempt), insert_rows(change)]

        checkout = check_out_for(
            user,
            choice,
            address_id=address_id,
            expires_at=database_now() + page_life(),
            beside=Beside((Payment, PaymentAttempt), payment_writes),
        )
        attempt = PaymentAttempt.objects.select_related("payment__checkout").get(payment__checkout=checkout)
        entry = apply_payment_by_hand(attempt, KINDS[manual.means], f"by user {manual.by.pk}")
        return _enter(entry, manual)

    entry = _create_once(manual, create)
    return Booking.objects.get(checkout__payment=entry.entry.payment_id)


def pay_link_by_hand(link_id: int, manual: ManualPayment) -> Booking:
    """The booking of a link whose money staff have instead. The link ends with it; all of it, or nothing.

    PhonePe is asked first. A page that is open then can still be paid: what it brings is paid twice, and goes back.
    Raises AlreadyEntered, AlreadyTaken (do not take the money), LinkEnded, StillPayable, and what
    `apply_payment_by_hand` raises.
    """
    manual = _normalize(manual)
    link = PayLink.objects.select_related("checkout__user").get(pk=link_id)
    payments = Payment.objects.filter(checkout=link.checkout_id)
    is_entered = ManualEntry.objects.filter(key=manual.key).exists()
    if not is_entered and (opened := payments.first()):
        refresh(opened, SECONDS_TO_ASK, "staff")

    def create() -> ManualEntry:
        opened = payments.first()
        attempt = _next_attempt(opened.pk) if opened else _first_attempt(link, manual)
        if not PayLink.objects.filter(pk=link_id, ended_at=None).update(ended_at=timezone.now()):
            raise LinkEnded
        Payment.objects.filter(pk=attempt.payment_id).update(method=manual.means)
        attempt.payment.method = manual.means
        entry = apply_payment_by_hand(attempt, KINDS[manual.means], f"by user {manual.by.pk}")
        return _enter(entry, manual)

    entry = _create_once(manual, create)
    return Booking.objects.get(checkout__payment=entry.entry.payment_id)


def give_back_by_hand(refund_id: int, manual: ManualPayment) -> Refund:
    """Staff have given back what a refund of such money owes. Raises AlreadyEntered, Conflict `not_by_hand`."""
    manual = _normalize(manual)

    def create() -> ManualEntry:
        utr = manual.reference if manual.means == Means.TRANSFER else ""
        return _enter(complete_by_hand(refund_id, utr=utr, detail=f"by user {manual.by.pk}"), manual)

    _create_once(manual, create)
    return Refund.objects.get(pk=refund_id)


def open_cash() -> QuerySet[ManualEntry]:
    """Cash that somebody took or gave back, and that no closing has counted."""
    return ManualEntry.objects.filter(means=Means.CASH, closing=None)


def cash_by_person() -> list[dict[str, Any]]:
    """`person`, `count` and `expected_paise` of all who have cash that is not closed."""
    rows = open_cash().order_by().values("person", "person__email")
    return list(
        rows.annotate(count=Count("pk"), expected_paise=Sum("entry__amount_paise")).order_by("person__email")
    )


@transaction.atomic
def close_cash(person: User, counted_paise: int, shown_paise: int, reason: str, by: User) -> CashClosing:
    """Counts all cash of `person` that is not closed. `shown_paise`: the sum that `by` was shown.

    A difference needs a reason; one above CASH_DIFFERENCE_ABOVE waits for a second person (`confirm_cash`).
    Raises NothingToClose, CashChanged, InvalidField `reason`.
    """
    lock_user(person.pk)  # two closings of one person at once: the second finds nothing
    keys = list(open_cash().filter(person=person).values_list("pk", flat=True))
    entries = ManualEntry.objects.filter(pk__in=keys)
    if not keys:
        raise NothingToClose
    expected = entries.aggregate(sum=Sum("entry__amount_paise"))["sum"]
    if expected != shown_paise:
        raise CashChanged
    difference = counted_paise - expected
    if difference and not reason:
        raise InvalidField("reason", _("Say why the counted sum differs."))
    closing = CashClosing.objects.create(
        person=person,
        day=timezone.localdate(),
        expected_paise=expected,
        counted_paise=counted_paise,
        reason=reason,
        needs_second_person=abs(difference) > settings.CASH_DIFFERENCE_ABOVE * 100,
        closed_by=by,
    )
    entries.update(closing=closing)
    return closing


@transaction.atomic
def confirm_cash(closing_id: int, by: User) -> CashClosing:
    """The second person. Twice is once. Raises SamePerson, NotWaiting."""
    closing = CashClosing.objects.select_for_update(no_key=True).filter(pk=closing_id).first()
    if closing is not None and closing.confirmed_by_id == by.pk:
        return closing
    closing = _for_second_person(closing, by)
    closing.confirmed_by, closing.confirmed_at = by, timezone.now()
    closing.save(update_fields=["confirmed_by", "confirmed_at"])
    return closing


@transaction.atomic
def count_again(closing_id: int, by: User) -> None:
    """The second person finds a count wrong: its cash is open again, the log keeps the count.

    Not by who counted: a difference that has been written down cannot go without a second person. Raises NotWaiting,
    SamePerson.
    """
    closing = _for_second_person(CashClosing.objects.select_for_update().filter(pk=closing_id).first(), by)
    closing.entries.update(closing=None)
    counted, expected = (f"₹{grouped(paise)}" for paise in (closing.counted_paise, closing.expected_paise))
    LogEntry.objects.create(
        user=by,
        content_type=ContentType.objects.get_for_model(CashClosing),
        object_id=closing.pk,
        # Without a mail address: nobody finds this entry when its person is erased.
        object_repr=f"user {closing.person_id}, {closing.day}: {counted} of {expected}",
        action_flag=DELETION,
        change_message=f"to be counted again: {closing.reason}",
    )
    closing.delete()


def _for_second_person(closing: CashClosing | None, by: User) -> CashClosing:
    if closing is None or not closing.needs_second_person or closing.confirmed_by_id is not None:
        raise NotWaiting
    if by.pk in (closing.closed_by_id, closing.person_id):
        raise SamePerson
    return closing


def unconfirmed_closings() -> QuerySet[CashClosing]:
    return CashClosing.objects.filter(needs_second_person=True, confirmed_by=None)


def _normalize(manual: ManualPayment) -> ManualPayment:
    """With the reference as it is compared. Raises InvalidField for a transfer without one."""
    reference = (
        "".join(manual.reference.split()).upper()
        if manual.means == Means.TRANSFER
        else manual.reference.strip()
    )
    if manual.means == Means.TRANSFER and not reference:
        raise InvalidField("reference", _("A bank transfer has a reference (UTR): look at the statement."))
    return ManualPayment(manual.means, reference, manual.by, manual.key)


def _create_once(manual: ManualPayment, create: Callable[[], ManualEntry]) -> ManualEntry:
    """The entry of this form, made now or before. Raises AlreadyEntered for another form with its bank reference."""
    found = ManualEntry.objects.select_related("entry").filter(key=manual.key)
    if entry := found.first():
        return entry
    try:
        with transaction.atomic():
            return create()
    except IntegrityError:  # two at once: the constraints have decided
        if entry := found.first():
            return entry
        if ManualEntry.objects.filter(means=Means.TRANSFER, reference=manual.reference).exists():
            raise AlreadyEntered from None
        raise
    except Conflict:  # the other one has it, whatever this one found meanwhile
        if entry := found.first():
            return entry
        raise


def _enter(entry: LedgerEntry, manual: ManualPayment) -> ManualEntry:
    return ManualEntry.objects.create(
        entry=entry, means=manual.means, person=manual.by, reference=manual.reference, key=manual.key
    )


def _first_attempt(link: PayLink, manual: ManualPayment) -> PaymentAttempt:
    """Of a payment that nobody has opened yet. A first click on the link at this moment waits, or was faster."""
    checkout, user = link.checkout, link.checkout.user
    now, (payment_key, attempt_key) = reserve_keys(Payment, PaymentAttempt)
    lock_active_user(user.pk)
    if Payment.objects.filter(checkout=checkout).exists():
        raise StillPayable
    payment = _build_payment(checkout, user, manual, link.buyer_gstin)
    payment.pk = payment_key
    attempt = _build_attempt(payment, now)
    attempt.pk = attempt_key
    change = opening_change(payment, attempt, "taken_by_hand")
    write_together([insert_rows(payment), insert_rows(attempt), insert_rows(change)])
    return attempt


def _next_attempt(payment_id: int) -> PaymentAttempt:
    """Beside the orders of the link at PhonePe, under the payment's lock."""
    payment = lock_payment(pk=payment_id)
    if payment.state == PaymentState.SUCCESS or payment.fulfilment:
        raise AlreadyTaken(payment_id=payment.pk)
    last = payment.attempts.latest("number")
    if not payment.is_open:
        raise LinkEnded(payment_id=payment.pk)
    attempt = _build_attempt(payment, database_now())
    attempt.number = last.number + 1
    attempt.save(force_insert=True)
    opening_change(payment, attempt, "taken_by_hand").save(force_insert=True)
    return attempt


def _build_payment(checkout: Checkout, user: User, manual: ManualPayment, buyer_gstin: str) -> Payment:
    try:
        simulated = credentials.current().identity.simulated
    except NotConfigured:
        simulated = False
    return Payment(
        user=user,
        checkout=checkout,
        reference=f"{prefix(simulated)}-{secrets.token_hex(8).upper()}",
        amount_paise=checkout.total_paise,
        method=manual.means,
        payer_mobile=user.phone or "",
        buyer_gstin=buyer_gstin,
        simulated=simulated,
    )


def _build_attempt(payment: Payment, now: datetime) -> PaymentAttempt:
    """Paid in the same transaction: `next_check_at` is for the constraint of open ones."""
    return PaymentAttempt(
        payment=payment,
        number=1,
        merchant_order_id=BY_HAND + secrets.token_hex(12),
        amount_paise=payment.amount_paise,
        by_hand=True,
        generation="",
        simulated=payment.simulated,
        expires_at=now,
        next_check_at=now,
        state=AttemptState.CREATED,
    )
