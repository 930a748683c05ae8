"""The pages of the desk over the bookings of `seed_demo_day`: the address of each, by its name in the URLs."""

import io

from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from backoffice.urls import urlpatterns
from booking.models import Assignment, Package, PujaService
from notifications.models import Notification
from payment.models import PayLink, Payment, Refund
from payment.services.refunds.amounts import REQUESTED
from payment.states import PaymentState

# Of those no page is shown: they take a POST, hand out a file, or lead to another page.
NOT_A_PAGE = {
    "language",
    "case-note",
    "case-bundle",
    "closed-days-file",
    "second-factor",
    "second-factor-forget",
}
# They need what a demonstration has not got: a row of money in review, an offer, a closed day, a settlement file …
LOOKED_AT_ELSEWHERE = {
    "open-days",
    "case-accept",
    "case-return",
    "case-end-offer",
    "closure",
    "closure-approve",
}
LOOKED_AT_ELSEWHERE |= {"settlement"}


def seed() -> None:
    for command in "seed_demo", "seed_demo_day":
        call_command(command, stdout=io.StringIO())


def addresses() -> dict[str, str]:
    """Of each page by its name, with rows of the demonstration where it needs one."""
    assignment = Assignment.objects.select_related("booking__checkout__payment").earliest("begins")
    booking = assignment.booking
    large = Refund.objects.get(REQUESTED)
    undecided = Payment.objects.get(state=PaymentState.PENDING)
    sent = Notification.objects.filter(facts__payment_id=booking.checkout.payment.pk).first()
    person = {"pk": booking.user_id}
    case = {"number": booking.book_id}
    refund = {"number": large.payment.reference, "pk": large.pk}
    priest = {"priest_id": assignment.priest_id}
    keys: dict[str, dict[str, object]] = {
        **dict.fromkeys(("case", "case-refund", "case-cancel", "case-move", "booked"), case),
        **dict.fromkeys(("case-approve", "case-refuse"), refund),
        **dict.fromkeys(("priest", "priest-leave", "priest-feed"), priest),
        "case-stop": {"number": undecided.reference},
        "case-resend": {**case, "pk": sent.pk},
        "person": person,
        "role": {"pk": User.objects.get(email="sunita@example.com").pk},
        "pay-link": {"pk": PayLink.objects.get().pk},
        "assign-priest": {"book_id": booking.book_id},
        "unassign-priest": {"assignment_id": assignment.pk},
        "catalogue-puja": {"pk": PujaService.objects.first().pk},
        "package-price": {"pk": Package.objects.first().pk},
    }
    queries = {
        "closing": f"?day={timezone.localdate(booking.starts_at)}",
        "case-refund": "?amount=100",
        "search": "?q=nobody",
    }
    names = [url.name for url in urlpatterns if url.name not in NOT_A_PAGE | LOOKED_AT_ELSEWHERE]
    return {name: reverse(f"desk:{name}", kwargs=keys.get(name)) + queries.get(name, "") for name in names}
