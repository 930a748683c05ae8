"""Each example of the API's description is sent to the running product, and answered as it says.

A further operation: a line in okpuja/api_examples.py. What has none is named by a skipped test, loudly. The
description shows the answers, too (okpuja/api_answers.json): RECORD_ANSWERS=1 writes those of another shape.
"""

import io
import json
import os
import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from PIL import Image
from rest_framework.test import APIClient
from rest_framework.views import APIView

from accounts import codes
from accounts.models import CodeRequest, OneTimeCode, User
from accounts.sessions import open_session
from booking.models import Booking, Cart, Priest, PromoCode, PujaCategory, Slot, WaitingEntry
from okpuja.api_examples import EXAMPLES, SAMPLES, Example, fill
from okpuja.openapi import ANSWERS_FILE, METHODS, recorded_answers
from payment.models import Offer, Refund, ServerEvent
from payment.services import status
from payment.services.links import change_url, offer_url
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from payment.services.webhook_endpoints import create_endpoint
from tests.harness import builders
from tests.integration.access.rules import LOGIN, PUBLIC, RULES, Needs, Scoped
from tests.unit.payment.builders import FAILED, completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

SCHEMA = SchemaGenerator().get_schema(public=True)
OPERATIONS = {
    f"{method} {path}": operations[method]
    for path, operations in SCHEMA["paths"].items()
    for method in METHODS
    if method in operations and not path.startswith("/simulator/")
}
READS = sorted(
    row for row in OPERATIONS if row.startswith("get ") and not getattr(EXAMPLES.get(row), "needs", "")
)
OTHERS = sorted(OPERATIONS.keys() - {*READS})


def test_every_operation_teaches():
    """A summary and a tag, and an example of its body where it takes one."""
    untaught = [
        row for row, each in OPERATIONS.items() if not each["summary"] or each["tags"] in (["api"], ["Other"])
    ]
    silent = [
        row
        for row, example in EXAMPLES.items()
        if example.body is not None
        and row in OPERATIONS
        and "application/json" in OPERATIONS[row].get("requestBody", {}).get("content", {})
        and "example" not in OPERATIONS[row]["requestBody"]["content"]["application/json"]
    ]

    assert untaught == []
    assert silent == []
    assert [row for row in EXAMPLES if row not in OPERATIONS] == []
    assert SCHEMA["servers"][0]["url"]
    assert SCHEMA["tags"][-1]["name"] == "Simulator"


OF_ALICE = ("process-cart/", "simulate-payment-success/", "debug-connectivity/")


