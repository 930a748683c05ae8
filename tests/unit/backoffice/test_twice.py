"""Each form of the desk by a double click, while somebody else sends theirs: what it does is done once.

A new form is found on its page, and needs a line in FORMS.
"""

from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.apps import apps
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from booking.models import Booking, Package, PujaService, Slot
from tests.harness import builders
from tests.harness.invariants import query, violations
from tests.harness.races import at_once
from tests.unit.backoffice import demo_pages
from tests.unit.backoffice.test_attacks import Forms

pytestmark = [pytest.mark.proof, pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
REASON = {"reason": "asked by phone"}


class Sent(NamedTuple):
    """What is written into a form, and the rows that are more when it was sent: twice by one, once by another person.

    `each`: rows that everybody adds who sends a form of their own. None leaves a button out.
    """

    fields: dict[str, Any] = {}
    once: dict[str, int] = {}
    each: dict[str, int] = {}


def some_day(ahead: int) -> str:
    return (timezone.localdate() + timedelta(days=ahead)).isoformat()


# The POST forms of each page in their order; in this order they are sent.
FORMS: dict[str, list[Sent]] = {
    "case": [Sent({"text": "They call again"}, each={"payment.CaseNote": 1})],
    "case-refund": [Sent(REASON, {"payment.Refund": 1})],
    "case-move": [Sent(REASON, {"booking.EarlierStart": 1})],
    "case-cancel": [Sent(REASON, {"payment.Refund": 1})],
    "case-details": [Sent({"gotra": "Bharadwaj", **REASON}, {"payment.StateChange": 1})],
    "case-accept": [Sent(REASON, {"booking.Booking": 1, "payment.Receipt": 1})],
    "case-return": [Sent(REASON, {"payment.Refund": 1})],
    "case-stop": [Sent(REASON)],
    "case-end-offer": [Sent(REASON, {"payment.Refund": 1})],
    "case-refuse": [Sent(REASON)],
    "case-approve": [Sent(REASON)],
    "case-resend": [Sent(REASON)],
    "assign-priest": [Sent({}, {"booking.Assignment": 1})],
    "unassign-priest": [Sent(REASON)],
    "slot-series": [Sent({}, {"booking.Slot": 1})],
    "closed-days": [Sent({}, {"booking.ClosedPeriod": 1})],
    "open-days": [Sent({}, {"booking.ClosedPeriod": -1})],
    "opening-hours": [Sent({"hours_1": "06:00-12:00, 16:00-21:00"}, {"booking.OpeningHours": 2})],
    "closing": [Sent({**REASON, "look": None}, {"booking.EarlierStart": 1, "payment.Closure": 1})],
    "closure-approve": [Sent()],
    "second-factor-setup": [Sent({"code": "000000"})],
    "role": [Sent({"role": "Accountant", **REASON}, {"admin.LogEntry": 1})],
    "phone-booking": [Sent({"at": f"{some_day(5)}T15:00", "means": "LINK"}, each={"payment.PayLink": 1})],
    "pay-link": [
        Sent({"nothing": ""}),
        Sent({"means": "CASH"}, {"payment.ManualEntry": 1, "booking.Booking": 1}),
    ],
    "handed-over": [Sent({"means": "CASH"}, {"payment.ManualEntry": 1, "payment.CreditNote": 1})],
    "cash": [Sent({"counted": "1", **REASON}, {"payment.CashClosing": 1})],
    "exports": [Sent({"file": "ledger:csv"})],
    "donations": [Sent({"file": "csv"})],
    "donor-address": [Sent({"address": "12 Assi Ghat, Varanasi 221005"})],
    "settlements": [Sent({"file": b"x"})],
    "settlement": [Sent({}, {"payment.LedgerEntry": 2})],
    "add-priest": [Sent({"name": "Pandit Ojha"}, each={"booking.Priest": 1})],
    "priest": [Sent({"languages": "HINDI"})],
    "priest-leave": [Sent({"first": some_day(60), "last": some_day(61)}, {"booking.PriestLeave": 1})],
    "priest-feed": [Sent()],
    "catalogue-puja": [
        Sent({"sure": "1"}, {"backoffice.HistoricalPujaService": 1}),
        Sent({"picture": b""}),
        Sent({"position": "4"}, {"backoffice.HistoricalPujaService": 1}),
    ],
    "package-price": [
        Sent({"price": "999", "valid_from": f"{some_day(30)}T10:00"}, {"booking.PackagePrice": 1})
    ],
}


def test_what_is_sent_twice_and_by_two_is_done_once(settings):
    demo_pages.seed()
    addresses = {**demo_pages.addresses(), **demo_pages.rare_addresses()}
    addresses |= {name: address() for name, address in ELSEWHERE.items()}
    people = [builders.make_staff("Owner") for _ in range(2)]
    wrong = []
    for name in [*FORMS, *(other for other in addresses if other not in FORMS)]:
        address = addresses[name]
        found = [forms_of(person, name, address) for person in people]
        lines = FORMS.get(name, [])
        if len(found[0]) != len(lines) or len(found[1]) != len(lines):
            wrong.append(f"{name}: {[[*form] for form in found]} for {len(lines)} lines of FORMS")
            continue
        for number, line in reversed([*enumerate(lines)]):
            target, fields = found[0][number]
            other_target, other_fields = found[1][number]
            before = rows()
            answers = at_once(
                *[partial(send, people[0], target or address, fields, line.fields)] * 2,
                partial(send, people[1], other_target or address, other_fields, line.fields),
            )
            made = {model: count - before[model] for model, count in rows().items() if count != before[model]}
            asked = line.once | {model: 2 * count for model, count in line.each.items()}
            if not set(answers) <= {200, 302} or asked != {model: made.get(model, 0) for model in asked}:
                wrong.append(f"{name} {number}: {answers}, {made}")

    assert wrong == []
    assert violations(query) == {}


def rows() -> dict[str, int]:
    return {model._meta.label: model.objects.count() for model in apps.get_models(include_auto_created=True)}


def forms_of(person: User, name: str, address: str) -> list[tuple[str, dict[str, str]]]:
    """The POST forms of the page as this person has it open, without those that differ by a key only."""
    client = at_desk(person)
    page = client.post(address, first_step()) if name == "phone-booking" else client.get(address)
    forms = {}
    for target, method, fields in Forms(page.content.decode()).found:
        fields.pop("csrfmiddlewaretoken", None)
        if method == "post":
            forms.setdefault((target, *fields, fields.get("action")), (target, fields))
    return [*forms.values()]


def send(person: User, target: str, fields: dict[str, str], written: dict[str, Any]) -> int:
    files = {
        name: SimpleUploadedFile("x", value) for name, value in written.items() if isinstance(value, bytes)
    }
    filled = {name: value for name, value in {**fields, **written, **files}.items() if value is not None}
    return at_desk(person).post(target, filled).status_code


def at_desk(person: User) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


def first_step() -> dict[str, str]:
    package = Package.objects.filter(puja_service__title="Online Archana").earliest("pk")
    person = {"phone": "9876500099", "name": "Asha", "email": "asha@example.com"}
    return {**person, "package": f"{package.pk}", "key": f"{uuid4()}"}


def moved() -> str:
    booking = Booking.objects.get(checkout__puja_title="Satyanarayan Puja", status="CONFIRMED")
    times = Slot.objects.filter(service=booking.checkout.puja_service_id, starts_at__gt=booking.starts_at)
    query = f"?who=customer&slot={times.earliest('starts_at').pk}"
    return reverse("desk:case-move", args=[booking.book_id]) + query


def cancelled() -> str:
    """It was paid in cash, so that the money waits to be handed over."""
    booking = Booking.objects.get(checkout__puja_title="Namkaran Sanskar")
    return reverse("desk:case-cancel", args=[booking.book_id]) + "?back=all"


def closed() -> str:
    package = Package.objects.get(puja_service__title="Sudarshana Homa")
    start = builders.in_days(11)
    demo_pages.sell(package, start)
    return f"{reverse('desk:closing')}?day={timezone.localdate(start)}&service={package.puja_service_id}"


def series() -> str:
    service = PujaService.objects.get(title="Lakshmi Puja")
    span = f"first={some_day(60)}&last={some_day(66)}&capacity=2&times=08:15"
    return f"{reverse('desk:slot-series')}?service={service.pk}&{span}&weekdays=1"


def assigned() -> str:
    booking = Booking.objects.get(checkout__puja_title="Online Archana")
    return reverse("desk:assign-priest", args=[booking.book_id])


ELSEWHERE = {
    "assign-priest": assigned,
    "case-move": moved,
    "case-cancel": cancelled,
    "closing": closed,
    "slot-series": series,
}
ELSEWHERE |= {
    "closed-days": lambda: f"{reverse('desk:closed-days')}?first={some_day(70)}&last={some_day(71)}"
}
