"""A webhook until its payment is booked: `TEST_DATABASE=postgresql python -m bench.webhook [ROUNDS] [TIMES]`.

By turns in one process, over one database: the same rows by plain psycopg, a plain Django view with ORM statements
that checks nothing (`bench.floor`), and ours. PhonePe is in the same process and keeps no rows; psycopg asks nobody.
"""

import io
import os
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from tests.harness import environment
from tests.harness.databases import ON_POSTGRESQL, seeded_database

ROUNDS, TIMES, SLOTS = 7, 40, 20
WEBHOOK = "/api/payments/webhook/phonepe/"


def main() -> None:
    rounds, times = [*map(int, sys.argv[1:]), *(ROUNDS, TIMES)[len(sys.argv) - 1 :]]
    if not ON_POSTGRESQL:
        raise SystemExit("TEST_DATABASE=postgresql python -m bench.webhook")
    with seeded_database() as (url, _):
        prepare(url)
        measure(url, rounds, times)
    environment.end()


def prepare(url: str) -> None:
    """Django over this database, before a PhonePe in this process."""
    os.environ |= {"DJANGO_SETTINGS_MODULE": "okpuja.settings", "DATABASE_URL": url, "LOG_LEVEL": "ERROR"}
    os.environ |= {"PHONEPE_API_VERSION": "v2", "CACHE_URL": "locmem://bench"}
    os.environ["DATABASE_PREPARED_STATEMENTS"] = "True"
    import django  # noqa: PLC0415 - the settings are chosen before
    from django.conf import settings  # noqa: PLC0415

    django.setup()
    settings.SIMULATOR_ADAPTER = "tests.harness.paid_phonepe.PaidPhonePe"
    settings.ROOT_URLCONF = "bench.floor"


def measure(url: str, rounds: int, times: int) -> None:
    import psycopg  # noqa: PLC0415

    from bench.contest import alternate  # noqa: PLC0415
    from bench.figures import print_figure  # noqa: PLC0415
    from bench.floor import application  # noqa: PLC0415

    payments = open_payments(3 * (rounds * times + 1))
    written = [list(statements(next(payments))) for _ in range(rounds * times + 1)]
    requests = [request(payment) for payment in payments]

    def call(path: str) -> None:
        """As a server calls the application: Django's test client does more."""
        answers: list[str] = []
        response = application(
            {**requests.pop(), "PATH_INFO": path}, lambda status, _: answers.append(status)
        )
        b"".join(response)
        response.close()  # type: ignore[attr-defined]
        assert answers == ["200 OK"]

    with psycopg.connect(url, autocommit=True) as connection:

        def rows() -> None:
            with connection.transaction():
                for sql, parameters in written.pop():
                    connection.execute(sql, parameters)

        contenders = {
            "rows by psycopg": rows,
            "naive view": lambda: call("/naive/"),
            "ours": lambda: call(WEBHOOK),
        }
        ratios = alternate(contenders, rounds, times, "rows by psycopg")
    print_figure("webhook until booked ÷ psycopg rows", ratios["ours"])
    print_figure("webhook until booked ÷ naive ORM view", ratios["ours"] / ratios["naive view"])
    from payment.models import Payment  # noqa: PLC0415

    booked, told = Payment.objects.filter(fulfilment="BOOKED").count(), 3 * (rounds * times + 1)
    assert booked == told, f"{booked} of {told} are booked"


def request(payment: Any) -> dict[str, Any]:
    """The call of PhonePe that says that it is paid, as WSGI has it."""
    from django.test import RequestFactory  # noqa: PLC0415

    from tests.harness.paid_phonepe import webhook  # noqa: PLC0415

    attempt = payment.attempts.get()
    headers, body = webhook(attempt.merchant_order_id, attempt.amount_paise)
    post = RequestFactory().post(WEBHOOK, body, "application/json", headers=headers)
    return {**post.environ, "wsgi.input": io.BytesIO(body)}


def open_payments(count: int) -> Iterator[Any]:
    """Payments whose page is open, all alike, of customers of their own."""
    from booking.models import Checkout, Slot, SlotHold  # noqa: PLC0415
    from payment.services.checkout import start_payment  # noqa: PLC0415
    from tests.harness.paid_phonepe import PaidPhonePe  # noqa: PLC0415

    slots, buyer, cart = shop()
    first = start_payment(buyer, cart_id=cart.pk)
    hold, checkout = SlotHold.objects.get(), Checkout.objects.get()
    cart.refresh_from_db()
    people, carts = buyers(buyer, cart, count)
    ids, numbers = [person.pk for person in people], range(count)
    checkouts = copies(checkout, user_id=ids, cart_id=[each.pk for each in carts])
    places = [slots[n % SLOTS].pk for n in numbers]
    copies(hold, checkout_id=[each.pk for each in checkouts], slot_id=places)
    for slot in slots:
        Slot.objects.filter(pk=slot.pk).update(held=places.count(slot.pk) + (slot == slots[0]))
    payments = copies(
        first.payment,
        user_id=ids,
        checkout_id=[each.pk for each in checkouts],
        reference=[f"BENCH-{n}" for n in numbers],
    )
    orders = [f"BENCH{n:020}" for n in numbers]
    copies(first.attempt, payment_id=[each.pk for each in payments], merchant_order_id=orders)
    PaidPhonePe.amounts |= dict.fromkeys(orders, first.attempt.amount_paise)
    return iter(payments)


