"""Bookings for the pages of the desk, paid as the simulated PhonePe pays them."""

from datetime import datetime

from accounts.models import User
from booking.models import Booking, Package
from payment.services.outcomes import apply_status
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment


def book(user: User, package: Package, starts_at: datetime) -> Booking:
    """A paid booking that starts then; the cart's own rules about the hours of the temple are not asked."""
    cart = builders.make_cart(user, package)
    payment = make_payment(builders.make_checkout(cart))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    booking = Booking.objects.get(checkout=payment.checkout_id)
    Booking.objects.filter(pk=booking.pk).update(starts_at=starts_at)
    return booking