class ExampleData:
    """Alice has bought a puja, and is paying another one; whatever else an example needs is arranged."""

    def __init__(self, alice, staff, package, slot, service):
        self.alice, self.staff, self.package, self.slot, self.service = alice, staff, package, slot, service
        builders.make_promo()
        sold = builders.make_cart(alice, package, slot.starts_at)
        self.bought = make_payment(builders.make_checkout(sold))
        apply_status(self.bought.attempts.get().pk, completed(), "worker")
        self.booking, self.token = Booking.objects.get(), ""
        self.other_slot = builders.make_slot(service, days=8, capacity=9)
        Slot.objects.filter(pk=slot.pk).update(capacity=9)
        full = builders.make_slot(service, days=6, capacity=1)
        self.waiting = WaitingEntry.objects.create(user=alice, slot=full, package=package)
        cart = builders.make_cart(alice, package, self.other_slot.starts_at)
        self.open = (
            self._client(alice).post("/api/payments/payments/process-cart/", {"cart_id": cart.pk}).json()
        )
        self.cart, self.refund = cart.pk, None
        create_endpoint("http://127.0.0.1:9/")
        self.priest = Priest.objects.create(user=builders.make_user("priest@example.com"), name="Pandit Ravi")

    def _client(self, user):
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {open_session(user).access}")
        return client

    def arrange(self, needs):
        getattr(self, "need_" + needs.replace(" ", "_"))()

    def need_account(self):
        User.objects.create_user(SAMPLES["email"], SAMPLES["password"])

    def _code(self, purpose):
        self.need_account()
        codes.answer(CodeRequest.objects.create(email=SAMPLES["email"], purpose=purpose))
        return codes.digits(OneTimeCode.objects.latest("pk"))

    def need_code(self):
        self.otp = self._code(OneTimeCode.Purpose.CONFIRM)

    def need_reset(self):
        self.otp = self._code(OneTimeCode.Purpose.RESET)

    def need_picture(self):
        pass

    def need_pan(self):
        self._client(self.alice).patch("/api/auth/pancard/", {"pan_number": "ABCPE1234F"})

    def need_upload(self):
        answer = self._client(self.alice).patch("/api/auth/profile/picture/", picture(), format="multipart")
        self.token = urlsplit(answer.json()["profile_picture"]).path.rstrip("/").rpartition("/")[2]

    def need_active_cart(self):
        self.cart = builders.make_cart(self.alice, self.package, self.slot.starts_at).pk

    def need_review(self):
        payment = make_payment(amount_paise=10_000)
        apply_status(payment.attempts.get().pk, completed(5_000), "worker")
        self.payment = payment.pk

    def need_ended(self):
        cart = builders.make_cart(self.alice, self.package, self.other_slot.starts_at)
        payment = make_payment(builders.make_checkout(cart))
        apply_status(payment.attempts.get().pk, FAILED, "worker")
        self.payment = payment.pk

    def need_offer(self):
        payment = make_payment(
            builders.make_checkout(
                builders.make_cart(builders.make_user(), self.package, self.slot.starts_at)
            )
        )
        attempt = payment.attempts.get()
        apply_status(attempt.pk, FAILED, "worker")
        Slot.objects.filter(pk=self.slot.pk).update(capacity=1)
        apply_status(attempt.pk, completed(), "worker")
        self.token = last_part(offer_url(Offer.objects.get(payment=payment).payment))

    def need_request(self):
        held = Refund.Hold.SECOND_PERSON
        refund = create_refund(self.bought.attempts.get(), 100, "a gesture", asked_by=None, held_because=held)
        self.refund = refund.pk

    def need_change(self):
        self.token = last_part(change_url(self.booking))

    def need_full_slot(self):
        WaitingEntry.objects.all().delete()
        Slot.objects.filter(pk=self.slot.pk).update(capacity=1)

    def need_spare(self):
        """Rows that nothing hangs on."""
        self.spare_user = builders.make_user().pk
        self.service = builders.make_service("Spare Puja", category="Spare")
        self.package = builders.make_package(self.service)
        self.category = PujaCategory.objects.create(name="Empty").pk

    def ids(self, path):
        """By the beginning of the path: whose `{id}` it is."""
        own = {
            "/api/auth/addresses/": self.alice.addresses.get().pk,
            "/api/puja/services/": self.service.pk,
            "/api/puja/public/services/": self.service.pk,
            "/api/puja/packages/": self.package.pk,
            "/api/puja/public/puja/packages/": self.package.pk,
            "/api/puja/slots/": self.slot.pk,
            "/api/puja/categories/": getattr(self, "category", self.service.category_id),
            "/api/promo/admin/promos/": PromoCode.objects.get().pk,
            "/api/auth/users/": getattr(self, "spare_user", self.alice.pk),
            "/api/booking/admin/bookings/": self.booking.pk,
            "/api/cart/carts/": self.cart,
            "/api/booking/bookings/": self.booking.pk,
            "/api/booking/waiting/": self.waiting.pk,
            "/api/payments/refunds/": self.refund,
            "/api/payments/payments/{id}/simulate": self.open["payment_id"],
            "/api/server/payments/{id}/simulate": self.open["payment_id"],
            "/api/payments/payments/": getattr(self, "payment", self.bought.pk),
            "/api/server/payments/": self.bought.pk,
        }
        return next((pk for prefix, pk in own.items() if path.startswith(prefix)), 1)

    def values(self, path):
        start, today = timezone.localtime(self.slot.starts_at), timezone.localdate()
        return SAMPLES | {
            "id": self.ids(path),
            "puja": self.service.pk,
            "package": self.package.pk,
            "slot": self.slot.pk,
            "category": self.service.category_id,
            "other_date": f"{timezone.localtime(self.other_slot.starts_at):%Y-%m-%d}",
            "other_slot": self.other_slot.pk,
            "cart": self.cart,
            "unpaid": self.open["payment_id"],
            "employee": self.priest.user_id,
            "date": f"{start:%Y-%m-%d}",
            "time": f"{start:%H:%M}",
            "first_day": f"{today}",
            "last_day": f"{today + timedelta(days=30)}",
            "cart_id": str(self._cart_id(path)),
            "book_id": self.booking.book_id,
            "ref": self.booking.book_id,
            "event_id": ServerEvent.objects.latest("pk").event_id,
            "merchant_order_id": self.open["merchant_transaction_id"],
            "token": self.token,
            "refresh": open_session(self.alice).refresh,
            "otp": getattr(self, "otp", ""),
        }

    def _cart_id(self, path):
        is_of_booking = "by-cart" in path or "status" in path
        return Cart.objects.get(pk=self.booking.checkout.cart_id if is_of_booking else self.cart).cart_id


def last_part(url):
    return urlsplit(url).path.rstrip("/").rpartition("/")[2]


def picture():
    drawn = io.BytesIO()
    Image.new("RGB", (64, 64), "orange").save(drawn, "PNG")
    return {"profile_picture": SimpleUploadedFile("me.png", drawn.getvalue(), "image/png")}


@pytest.fixture
def data(alice, staff, package, slot, service, phonepe, monkeypatch):
    monkeypatch.setattr(status, "SECONDS_BETWEEN_POLLS", 0)
    monkeypatch.setattr(APIView, "check_throttles", lambda *_: None)
    return ExampleData(alice, staff, package, slot, service)


