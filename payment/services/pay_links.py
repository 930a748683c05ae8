"""Bookings that staff make for somebody who pays by a link: of ours, by mail or WhatsApp, until it ends.

The link holds the place. Its first click opens the payment; an order at PhonePe that ends unpaid leaves the payment
open, and the next click opens another order. The end of the link ends all of it that is unpaid.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.services import lock_user
from booking.models import Checkout
from booking.services import Beside, check_out_for, lead_time, page_life, release
from core.clocks import database_now
from core.databases import Write, insert_rows
from core.errors import Conflict
from payment.models import OPEN_ATTEMPT, PayLink, Payment
from payment.models.by_hand import LONGEST_LINK
from payment.services.notifications import notify_pay_link
from payment.services.outcomes import StillPayable, has_no_open_page
from payment.services.transitions import lock_payment
from payment.services.unpaid import end_if_unpaid


def make_pay_link(
    user: User,
    choice: dict[str, Any],
    *,
    by: User,
    key: UUID,
    address_id: int | None = None,
    buyer_gstin: str = "",
    hours: int | None = None,
) -> PayLink:
    """The link for what `user` has told `by` (named as in `fill_cart`); the same `key` twice is one link.

    It ends after `hours` (else PAY_LINK_HOURS), and in time for the puja. `user` gets it by mail.
    Raises what `check_out_for` raises.
    """
    found = PayLink.objects.filter(key=key)
    if link := found.first():
        return link
    now = database_now()
    starts_at = timezone.make_aware(datetime.combine(choice["selected_date"], choice["selected_time"]))
    end = now + min(timedelta(hours=hours or settings.PAY_LINK_HOURS), LONGEST_LINK)
    # Whoever clicks in the last second still has the life of a page, and the temple its notice.
    expires_at = max(min(end, starts_at - lead_time() - page_life()), now + page_life())

    def link_writes(checkout: Checkout, was_checked_out: bool, now: datetime, keys: list[int]) -> list[Write]:
        link = PayLink(
            pk=keys[0],
            checkout=checkout,
            key=key,
            made_by=by,
            buyer_gstin=buyer_gstin,
            expires_at=expires_at,
        )
        return [insert_rows(link)]

    try:
        with transaction.atomic():
            beside = Beside((PayLink,), link_writes)
            checkout = check_out_for(
                user, choice, address_id=address_id, expires_at=expires_at, beside=beside
            )
            link = PayLink.objects.select_related("checkout__user").get(checkout=checkout)
            notify_pay_link(link)
            return link
    except (IntegrityError, Conflict):  # of two at once, this one came second
        if link := found.first():
            return link
        raise


def links_due(now: datetime) -> QuerySet[PayLink]:
    return PayLink.objects.filter(ended_at=None, expires_at__lte=now).order_by("expires_at", "pk")


@transaction.atomic
def end_link(link_id: int) -> None:
    """Nothing can be opened by it any more. What is unpaid ends; a page that is open now is left to its end.

    Raises StillPayable when its first click, or its money at the counter, was faster at this moment.
    """
    link = PayLink.objects.select_related("checkout").get(pk=link_id)
    payments = Payment.objects.filter(checkout=link.checkout_id)
    payment = payments.first()
    if payment is not None:
        payment = lock_payment(pk=payment.pk)
    else:
        lock_user(link.checkout.user_id)  # before the link, as they do
        if payments.exists():
            raise StillPayable
    if not PayLink.objects.filter(pk=link_id, ended_at=None).update(ended_at=timezone.now()):
        return
    if payment is None:
        release(link.checkout)
    elif payment.is_open and not payment.attempts.filter(state__in=OPEN_ATTEMPT).exists():
        last = payment.attempts.latest("number")
        last.payment = payment
        end_if_unpaid(last)


@transaction.atomic
def take_back_link(link_id: int) -> None:
    """Staff end it before its time. Raises StillPayable while its page at PhonePe can be paid."""
    payment = Payment.objects.filter(checkout__pay_link=link_id).first()
    if payment is not None:
        payment = lock_payment(pk=payment.pk)
        if payment.is_open and not has_no_open_page(payment):
            raise StillPayable(payment_id=payment.pk)
    end_link(link_id)
