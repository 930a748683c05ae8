"""Garbage in every field of every form of the desk, and keys of something else: answered, and nothing happens."""

import re
from html.parser import HTMLParser
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from backoffice.urls import urlpatterns
from booking.models import Priest, PriestLeave
from booking.services.prices import plan_price
from booking.services.priests import set_leave
from notifications.models import Notification
from payment.services.refunds.requests import request_refund
from tests.harness import builders
from tests.integration.access.matrix import written
from tests.unit.backoffice import demo_pages
from tests.unit.backoffice.sold import book

pytestmark = pytest.mark.django_db(transaction=True)
GARBAGE = ("\x00", "9" * 5000, "9999-12-31T23:59")
MAIN = re.compile(r'<main class="desk"[^>]*>(.*)</main>', re.DOTALL)


class Forms(HTMLParser):
    """Of a page: the address and the method of each, and what it sends when nobody changes anything."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str, dict[str, str]]] = []
        self._select = ""
        self.feed("".join(MAIN.findall(page)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        name, value = given.get("name", ""), given.get("value", "")
        if tag == "form":
            self.found.append((given.get("action", ""), given.get("method", "get"), {}))
        elif self.found:
            fields = self.found[-1][2]
            if tag == "select":
                self._select = name
            elif tag == "option":
                if "selected" in given or not fields.get(self._select):
                    fields[self._select] = value
            elif name and tag in ("input", "textarea", "button"):
                is_choice = given.get("type") in ("radio", "checkbox")
                if name not in fields or (is_choice and "checked" in given):
                    fields[name] = value


@pytest.mark.proof
def test_garbage_in_a_field_of_the_desk_is_answered():
    demo_pages.seed()
    client = Client(raise_request_exception=False)
    client.force_login(builders.make_staff("Owner"))
    wrong, tried = [], 0
    for name, address in {**demo_pages.addresses(), **demo_pages.rare_addresses()}.items():
        page = client.get(address)
        if page.status_code != 200:
            continue
        for action, method, good in Forms(page.content.decode()).found:
            good.pop("csrfmiddlewaretoken", None)
            for field in good:
                for garbage in GARBAGE:
                    sent = getattr(client, method)(action or address, good | {field: garbage})
                    tried += 1
                    if sent.status_code >= 500:
                        wrong.append(f"{name} {action} {field}={garbage[:20]!r}: {sent.status_code}")

    assert wrong == []
    assert tried > 500


def test_a_key_of_something_else_opens_and_changes_nothing(alice, charlie, package, settings):
    """In an address with two keys, and in the fields of a form: each belongs to its own case, priest, package."""
    settings.REFUND_SECOND_PERSON_ABOVE = 100
    mine, other = (book(person, package, builders.in_days(5)) for person in (alice, charlie))
    refund = request_refund(other.checkout.payment.pk, None, "a mistake", builders.make_superuser())
    message = Notification.objects.filter(facts__payment_id=other.checkout.payment.pk).first()
    priests = [Priest.objects.create(name=name) for name in ("Pandit Mishra", "Pandit Ojha")]
    set_leave(priests[1], builders.in_days(20), builders.in_days(21))
    foreign = builders.make_service("Havan")
    foreign_slot, foreign_package = builders.make_slot(foreign), builders.make_package(foreign)
    price = plan_price(foreign_package, 50_000, builders.in_days(9))
    client, reason = Client(), {"reason": "asked by phone", "seen": "of another page"}
    client.force_login(builders.make_staff("Owner"))
    tried = [
        *(
            ("case-approve", (mine.book_id, refund.pk), reason),
            ("case-refuse", (mine.book_id, refund.pk), reason),
        ),
        ("case-resend", (mine.book_id, message.pk), reason),
        ("case-move", (mine.book_id,), {**reason, "?slot": foreign_slot.pk}),
        ("priest-leave", (priests[0].pk,), {"end": PriestLeave.objects.get().pk}),
        ("package-price", (package.pk,), {"cancel": price.pk}),
        ("handed-over", (), {"refund": refund.pk, "means": "CASH", "key": uuid4()}),  # PhonePe has its money
        ("cash", (), {"person": alice.pk, "shown": 0, "counted": "0"}),
        ("cash", (), {"confirm": 1}),
        ("cash", (), {"again": 1}),
    ]
    two_keys = {url.name for url in urlpatterns if len(url.pattern.converters) > 1}
    assert two_keys <= {name for name, *_ in tried}
    for name, keys, fields in tried:
        query = f"?slot={fields.pop('?slot')}" if "?slot" in fields else ""
        address = reverse(f"desk:{name}", args=keys) + query
        assert not keys[1:] or client.get(address).status_code == 404, name
        with written() as tables:
            status = client.post(address, fields).status_code
        assert status in (200, 302, 404), name
        # The DELETE of a leave that is not of this priest finds none.
        assert {*tables} <= {"booking_priestleave"}, name
    assert PriestLeave.objects.exists()
