"""The database refuses, dies or locks in the middle of a payment; what PhonePe has told us is not lost."""

from contextlib import contextmanager

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from booking.models import Slot
from payment.models import Payment, WebhookEvent
from payment.states import Fulfilment, PaymentState
from simulator.webhook_deliveries import authentication_headers
from tests.harness.invariants import query
from tests.system.interleavings.scenarios import (
    WEBHOOK,
    bookings,
    call_us,
    check_booking,
    click,
    ledger,
    outcome,
    places,
    two_seconds_pass,
    work,
)

pytestmark = pytest.mark.proof(every=3)

PAID = (PaymentState.SUCCESS, Fulfilment.BOOKED)
DUE = (PaymentState.SUCCESS, Fulfilment.DUE)


@pytest.fixture
def paid(generation, phone, cart, phonepe):
    click(phone, cart)
    phonepe.decide(phonepe.order_ids[0])
    return Payment.objects.get()


@contextmanager
def without_database(statement_begins="", part=""):
    """What a driver raises whose server has gone away, for statements that begin so, or have such a part."""

    def gone(execute, sql, params, many, context):
        if sql.startswith(statement_begins) and part in sql:
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(gone):
        yield


@contextmanager
def refusing_bookings():
    """The place cannot be taken: the slot's own constraint refuses."""
    Slot.objects.update(held=0)
    yield
    Slot.objects.update(held=1)


@pytest.mark.parametrize("at", ["", "SELECT", "INSERT"])
def test_a_webhook_that_finds_no_database_is_told_so_and_nothing_is_lost_when_it_comes_again(
    paid, slot, phonepe, at
):
    delivery = phonepe.webhooks[-1]
    headers, body = authentication_headers(delivery), delivery.body.encode()
    with without_database(at):
        answer = Client().post(WEBHOOK, body, content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (503, "database_down")
    assert not WebhookEvent.objects.exists()
    assert outcome(paid) == (PaymentState.PENDING, Fulfilment.NONE)

    assert call_us(delivery) == 200
    assert WebhookEvent.objects.get().deliveries == 1
    assert outcome(paid) == PAID
    assert (bookings(), places(slot)) == (1, (0, 1))


@pytest.mark.only_postgresql  # SQLite has no server that could end a connection
@pytest.mark.postgresql
def test_a_webhook_whose_database_connection_was_killed_is_told_so(paid, slot, phonepe):
    delivery = phonepe.webhooks[-1]
    headers, body = authentication_headers(delivery), delivery.body.encode()
    ((backend,),) = query("SELECT pg_backend_pid()")
    parameters = connection.get_connection_params()
    parameters = {name: parameters[name] for name in ("dbname", "host", "port", "user") if name in parameters}
    with psycopg.connect(**parameters, autocommit=True) as staff:
        staff.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])

    answer = Client().post(WEBHOOK, body, content_type="application/json", headers=headers)
    connection.close()  # as the server does after each request

    assert (answer.status_code, answer.json()["code"]) == (503, "database_down")
    assert call_us(delivery) == 200
    assert outcome(paid) == PAID


def test_an_event_whose_question_found_no_database_is_left_to_the_worker(paid, slot, phonepe, line):
    """It was answered already: what comes afterwards may fail, and is done again."""
    line.after["status"].append(lambda request: connection.execute_wrappers.append(refuse))

    def refuse(execute, sql, params, many, context):
        raise OperationalError("server closed the connection unexpectedly")

    try:
        answered = call_us(phonepe.webhooks[-1])
    finally:
        connection.execute_wrappers.clear()

    assert answered == 200
    assert WebhookEvent.objects.get().state == "RECEIVED"
    assert outcome(paid) == (PaymentState.PENDING, Fulfilment.NONE)
    work("events")
    assert outcome(paid) == PAID
    assert WebhookEvent.objects.get().state == "HANDLED"


@pytest.mark.work_fails
def test_a_booking_the_database_refuses_leaves_the_receipt_and_everybody_is_told_the_truth(
    paid, phone, client, slot, phonepe
):
    with refusing_bookings():
        assert call_us(phonepe.webhooks[-1]) == 200
        assert outcome(paid) == DUE
        assert ledger() == [("RECEIPT", 110_000)]
        assert paid.fulfil_at is not None
        told = check_booking(phone, paid)
        assert (told["success"], told["booking_created"]) == (True, False)
        assert "being confirmed" in told["message"]
        again = click(phone, paid.checkout.cart)
        assert (again.status_code, again.json()["code"]) == (409, "already_paid")
        work("fulfilments")
        assert outcome(paid) == DUE

    work("fulfilments")

    assert outcome(paid) == PAID
    assert (bookings(), places(slot), paid.fulfil_at) == (1, (0, 1), None)
    assert WebhookEvent.objects.get().state == "HANDLED"


def test_a_customer_who_looks_after_the_database_has_recovered_is_booked_without_the_worker(
    paid, phone, slot, phonepe
):
    with refusing_bookings():
        call_us(phonepe.webhooks[-1])
    two_seconds_pass()

    assert check_booking(phone, paid)["booking_created"]

    assert outcome(paid) == PAID
    assert work("fulfilments") == 0


def test_a_webhook_that_is_stored_is_taken_and_the_worker_goes_on_when_the_database_is_back(
    paid, slot, phonepe
):
    delivery = phonepe.webhooks[-1]
    headers, body = authentication_headers(delivery), delivery.body.encode()
    with without_database("UPDATE"), without_database("WITH"):
        answer = Client().post(WEBHOOK, body, content_type="application/json", headers=headers)
    assert answer.status_code == 200
    assert outcome(paid) == (PaymentState.PENDING, Fulfilment.NONE)

    WebhookEvent.objects.update(
        next_check_at=timezone.now()
    )  # when the process that took it would have ended
    work("events")

    assert outcome(paid) == PAID
    assert (bookings(), places(slot)) == (1, (0, 1))


def test_a_database_that_dies_while_the_answer_is_settled_loses_nothing_phonepe_says_again(
    paid, slot, phonepe
):
    """The receipt and the decision are one transaction: all of it, or none of it."""
    with without_database(part='INSERT INTO "payment_ledgerentry"'), pytest.raises(OperationalError):
        work("attempts")

    assert outcome(paid) == (PaymentState.PENDING, Fulfilment.NONE)
    assert paid.attempts.get().state == "PENDING"
    assert ledger() == []

    work("attempts")
    assert outcome(paid) == PAID
