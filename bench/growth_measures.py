"""What `bench.growth` measures, by name. Names that begin with "night" are of work of once a night, or by hand."""

from collections.abc import Iterator
from datetime import date, timedelta
from functools import partial
from itertools import count
from typing import Any, cast
from unittest.mock import patch

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Model
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from accounts.sessions import open_session
from backoffice.exports import EXPORTS
from backoffice.reports import DIMENSIONS
from backoffice.urls import urlpatterns as desk_pages
from bench.growth import Clock, Measure
from bench.trade import ALIKE, LAST_DIGITS
from booking.models import Booking, Package, Slot
from core.pagination import MAX_ROWS
from diagnostics import dependencies, history, webhook_check
from diagnostics.runner import failing_since
from notifications.services import cases_alerted_today
from payment.models import Payment, PaymentAttempt, Receipt, Refund
from payment.reconciliation import invariants, own_rows
from payment.reconciliation.days import on, yesterday
from payment.services import monitoring, queue
from payment.services.leases import _free_rows
from payment.services.links import status_url
from simulator.webhook_deliveries import authentication_headers
from tests.harness.phonepe import PhonePe
from worker.jobs import KINDS
from worker.moments import read_due_moments

API, PAYMENTS, BOOKINGS = "/api", "/api/payments/payments", "/api/booking/bookings"
LONG_LISTS = (
    *("payment/payment", "payment/paymentattempt", "payment/gatewaycall", "payment/statechange"),
    *("payment/webhookevent", "payment/ledgerentry", "payment/receipt", "payment/refund", "payment/offer"),
    *("payment/dispute", "payment/idempotencykey", "payment/diagnosisrun", "payment/reconciliation"),
    *("booking/booking", "booking/cart", "booking/checkout", "booking/slothold", "booking/slot"),
    *("accounts/user", "accounts/session", "notifications/notification"),
)
MARKS_OF_A_ROW = (b"<tr", b"<li", b'"id":')  # of a page, and of an answer in JSON
numbers = count(1)


def measures(clock: Clock) -> Iterator[tuple[str, Measure]]:
    yield from _customer()
    yield from _purchase(clock)
    yield from _worker()
    yield from _diagnosis()
    yield from _desk()
    yield from _nightly()


class Page:
    """A GET. `rows`: on its page the last time; `most`: that a list of the admin shows, 0 for as many as ever.

    The seeded money is real, so the desk shows it as it does without the simulator, which customers need here.
    """

    def __init__(self, client: Client, path: str, model: type[Model] | None = None) -> None:
        self.client, self.path, self.rows, self.most = client, path, 0, 0
        self.desk: Any = admin.site._registry[model] if model else None
        self.usual = self.desk.list_per_page if model else 0

    def __call__(self) -> Any:
        if self.desk:
            self.desk.list_per_page = self.most or self.usual
        with patch.object(settings, "PHONEPE_SIMULATION_MODE", not self.path.startswith("/admin/")):
            answer = self.client.get(self.path)
        known = (200, 302, 404, 405)  # 302: the one hit of a search; 405: a button without a page
        assert answer.status_code in known, (self.path, answer.status_code)
        listed = answer.context_data["cl"].result_list if self.desk else None
        self.rows = sum(map(answer.content.count, MARKS_OF_A_ROW)) if listed is None else len(listed)
        return answer


