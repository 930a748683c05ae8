"""What goes along with a message. Made at the moment it is sent, so that links live long and nothing secret is kept."""

from django.conf import settings
from django.urls import reverse

from notices.models import Notice
from notices.sending import Enclosed
from payment.models import Payment
from payment.services.links import offer_url, status_url
from payment.services.receipts import pdf, receipt_of

WITH_RECEIPT = ("booked", "received")
WITH_CHOICE = ("offer", "called_off")


def enclose(notice: Notice) -> Enclosed:
    """The link to go on, and the receipt; nothing for a message about no payment of ours."""
    payment = Payment.objects.filter(pk=notice.facts.get("payment_id")).first()
    if payment is None:
        return Enclosed()
    if notice.channel == Notice.Channel.STAFF:
        return Enclosed(settings.PUBLIC_BASE_URL + reverse("admin:payment_payment_change", args=[payment.pk]))
    return Enclosed(_link(notice, payment), _receipt(notice, payment))


def _link(notice: Notice, payment: Payment) -> str:
    return offer_url(payment) if notice.kind in WITH_CHOICE else status_url(payment)


def _receipt(notice: Notice, payment: Payment) -> dict[str, bytes]:
    receipt = receipt_of(payment) if notice.kind in WITH_RECEIPT else None
    return dict([pdf(receipt, notice.language)]) if receipt else {}
