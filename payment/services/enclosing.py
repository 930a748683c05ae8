"""What goes along with a message. Made at the moment it is sent, so that links live long and nothing secret is kept."""

from django.conf import settings
from django.urls import reverse

from notices.models import Notice
from notices.sending import Enclosed
from payment.models import Payment
from payment.services.links import status_url


def enclose(notice: Notice) -> Enclosed:
    """The link to go on; nothing for a message about no payment of ours."""
    payment = Payment.objects.filter(pk=notice.facts.get("payment_id")).first()
    if payment is None:
        return Enclosed()
    if notice.channel == Notice.Channel.STAFF:
        return Enclosed(settings.PUBLIC_BASE_URL + reverse("admin:payment_payment_change", args=[payment.pk]))
    return Enclosed(status_url(payment))