def _shop_of(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {open_session(user).access}"})


def _customer() -> Iterator[tuple[str, Measure]]:
    """Somebody in the middle of the customers who has booked with each of four payments: in both databases alike."""
    middle = User.objects.order_by("pk")[User.objects.count() // 2].pk
    standing = Booking.objects.filter(user__gte=middle).exclude(status=Booking.Status.CANCELLED).order_by()
    counted = standing.values("user").annotate(bookings=Count("pk")).filter(bookings=4).order_by("user")
    booking = Booking.objects.filter(user=counted[0]["user"]).select_related("checkout__payment", "user")[0]
    client, payment = _shop_of(booking.user), booking.checkout.payment
    order = payment.attempts.last().merchant_order_id
    for path in (
        *("/healthz", f"{API}/auth/profile/", f"{API}/auth/addresses/", f"{API}/puja/categories/"),
        *(f"{API}/puja/services/", f"{API}/puja/services/1/", f"{API}/puja/services/1/slots/"),
        *(
            f"{API}/puja/packages/",
            f"{API}/puja/packages/1/",
            f"{API}/cart/carts/",
            f"{API}/cart/carts/active/",
        ),
        *(
            f"{API}/promo/user/promos/",
            f"{API}/promo/user/promos/history/",
            f"{BOOKINGS}/",
            f"{BOOKINGS}/latest/",
        ),
        *(f"{BOOKINGS}/{booking.pk}/", f"{BOOKINGS}/by-id/{booking.book_id}/", f"{PAYMENTS}/"),
        *(f"{BOOKINGS}/by-cart/{booking.checkout.cart.cart_id}/", f"{PAYMENTS}/{payment.pk}/"),
        *(f"{PAYMENTS}/{payment.pk}/{name}/" for name in ("status", "check-booking", "timeline", "refunds")),
        *(f"{API}/payments/status/{order}/", f"{API}/payments/cart/status/{booking.checkout.cart.cart_id}/"),
    ):
        name = path.replace(str(booking.checkout.cart.cart_id), "{cart}").replace(order, "{order}")
        name = (
            name.replace(booking.book_id, "{id}")
            .replace(f"/{payment.pk}/", "/{id}/")
            .replace(f"/{booking.pk}/", "/{id}/")
        )
        yield f"GET {name}", Page(client, path)
    yield "GET /pay/{token}/", Page(Client(), status_url(payment).partition("testserver")[2])


def _purchase(clock: Clock) -> Iterator[tuple[str, Measure]]:
    """Each time another customer, from the cart to the booking; the simulated PhonePe is in the same process."""
    phonepe, steps = PhonePe(), {}
    slots = list(Slot.objects.filter(starts_at__gt=timezone.now() + timedelta(days=2)).order_by("pk")[:40])

    def buy() -> None:
        number = next(numbers)
        user = User.objects.order_by("pk")[number * 7 % User.objects.count()]
        slot, client = slots[number % len(slots)], _shop_of(user)
        local = timezone.localtime(slot.starts_at)
        package = Package.objects.get(puja_service=slot.service_id)
        body = {
            "puja_service": slot.service_id,
            "package_id": package.pk,
            "service_type": "PUJA",
            "selected_date": str(local.date()),
            "selected_time": f"{local:%H:%M}",
        }
        cart = step("cart", client, f"{API}/cart/carts/", body)
        opened = step("process-cart", client, f"{PAYMENTS}/process-cart/", {"cart_id": cart["id"]})
        phonepe.decide(opened["merchant_transaction_id"])
        delivery = phonepe.webhooks[-1]
        headers = authentication_headers(delivery)
        began = clock(True)
        answer = Client().post(
            f"{API}/payments/webhook/phonepe/",
            delivery.body.encode(),
            content_type="application/json",
            headers=headers,
        )
        steps["webhook until booked"] = clock(False) - began
        assert answer.status_code == 200, answer.content
        assert Payment.objects.get(pk=opened["payment_id"]).fulfilment == "BOOKED"

    def step(name: str, client: Client, path: str, body: dict[str, Any]) -> Any:
        began = clock(True)
        answer = client.post(path, body, content_type="application/json")
        steps[name] = clock(False) - began
        assert answer.status_code in (200, 201), (path, answer.content)
        return answer.json()

    def timed(name: str) -> float:
        buy()
        return steps[name]

    for name in ("cart", "process-cart", "webhook until booked"):
        yield f"POST {name}", partial(timed, name)


def _worker() -> Iterator[tuple[str, Measure]]:
    yield "worker: when is anything due", read_due_moments
    for kind, job in KINDS.items():
        yield f"worker: rows of {kind}", partial(_rows_of, kind, job)
    yield "worker: oldest overdue row", queue.oldest_overdue
    yield "monitoring: a whole minute", partial(monitoring.run_checks, 0)
    yield "monitoring: what there is to check", lambda: monitoring._checks_with_signs(timezone.now())
    for name, check in monitoring.CHECKS.items():
        yield f"monitoring: {name}", partial(_run, check)
    yield "monitoring: cases of today", partial(cases_alerted_today, "payment_stuck")


def _rows_of(kind: str, job: Any) -> None:
    _free_rows(kind, job, timezone.now())


def _run(check: Any) -> None:
    check.run(timezone.now())


def _diagnosis() -> Iterator[tuple[str, Measure]]:
    yield "diagnosis: past runs", history.load_past_runs
    yield "diagnosis: worker", dependencies.check_worker
    yield "diagnosis: silence of webhooks", webhook_check.check_webhook_silence
    yield "diagnosis: failing since", lambda: failing_since(timezone.now()).exists()


def _desk() -> Iterator[tuple[str, Measure]]:
    staff = User.objects.create_superuser(f"staff{User.objects.count()}@example.com", None)
    client = Client()
    client.force_login(staff)
    payment = Payment.objects.filter(fulfilment="BOOKED", user__gt=ALIKE).order_by("pk")[:1].get()
    attempt = payment.attempts.get()
    receipt = Receipt.objects.order_by("pk").first()
    user = User.objects.order_by("pk")[60]
    searches = {
        "payment/payment": [
            payment.reference,
            payment.user.email,
            user.phone[3:10],
            attempt.merchant_order_id,
        ],
        "payment/paymentattempt": [
            attempt.utr,
            attempt.merchant_order_id[:14],
            attempt.provider_transaction_id,
        ],
        "payment/gatewaycall": [attempt.merchant_order_id],
        "payment/statechange": [payment.reference],
        "payment/webhookevent": [attempt.merchant_order_id],
        "payment/ledgerentry": [attempt.merchant_order_id],
        "payment/receipt": [str(receipt), payment.reference, payment.user.email],
        "payment/refund": [Refund.objects.first().merchant_refund_id, Refund.objects.first().utr],
        "booking/booking": [Booking.objects.first().book_id, user.email, "98765"],
        "booking/cart": [str(payment.checkout.cart.cart_id), user.email],
        "booking/checkout": [user.email],
        "accounts/user": [user.email, "asha", "Radha Sharma", user.phone, "nobody@nowhere"],
        "accounts/session": [user.email],
        "notifications/notification": [f"booked:payment:{payment.pk}", user.email],
    }
    yield "admin: one payment", Page(client, f"/admin/payment/payment/{payment.pk}/change/")
    yield "admin: start page", Page(client, "/admin/")
    yield from _daily_pages(client, payment, attempt, receipt)
    yield from _raw_tables(client, searches)
    yield from _desk_of_the_frontend(_shop_of(staff), user)


def _raw_tables(client: Client, searches: dict[str, list[Any]]) -> Iterator[tuple[str, Measure]]:
    for name in LONG_LISTS:
        path, model = f"/admin/{name}/", apps.get_model(name.replace("/", "."))
        yield f"admin {name}: first page", Page(client, path, model)
        first = Page(client, path, model)().context_data["cl"]
        last = first.paginator.num_pages if first.multi_page else 1
        # The last one has as many rows as are left over, which is another number in the other database.
        yield f"admin {name}: last full page", Page(client, f"{path}?p={max(last - 1, 1)}", model)
        yield f"admin {name}: page in the middle", Page(client, f"{path}?p={(last + 1) // 2}", model)
        yield f"admin {name}: sorted by the first column", Page(client, f"{path}?o=1", model)
        for number, text in enumerate(searches.get(name, ()), start=1):
            yield f"admin {name}: search {number}", Page(client, f"{path}?q={text}", model)
        for spec in first.filter_specs:
            for choice in spec.choices(first):
                if choice["query_string"] not in ("?", ""):
                    shown = f"admin {name}: {spec.title} {choice['display']}"
                    yield shown, Page(client, path + choice["query_string"], model)
        row = [*model._default_manager.order_by("pk").values_list("pk", flat=True)[:11]][-1]
        yield f"admin {name}: a row", Page(client, f"{path}{row}/change/")
        yield f"admin {name}: history of a row", Page(client, f"{path}{row}/history/")


def _desk_of_the_frontend(client: Client, user: User) -> Iterator[tuple[str, Measure]]:
    day = timezone.localdate()
    for path in (
        *(f"{API}/promo/admin/promos/", f"{API}/promo/admin/promos/stats/"),
        *(f"{API}/astrology/admin/dashboard/", f"{API}/booking/admin/dashboard/?days=7"),
        *(f"{API}/booking/admin/bookings/", f"{API}/booking/admin/bookings/?search={user.phone}"),
        *(f"{API}/booking/admin/bookings/employees/", f"{API}/auth/users/"),
        *(f"{API}/booking/admin/bookings/?page=1", f"{API}/booking/admin/bookings/?page=1&status=CANCELLED"),
        *(f"{API}/booking/admin/bookings/?status={word}&page_size=20" for word in ("REJECTED", "PENDING")),
        f"{API}/booking/admin/bookings/?date_from={day - timedelta(days=3)}&date_to={day}",
        f"{API}/booking/admin/reports/?start_date={day - timedelta(days=7)}&end_date={day}",
        *(f"{API}/auth/users/?page=1", f"{API}/auth/users/?page=1&page_size=10"),
    ):
        yield f"desk GET {path}", Page(client, path)
    pages = Booking.objects.count() // MAX_ROWS
    for name, number in (("in the middle", pages // 2), ("the last full one", pages)):
        page = f"{API}/booking/admin/bookings/?page={number}"
        yield f"desk GET {API}/booking/admin/bookings/, page {name}", Page(client, page)


def _daily_pages(
    client: Client, payment: Payment, attempt: PaymentAttempt, receipt: Receipt
) -> Iterator[tuple[str, Measure]]:
    """The pages that staff work with. A search with one hit is opened, so these find several, or nothing."""
    assert payment.user is not None
    phone = payment.user.phone or ""
    named = {
        "phone": payment.user.phone,
        "phone as it is spoken": f"0{phone[3:8]} {phone[8:]}",
        "last digits": LAST_DIGITS,
        "first name": "Asha",
        "part of a last name": "shar",
        "both names": "Radha Sharma",
        "mail": payment.user.email,
        "UTR": attempt.utr,
        "order": attempt.merchant_order_id,
        "reference": payment.reference,
        "receipt": str(receipt),
        "nothing": "BK-ZZZZZZZZ",
    }
    for what, text in named.items():
        yield f"desk: search by {what}", Page(client, f"/admin/desk/search/?q={text}")
    assert payment.checkout is not None
    rows = {"person": payment.user.pk, "catalogue-puja": payment.checkout.puja_service_id}
    rows |= dict.fromkeys(("priest", "priest-leave", "priest-feed"), 1) | {"role": payment.user.pk}
    rows["package-price"] = payment.checkout.puja_service.packages.get().pk
    number = payment.checkout.booking.book_id
    for pattern in desk_pages:
        parts = [*pattern.pattern.converters]
        key = number if parts in (["number"], ["book_id"]) else rows.get(pattern.name)
        if not parts or key:
            path = reverse(f"desk:{pattern.name}", args=[key] if parts else [])
            yield f"desk page: {pattern.name}", Page(client, path)
    yield from _more_pages(client)


def _more_pages(client: Client) -> Iterator[tuple[str, Measure]]:
    """What the address of a page alone does not lead to: other days, other tables, the middle of a list."""
    day = timezone.localdate()
    to_come = (
        Booking.objects.filter(status="CONFIRMED", starts_at__gt=timezone.now()).order_by("pk")[0].book_id
    )
    middle = Receipt.objects.order_by("pk")[Receipt.objects.count() // 2].pk
    week = f"first={day - timedelta(days=7)}&last={day - timedelta(days=1)}"
    pages = {
        "closing of a day": f"closing/?day={day + timedelta(days=1)}",
        "day sheet of yesterday": f"priests/day/?day={day - timedelta(days=1)}",
        "today, of yesterday": f"?day={day - timedelta(days=1)}",
        "priest to be chosen": f"priests/booking/{to_come}/",
        "a case to come": f"case/{to_come}/",
        "times to move to": f"case/{to_come}/move/",
        "papers, in the middle": f"papers/?before={middle}",
        "papers, the last ones": "papers/?before=52",
        "credit notes": "papers/?kind=credit-notes",
        "donations without address": "donations/?lacking=address",
        "history of accounts": "history/?kind=accounts",
        **{f"report by {by}": f"reports/?by={by}&{week}" for by in DIMENSIONS},
    }
    for name, path in pages.items():
        yield f"desk page: {name}", Page(client, f"/admin/desk/{path}")
    for name in EXPORTS:
        for lines, what in ((3, "first row"), (500, "500 rows")):
            yield f"desk export: {name}, {what}", partial(_export, client, name, day, lines)


def _export(client: Client, name: str, day: date, lines: int) -> None:
    period = {"first": day - timedelta(days=7), "last": day - timedelta(days=1)}
    with patch.object(settings, "PHONEPE_SIMULATION_MODE", False):
        answer = client.post("/admin/desk/exports/", {"file": f"{name}:csv", **period})
        assert answer.status_code == 200, answer.status_code
        chunks = iter(cast(StreamingHttpResponse, answer).streaming_content)
        for _ in range(lines):
            next(chunks, None)
        answer.close()


def _nightly() -> Iterator[tuple[str, Measure]]:
    day = yesterday()
    yield (
        "night: orders of a day",
        lambda: list(
            PaymentAttempt.objects.filter(
                on(day, "created_at", "decided_at"), sent_at__isnull=False
            ).values_list("pk")
        ),
    )
    yield "night: unpaid bookings of a day", lambda: list(own_rows.find_unpaid_bookings(day))
    yield "night: refunded bookings of a day", lambda: list(own_rows.find_refunded_bookings(day))
    yield "night: unconfirmed webhooks of a day", lambda: list(own_rows.find_unconfirmed_events(day))
    for each in invariants.INVARIANTS:
        yield f"night: {each.sentence[:50]}", partial(_check, each)
    yield "night: ledger_check, totals", partial(invariants.totals, simulated=False)


def _check(invariant: invariants.Invariant) -> None:
    assert not list(invariant.violating_rows().order_by("pk")[:1])
