"""The pages of the desk over the bookings of `seed_demo_day`: the address of each, by its name in the URLs."""

import io
from datetime import datetime, timedelta
from uuid import uuid4

from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from backoffice.urls import urlpatterns
from booking.models import Assignment, Booking, Checkout, ClosedPeriod, Package, PujaService
from booking.services.openings import Period, close_periods
from notifications.models import Notification
from payment.models import PayLink, Payment, PaymentAttempt, Refund
from payment.reconciliation.settlement_files import keep_file
from payment.services.closures import Span, carry_out_at_once, plan_closure, start_closure
from payment.services.donations import Donor, build_donation
from payment.services.outcomes import apply_status
from payment.services.refunds.amounts import REQUESTED
from payment.services.refunds.requests import request_refund
from payment.states import PaymentState
from tests.harness import builders
from tests.unit.payment.builders import FAILED, completed, make_payment

# Of those no page is shown: they take a POST, hand out a file, or lead to another page.
NOT_A_PAGE = {
    "language",
    "case-note",
    "case-bundle",
    "closed-days-file",
    "second-factor",
    "second-factor-forget",
    "save-filter",
    "forget-filter",
}
# They need what a demonstration has not got (`rare_addresses` makes it).
LOOKED_AT_ELSEWHERE = {
    "open-days",
    "case-accept",
    "case-return",
    "case-end-offer",
    "closure",
    "closure-approve",
}
LOOKED_AT_ELSEWHERE |= {"settlement", "donor-address"}
# Of PhonePe's settlement reports.
HEAD = "Payment Type,Merchant Reference ID,Amount,Fee,IGST,CGST,SGST\n"


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
        **dict.fromkeys(("case", "case-refund", "case-cancel", "case-move", "case-details", "booked"), case),
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


def rare_addresses() -> dict[str, str]:
    """Of LOOKED_AT_ELSEWHERE: money in review, an offer, closed days, a settlement file, made for these pages."""
    manager, package = User.objects.get(email="sunita@example.com"), _large_package()
    late = make_payment(_checkout(package, builders.in_days(8)))
    apply_status(late.attempts.get().pk, FAILED, "worker")
    sell(package, builders.in_days(8))  # somebody else has the place now
    apply_status(late.attempts.get().pk, completed(late.amount_paise), "worker")
    reviewed = [make_payment(_checkout(package, builders.in_days(9))) for _ in range(2)]
    for payment in reviewed:
        apply_status(payment.attempts.get().pk, completed(60_000), "worker")
    asked, settled = (sell(package, builders.in_days(9)) for _ in range(2))
    refused = request_refund(asked.checkout.payment.pk, None, "They are travelling", manager)
    day = builders.in_days(40, hour=0)
    close_periods([Period(day, day + timedelta(days=1))], manager)
    closed = ClosedPeriod.objects.get()
    undecided = Payment.objects.filter(state=PaymentState.PENDING).earliest("pk")
    undecided.attempts.update(expires_at=timezone.now() - timedelta(minutes=1))
    return {
        "case-accept": reverse("desk:case-accept", args=[reviewed[0].reference]),
        "case-return": reverse("desk:case-return", args=[reviewed[1].reference]),
        "case-end-offer": reverse("desk:case-end-offer", args=[late.reference]),
        "case-refuse": reverse("desk:case-refuse", args=[refused.payment.reference, refused.pk]),
        "open-days": reverse("desk:open-days", args=[closed.pk]),
        "donor-address": reverse("desk:donor-address", args=[_donation()]),
        "settlement": reverse("desk:settlement", args=[_settled(settled, manager)]),
        **_closed_time(package, manager),
    }


def _large_package() -> Package:
    """So dear that a second person decides about its refund; with places in the next days."""
    service = builders.make_service("Sudarshana Homa")
    for days, capacity in ((8, 1), (9, 6), (10, 6), (11, 6)):
        builders.make_slot(service, days=days, capacity=capacity)
    return builders.make_package(service, rupees=11_000)


def _checkout(package: Package, starts_at: datetime) -> Checkout:
    return builders.make_checkout(builders.make_cart(builders.make_user(), package, starts_at))


def sell(package: Package, starts_at: datetime) -> Booking:
    payment = make_payment(_checkout(package, starts_at))
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return Booking.objects.get(checkout=payment.checkout_id)


def _donation() -> int:
    payment = make_payment(payer_reference="Asha", simulated=True)
    donation = build_donation(payment, Donor(email="donor@example.com", pan="ABCPE1234F"))
    donation.save(force_insert=True)
    apply_status(payment.attempts.get().pk, completed(payment.amount_paise), "worker")
    return donation.pk


def _settled(booking: Booking, by: User) -> int:
    """The key of a file with a fee that is not entered yet."""
    attempt = PaymentAttempt.objects.get(payment__checkout=booking.checkout_id)
    text = f"{HEAD}PAYMENT,{attempt.merchant_order_id},11000.00,-20.00,-3.60,0,0\n"
    return keep_file("settlement.csv", text.encode(), timezone.localdate(), by)[0].pk


def _closed_time(package: Package, by: User) -> dict[str, str]:
    """A closure whose refunds wait for a second person."""
    start = builders.in_days(10)
    sell(package, start)
    span = Span(start, start + timedelta(minutes=1), package.puja_service_id)
    plan = plan_closure(span, by)
    choices = {item.booking.pk: "REFUND" for item in plan.items}
    closure = start_closure(span, choices, "The river has risen", by, form=uuid4(), seen=plan.seen)
    carry_out_at_once(closure)
    return {name: reverse(f"desk:{name}", args=[closure.pk]) for name in ("closure", "closure-approve")}
