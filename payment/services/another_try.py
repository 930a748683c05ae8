"""*Try again* after a payment that ended unpaid: at the same time if its place is free, else at another one."""

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Address
from booking.models import Cart, Checkout, Slot
from booking.services import change_cart, earliest_start, nearest_free_slots
from core.errors import Conflict, InvalidField
from payment.models import Payment
from payment.services.attempts import AlreadyPaid
from payment.services.checkout import PaymentStart, start_donation, start_payment
from payment.services.donations import donor_of
from payment.services.frontends import NO_FRONTEND, OpenedBy
from payment.states import PaymentState

MOST_TIMES = 6


class TimeGone(Conflict):
    """The answer has the nearest free `times`: try again with the id of one of them as `slot`."""

    default_code = "time_gone"
    default_detail = _("This time is not free any more. Please choose another one.")

    def __init__(self, times: list[Slot], payment: Payment) -> None:
        self.times = times
        offered = [
            {"id": slot.pk, "starts_at": timezone.localtime(slot.starts_at).isoformat()} for slot in times
        ]
        super().__init__(times=offered, payment_id=payment.pk)


class OtherCart(Conflict):
    default_code = "other_cart"
    default_detail = _("You have filled another cart meanwhile. Please pay that one, or fill a new one.")


def can_try_again(payment: Payment) -> bool:
    """It ended unpaid, and nothing else was paid or filled in its place."""
    if payment.state not in (PaymentState.FAILED, PaymentState.CANCELLED) or payment.fulfilment:
        return False
    return payment.checkout is None or payment.checkout.cart.status == Cart.Status.ACTIVE


def try_again(
    payment: Payment,
    slot_id: int | None = None,
    *,
    expected_paise: int | None = None,
    network: str = "",
    frontend: OpenedBy = NO_FRONTEND,
) -> PaymentStart:
    """A new payment for what this one was for, or the open one: with its address and at its price, or less.

    `expected_paise`: the total that the customer has seen since, after PriceChanged.

    The place is held again, within the limits of every hold. `slot_id`: another time of the same puja.
    Raises TimeGone, OtherCart, AlreadyPaid, and what `start_payment` raises.
    """
    checkout = payment.checkout
    if payment.state == PaymentState.SUCCESS or (checkout and checkout.cart.status == Cart.Status.CONVERTED):
        raise AlreadyPaid(payment_id=payment.pk)
    if checkout is None:
        return start_donation(
            payment.user,
            amount_paise=payment.amount_paise,
            reference=payment.payer_reference,
            mobile=payment.payer_mobile,
            donor=donor_of(payment),
        )
    cart = checkout.cart
    if cart.status == Cart.Status.ABANDONED:
        raise OtherCart
    # The puja is where it was agreed to be, also when its owner has taken that address out of their list since.
    is_kept = Address.objects.filter(pk=checkout.address_id or 0, user_id=checkout.user_id).exists()
    try:
        if slot_id is not None and cart.status == Cart.Status.ACTIVE:
            cart = _change_time(cart, slot_id)
        return start_payment(
            checkout.user,
            cart_id=cart.pk,
            address_id=checkout.address_id if is_kept else None,
            deleted_address=None if is_kept else checkout.agreed_address,
            expected_paise=checkout.total_paise if expected_paise is None else expected_paise,
            network=network,
            frontend=frontend,
        )
    except InvalidField as refusal:
        if not {"selected_date", "selected_time"} & refusal.detail.keys():  # type: ignore[union-attr]
            raise
        raise TimeGone(_times_beside(checkout), payment) from refusal
    except Conflict as refusal:
        if refusal.code != "slot_full":
            raise
        raise TimeGone(_times_beside(checkout), payment) from refusal


def _times_beside(checkout: Checkout) -> list[Slot]:
    """Of the same puja, that can be bought now."""
    starts_at, earliest = checkout.starts_at, earliest_start()
    return nearest_free_slots(checkout.puja_service_id, starts_at, earliest, MOST_TIMES)


def _change_time(cart: Cart, slot_id: int) -> Cart:
    slot = Slot.objects.filter(pk=slot_id, service_id=cart.puja_service_id).first()
    if slot is None:
        raise InvalidField("selected_time", _("There is no such time for this puja."))
    start = timezone.localtime(slot.starts_at)
    return change_cart(cart, selected_date=start.date(), selected_time=start.time())
