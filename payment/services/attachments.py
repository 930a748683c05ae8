"""What goes along with a message. Made at the moment it is sent, so that links live long and nothing secret is kept."""

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from booking.models import Booking
from notifications.models import Notification
from notifications.sending import Enclosed
from payment.models import Payment
from payment.services.links import offer_url, status_url
from payment.services.notification_rules import why_over
from payment.services.receipts import pdf, receipt_of

WITH_BOOKING = ("booked", "paid_twice")  # one that stands; a move is told by itself
WITH_RECEIPT = ("booked", "received")
WITH_CHOICE = ("offer", "called_off")


def enclose(notification: Notification) -> Enclosed:
    """The link to go on, the receipt, the time that the booking has now; and last, whether all of it is still so."""
    if over := why_over(notification):  # no receipt is numbered and drawn for nothing
        return Enclosed(over=over)
    payment = Payment.objects.filter(pk=notification.facts.get("payment_id")).first()
    if payment is None:
        return Enclosed()
    if notification.kind == "alert":
        return Enclosed(settings.PUBLIC_BASE_URL + reverse("admin:payment_payment_change", args=[payment.pk]))
    link, files, facts = _link(notification, payment), _receipt(notification, payment), _newest(notification)
    return Enclosed(link, files, facts, over=why_over(notification))


def _newest(notification: Notification) -> dict[str, str]:
    """A booking that was moved before this was sent is told with the time that it has now."""
    book_id = notification.facts.get("book_id") if notification.kind in WITH_BOOKING else None
    booking = Booking.objects.filter(book_id=book_id).first() if book_id else None
    return {"starts_at": timezone.localtime(booking.starts_at).isoformat()} if booking else {}


def _link(notification: Notification, payment: Payment) -> str:
    return offer_url(payment) if notification.kind in WITH_CHOICE else status_url(payment)


def _receipt(notification: Notification, payment: Payment) -> dict[str, bytes]:
    receipt = receipt_of(payment) if notification.kind in WITH_RECEIPT else None
    return dict([pdf(receipt, notification.language)]) if receipt else {}