@pytest.fixture
def play(data, server, api):
    def send(row):
        method, path = row.split()
        # A read without ids needs no example to be sent.
        example = EXAMPLES.get(row, Example() if method == "get" and "{" not in path else None)
        if example is None:
            return f"NO EXAMPLE of {row}: add a line to okpuja/api_examples.py", None
        if example.needs:
            data.arrange(example.needs)
        values = data.values(path)
        url = path.replace("{", "<").replace("}", ">")
        headers = fill(example.headers, values)
        body = picture() if example.needs == "picture" else fill(example.body, values)
        how = {"format": "multipart"} if example.needs == "picture" else {}
        client = caller(row)
        if method == "get":
            answer = client.get(fill(url, values), fill(example.query, values), headers=headers)
        else:
            answer = getattr(client, method)(fill(url, values), body, headers=headers, **how)
        expected = [example.status] if example.status else range(200, 300)
        if answer.status_code in expected:
            return "", answer
        return f"{row}: {answer.status_code} {answer.content[:300]!r}", answer

    def caller(row):
        """Who its rule names: a stranger, a key with the scope, staff; else Alice, whose rows they are."""
        rule = RULES.get(rule_name(row), LOGIN)
        if isinstance(rule, Scoped):
            return server(rule.scope)
        if rule == PUBLIC and not row.endswith(OF_ALICE):
            return api()
        return api(data.staff if isinstance(rule, Needs) else data.alice)

    return send


LONGEST_LIST = 2
# Of real installations these are secrets; here they only make the file noisy.
NOISE = (
    (re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+"), SAMPLES["refresh"]),
    (re.compile(r"http://(testserver|localhost|127\.0\.0\.1)(:\d+)?"), "https://pay.example.com"),
    (re.compile(r"(?<=/)[\w-]{2,12}:[\w-]{6,}:[\w-]{20,}"), SAMPLES["token"]),
)


def as_example(value):
    """Short, and without what is long and random."""
    if isinstance(value, dict):
        return {name: as_example(each) for name, each in value.items()}
    if isinstance(value, list):
        return [as_example(each) for each in value[:LONGEST_LIST]]
    if isinstance(value, str):
        for pattern, sample in NOISE:
            value = pattern.sub(sample, value)
    return value


def shape(value):
    """Names and kinds, without values: what a client depends on. Of a list its first row."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return type(value).__name__


def is_json(answer):
    return answer.get("Content-Type", "").startswith("application/json") and answer.content


def compare_with_description(row, answer):
    """Nothing, or what differs between this answer and the one in the description, if that has a place for it."""
    described = OPERATIONS[row]["responses"].get(str(answer.status_code), {}).get("content", {})
    if not is_json(answer) or "application/json" not in described:
        return ""
    body, recorded = json.loads(answer.content), recorded_answers().get(row)
    if recorded is not None and (recorded["status"], shape(recorded["body"])) == (
        answer.status_code,
        shape(as_example(body)),
    ):
        return ""
    if not os.environ.get("RECORD_ANSWERS"):
        return f"{row}: the description shows another answer: RECORD_ANSWERS=1 writes it anew"
    recorded_answers()[row] = {"status": answer.status_code, "body": as_example(body)}
    text = json.dumps(dict(sorted(recorded_answers().items())), indent=1, ensure_ascii=False)
    ANSWERS_FILE.write_text(f"{text}\n", encoding="utf-8")
    return ""


def rule_name(row):
    """As tests/integration/access/rules.py writes it."""
    method, path = row.split()
    return f"{path.removeprefix('/').replace('{id}', '{pk}')} {method}"


def test_every_read_answers_as_its_example_says(play):
    """They share the rows: they change nothing."""
    told = {row: play(row) for row in READS}
    wrong = [each for each, _answer in told.values() if each and not each.startswith("NO EXAMPLE")]
    missing = [each for each, _answer in told.values() if each.startswith("NO EXAMPLE")]

    assert wrong == []
    described = [
        compare_with_description(row, answer) for row, (_, answer) in told.items() if answer is not None
    ]
    assert [each for each in described if each] == []
    if missing:
        pytest.skip("; ".join(missing))


@pytest.mark.parametrize("row", OTHERS)
def test_every_other_example_is_carried_out(play, row):
    wrong, answer = play(row)
    if wrong.startswith("NO EXAMPLE"):
        pytest.skip(wrong)

    assert wrong == ""
    assert compare_with_description(row, answer) == ""


def test_every_recorded_answer_is_of_an_operation_and_shown():
    shown = [
        row
        for row, answer in recorded_answers().items()
        if row in OPERATIONS
        and "example"
        in OPERATIONS[row]["responses"]
        .get(str(answer["status"]), {})
        .get("content", {})
        .get("application/json", {})
    ]

    assert [row for row in recorded_answers() if row not in shown] == []