def shop() -> tuple[list[Any], Any, Any]:
    """Slots of one puja with room for everybody, a customer, and their cart."""
    from tests.harness import builders  # noqa: PLC0415

    service = builders.make_service()
    package = builders.make_package(service)
    slots = [
        builders.make_slot(service, hour=n % 24, days=3 + n // 24, capacity=30_000) for n in range(SLOTS)
    ]
    buyer = builders.make_user("bench@example.com")
    return slots, buyer, builders.make_cart(buyer, package, slots[0].starts_at)


def buyers(buyer: Any, cart: Any, count: int) -> tuple[list[Any], list[Any]]:
    """So many customers like this one, each with a cart like theirs."""
    people = copies(buyer, email=[f"bench{n}@example.com" for n in range(count)])
    ids = [person.pk for person in people]
    return people, copies(cart, user_id=ids, cart_id=[uuid.uuid4() for _ in ids])


def copies(row: Any, **changed: list[Any]) -> list[Any]:
    """One for each value in the lists of `changed`."""
    columns = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}
    del columns["id"]
    each_value = zip(*changed.values(), strict=True)
    rows = [type(row)(**columns | dict(zip(changed, values, strict=True))) for values in each_value]
    return list(type(row).objects.bulk_create(rows, batch_size=500))


def statements(payment: Any) -> Iterator[tuple[str, list[Any]]]:
    """What a webhook leaves behind, as SQL: each row once, in the order of the locks."""
    from django.db.models import F  # noqa: PLC0415
    from django.utils import timezone  # noqa: PLC0415

    from booking.models import Booking, Cart, Checkout, Slot, SlotHold  # noqa: PLC0415
    from core.databases import insert_rows, update_row, update_rows  # noqa: PLC0415
    from payment.models import Payment, PaymentAttempt  # noqa: PLC0415

    attempt, now = payment.attempts.get(), timezone.now()
    checkout = Checkout.objects.select_related("hold__slot").get(pk=payment.checkout_id)
    booking = Booking(user_id=checkout.user_id, checkout=checkout, starts_at=checkout.starts_at)
    paid = {"state": "COMPLETED", "received_paise": attempt.amount_paise, "paid_at": now}
    paid |= {"next_check_at": None, "decided_at": now}
    decided = {"state": "SUCCESS", "fulfilment": "BOOKED", "decided_at": now}
    slot = Slot.objects.filter(pk=checkout.hold.slot_id)
    event, call, *others = new_rows(payment, attempt, booking, now)
    for write in (
        insert_rows(event),
        insert_rows(call),
        update_row(PaymentAttempt, {"id": attempt.pk}, paid),
        update_row(Payment, {"id": payment.pk}, decided),
        *(insert_rows(*rows) if isinstance(rows, list) else insert_rows(rows) for rows in others),
        update_row(Checkout, {"id": checkout.pk}, {"state": "BOOKED"}),
        update_row(Cart, {"id": checkout.cart_id}, {"status": "CONVERTED", "updated_at": now}),
        insert_rows(booking),
        update_row(SlotHold, {"id": checkout.hold.pk}, {"state": "TAKEN"}),
        update_rows(slot, held=F("held") - 1, booked=F("booked") + 1),
    ):
        yield write.sql, write.parameters


def new_rows(payment: Any, attempt: Any, booking: Any, now: Any) -> Iterator[Any]:
    """The event, the call, and then what the money and the messages write: a list goes into one statement."""
    from payment.models import GatewayCall, LedgerEntry, ServerEvent, StateChange, WebhookEvent  # noqa: PLC0415
    from payment.services.notifications import booked_notifications  # noqa: PLC0415
    from payment.services.receipts import build_receipt  # noqa: PLC0415
    from payment.services.server_events import booking_event, payment_event  # noqa: PLC0415
    from tests.harness.paid_phonepe import webhook  # noqa: PLC0415

    order, paise, payment.state = attempt.merchant_order_id, attempt.amount_paise, "SUCCESS"
    of_attempt = {"payment": payment, "attempt": attempt}
    yield WebhookEvent(
        digest=order,
        scheme="authorization",
        body=webhook(order, paise)[1],
        event="checkout.order.completed",
        merchant_order_id=order,
        claimed_state="COMPLETED",
        claimed_paise=paise,
        attempt=attempt,
        state="HANDLED",
        handled_at=now,
    )
    yield GatewayCall(
        **of_attempt,
        operation="status",
        host="h",
        port=1,
        stage="BODY",
        milliseconds=1,
        http_status=200,
        started_at=now,
    )
    yield LedgerEntry(**of_attempt, kind="RECEIPT", amount_paise=paise, reference=order)
    yield (receipt := build_receipt(payment, now, paise))
    yield from (StateChange(payment=payment, subject=name, after="X", rule="bench") for name in "abc")
    yield [payment_event(payment), booking_event(ServerEvent.Type.BOOKING_CONFIRMED, payment, booking)]
    notifications = booked_notifications(payment, receipt, booking)
    assert notifications
    yield notifications


if __name__ == "__main__":
    main()
