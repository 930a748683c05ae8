"""What a page that waits for a payment is told: one of three words, for every state of ours.

The pages of today's frontend poll on one word, stop on the two others, and at any fourth one show whatever booking
the customer made last. So SUCCESS is said of a booking that stands only. FAILED: nobody has paid so far, or the money
goes back; late money may still turn it.
"""

import operator
from collections.abc import Iterable
from functools import reduce
from uuid import UUID

from django.db.models import Q, QuerySet, TextChoices

from accounts.models import User
from booking.models import Booking, Cart, Checkout
from payment.models import Payment, PaymentAttempt
from payment.states import Fulfilment, PaymentState


class PageStatus(TextChoices):
    SUCCESS = "SUCCESS"
    INITIATED = "INITIATED"
    FAILED = "FAILED"


SUCCESS, INITIATED, FAILED = PageStatus.SUCCESS, PageStatus.INITIATED, PageStatus.FAILED
OF_PAYMENT: dict[tuple[str, str], PageStatus] = {
    (PaymentState.PENDING, Fulfilment.NONE): INITIATED,
    (PaymentState.FAILED, Fulfilment.NONE): FAILED,
    (PaymentState.CANCELLED, Fulfilment.NONE): FAILED,
    # Money came, and staff decide about it: whoever is told "failed" pays again.
    **{(state, Fulfilment.HELD_FOR_STAFF): INITIATED for state in PaymentState},
    (PaymentState.SUCCESS, Fulfilment.DUE): INITIATED,
    (PaymentState.SUCCESS, Fulfilment.BOOKED): SUCCESS,
    (PaymentState.SUCCESS, Fulfilment.DONATION): SUCCESS,
    # It came too late: its customer has a link to choose another time, or to get it back.
    (PaymentState.SUCCESS, Fulfilment.OFFERED): INITIATED,
    # Nothing is booked, and the money goes back: paying again is paying once.
    (PaymentState.SUCCESS, Fulfilment.REFUND_DUE): FAILED,
    (PaymentState.SUCCESS, Fulfilment.REFUNDED): FAILED,
}
OF_BOOKING: dict[str, PageStatus] = {
    Booking.Status.CONFIRMED: SUCCESS,
    Booking.Status.COMPLETED: SUCCESS,
    Booking.Status.CANCELLED: FAILED,
}
STANDS = [status for status, word in OF_BOOKING.items() if word == SUCCESS]
# May be shown as confirmed. With `choose_until` its time was called off, and another one is not chosen yet.
STANDING = Q(status__in=STANDS, choose_until=None)
# The payments whose `page_status` is INITIATED.
WAITED_FOR = reduce(
    operator.or_,
    (
        Q(state=state, fulfilment=fulfilment)
        for (state, fulfilment), word in OF_PAYMENT.items()
        if word == INITIATED
    ),
    Q(
        fulfilment=Fulfilment.BOOKED,
        checkout__booking__status__in=STANDS,
        checkout__booking__choose_until__isnull=False,
    ),
)
MOST_TELLING = (SUCCESS, INITIATED, FAILED)
UNPAID = Q(fulfilment=Fulfilment.NONE) & ~Q(state=PaymentState.PENDING)


def page_status(payment: Payment) -> PageStatus:
    booking = payment.booking
    if payment.fulfilment != Fulfilment.BOOKED or booking is None:
        return OF_PAYMENT[payment.state, payment.fulfilment]
    word = OF_BOOKING[booking.status]
    return INITIATED if word == SUCCESS and booking.choose_until else word


def standing_booking(payment: Payment) -> Booking | None:
    """The booking that this payment became, if it may be shown as confirmed."""
    return payment.booking if page_status(payment) == SUCCESS else None


def that_may_tell(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    """Those with money, the open ones, and the newest that ended unpaid: a cart may have many of the last kind."""
    newest = payments.filter(UNPAID).order_by("-pk").values("pk")[:1]
    return payments.filter(~UNPAID | Q(pk__in=newest))


def most_telling(payments: Iterable[Payment]) -> Payment | None:
    """Of the payments of one cart: the booked one, else one that may still be booked, else one whose money came.

    The newest of several. A customer who has paid must not read "you have not been charged" of another click.
    """
    return min(
        payments,
        key=lambda each: (MOST_TELLING.index(page_status(each)), not each.fulfilment, -each.pk),
        default=None,
    )


def payments_of_cart(user: User, cart_id: UUID) -> QuerySet[Payment]:
    mine = Payment.objects.filter(user=user, checkout__cart__cart_id=cart_id)
    return mine.select_related("checkout__booking")


def payments_of_checkout(checkout: Checkout) -> QuerySet[Payment]:
    return Payment.objects.filter(checkout__cart=checkout.cart_id).select_related("checkout__booking")


def payments_beside(user: User, merchant_order_id: str) -> QuerySet[Payment]:
    """The payment of this order, and the others of its cart: a cart that was paid twice is booked once."""
    order = PaymentAttempt.objects.filter(merchant_order_id=merchant_order_id)
    carts = Cart.objects.filter(checkouts__payment__attempts__in=order)
    is_of_cart = Q(checkout__cart__in=carts.values("pk"))
    mine = Payment.objects.filter(Q(pk__in=order.values("payment")) | is_of_cart, user=user)
    return mine.select_related("checkout__booking")
