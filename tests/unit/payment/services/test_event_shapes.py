"""Whatever is authentic and not understood ends before staff, with an alert: every family, every odd shape."""

import base64
import hashlib
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Conflict, Refusal
from notifications.models import Notification
from payment.models import Dispute, Payment, WebhookEvent
from payment.phonepe.webhook_events import FAMILIES, Family
from payment.reconciliation.invariants import find_violations
from payment.services.checkout import start_payment
from payment.services.disputes import BEYOND
from payment.services.monitoring import run_checks
from payment.services.notification_delivery import reason_to_drop
from payment.services.outcomes import apply_status
from payment.services.webhooks import close_event, process_event, receive_webhook
from tests.unit.payment.builders import completed

pytestmark = [pytest.mark.slow, pytest.mark.proof(every=7), pytest.mark.django_db(transaction=True)]

LOGIN = {"Authorization": hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()}
SALT = "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"
ABSENT = object()
NOW_MS = 1_781_150_400_000


@pytest.fixture(autouse=True)
def staff_address(settings):
    settings.STAFF_EMAILS = ["ops@example.com"]


@pytest.fixture
def order(settings, alice, cart, phonepe):
    """An order of ours that was paid, and booked."""
    settings.PHONEPE_API_VERSION = "v2"
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    apply_status(started.attempt.pk, completed(), "worker")
    return started.attempt.merchant_order_id


def told(event: object, payload: object, **more: object) -> WebhookEvent:
    """PhonePe's call arrives, and is handled as the web process would."""
    body = {"event": event, "payload": payload, **more}
    kept = receive_webhook(LOGIN, json.dumps(body).encode())
    process_event(kept)
    kept.refresh_from_db()
    return kept


def told_v1(code: object, data: object) -> WebhookEvent:
    text = base64.b64encode(json.dumps({"success": True, "code": code, "data": data}).encode()).decode()
    proof = {"X-VERIFY": f"{hashlib.sha256((text + SALT).encode()).hexdigest()}###1"}
    kept = receive_webhook(proof, json.dumps({"response": text}).encode())
    process_event(kept)
    kept.refresh_from_db()
    return kept


def alerts(rule: str) -> int:
    return Notification.objects.filter(facts__rule=rule).count()


def assert_staff_look(event: WebhookEvent) -> None:
    assert event.state == WebhookEvent.State.NEEDS_REVIEW
    assert event.unclear
    assert alerts("event_not_understood") == 1


def shaped(payload: dict, name: str, value: object) -> dict:
    """The payload with another value there, or without it."""
    rest = {key: member for key, member in payload.items() if key != name}
    return rest if value is ABSENT else rest | {name: value}


UNREADABLE_IDS = {
    "a number": 12345,
    "dots": "a.b c",
    "missing": ABSENT,
    "null": None,
    "empty": "",
    "a list": ["a"],
}
UNREADABLE_AMOUNTS = {
    "rupees in text": "1100.00",
    "a fraction": 110_000.5,
    "negative": -1,
    "huge": 10**18,
    "an object": {"paise": 1},
    "a yes": True,
}
ORDER_EVENTS = [*FAMILIES[Family.ORDER], "checkout.order.reversed", "paylink.order.refunded"]


@pytest.mark.parametrize("value", UNREADABLE_IDS.values(), ids=UNREADABLE_IDS.keys())
@pytest.mark.parametrize("event", ["checkout.order.completed", "pg.order.failed", "paylink.order.completed",
                                   "subscription.redemption.order.completed"])  # fmt: skip
def test_an_order_event_that_names_no_order_is_a_case_for_staff(db, event, value):
    payload = {"merchantOrderId": "x", "state": "COMPLETED", "amount": 110_000}

    assert_staff_look(told(event, shaped(payload, "merchantOrderId", value)))


@pytest.mark.parametrize("value", UNREADABLE_AMOUNTS.values(), ids=UNREADABLE_AMOUNTS.keys())
def test_an_order_event_with_an_amount_that_cannot_be_read_is_a_case_for_staff(order, value):
    assert_staff_look(told("checkout.order.completed", {"merchantOrderId": order, "amount": value}))


@pytest.mark.parametrize("state", ["SETTLED", "REVERSED", "completed", 5, ["COMPLETED"]])
def test_a_state_that_is_not_known_is_a_case_for_staff_also_when_the_order_is_decided(order, state):
    assert_staff_look(told("checkout.order.completed", {"merchantOrderId": order, "state": state}))


@pytest.mark.parametrize(
    "name",
    [
        "checkout.order.reversed",
        "pg.order.refunded",
        "subscription.debited",
        "payment.captured",
        "unnamed",
        "",
        5,
        None,
    ],
)
def test_an_event_with_a_name_that_is_not_known_is_a_case_for_staff(order, name):
    assert_staff_look(told(name, {"merchantOrderId": order, "state": "COMPLETED"}))


@pytest.mark.parametrize("value", UNREADABLE_IDS.values(), ids=UNREADABLE_IDS.keys())
def test_a_refund_event_that_names_no_refund_is_a_case_for_staff(order, value):
    payload = {"merchantRefundId": "x", "originalMerchantOrderId": "STRANGER", "state": "FAILED"}

    assert_staff_look(told("pg.refund.failed", shaped(payload, "merchantRefundId", value)))


@pytest.mark.parametrize("body", [b"null", b"[]", b"{", b"\xff", b'{"event": "checkout.order.completed"}'])
def test_a_body_that_cannot_be_read_is_a_case_for_staff(db, body):
    assert_staff_look(receive_webhook(LOGIN, body))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("PAYMENT_REVERSED", {}),
        (None, {}),
        ("PAYMENT_SUCCESS", {"state": "FAILED"}),
        ("PAYMENT_SUCCESS", {"amount": "1100.00"}),
        ("PAYMENT_SUCCESS", {"merchantTransactionId": 5}),
        ("PAYMENT_SUCCESS", {"merchantTransactionId": None}),
    ],
)
def test_a_v1_callback_that_is_not_understood_is_a_case_for_staff(db, code, change):
    data = {
        "merchantId": "PGTESTPAYUAT",
        "merchantTransactionId": "X1",
        "amount": 110_000,
        "state": "COMPLETED",
    }

    assert_staff_look(told_v1(code, data | change))


@pytest.mark.parametrize("event", FAMILIES[Family.NO_MONEY])
@pytest.mark.parametrize("amount", [110_000, "1100.00", None])
def test_settlements_and_downtimes_are_understood_and_move_no_order(db, event, amount):
    event = told(event, {"settlementId": 5, "amount": amount, "state": "SOMETHING"})

    assert (event.state, event.unclear, alerts("event_not_understood")) == ("NOTED", "", 0)


@pytest.mark.parametrize("event", ["settlement.reversed", "downtime.card.started"])
def test_a_new_word_about_settlements_or_downtimes_is_a_case_for_staff(db, event):
    assert_staff_look(told(event, {"settlementId": "S1"}))


@pytest.mark.parametrize("event", [event for event in ORDER_EVENTS if event in FAMILIES[Family.ORDER]])
def test_what_is_clear_and_about_nobody_here_is_no_news(db, event):
    event = told(event, {"merchantOrderId": "STRANGER", "state": "COMPLETED", "amount": 1})

    assert (event.state, alerts("event_not_understood")) == ("UNMATCHED", 0)


def test_the_older_name_of_an_event_is_the_same_event(order):
    payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": 110_000}
    kept = receive_webhook(
        LOGIN, json.dumps({"type": "CHECKOUT_ORDER_COMPLETED", "payload": payload}).encode()
    )
    process_event(kept)

    kept.refresh_from_db()
    assert (kept.event, kept.state) == ("checkout.order.completed", "HANDLED")


# --- Disputes ------------------------------------------------------------------------------------


def dispute(order: str, **change: object) -> dict:
    payload = {
        "disputeId": "DSP1",
        "merchantOrderId": order,
        "disputeAmount": 110_000,
        "updatedAt": NOW_MS,
    }
    for name, value in change.items():
        payload = shaped(payload, name, value)
    return payload


@pytest.mark.parametrize(("given", "read"), [(9007199254740993, "9007199254740993"), ("A.B-1_2", "A.B-1_2")])
def test_the_id_of_a_dispute_may_be_a_number_or_have_dots(order, given, read):
    event = told("payment.dispute.created", dispute(order, disputeId=given))

    assert event.state == "HANDLED"
    assert Dispute.objects.get().dispute_id == read


@pytest.mark.parametrize("value", [ABSENT, None, "", "a b", 1.5, True, ["D"], "x" * 64])
def test_a_dispute_without_a_readable_id_is_a_case_for_staff_and_blocks_refunds(order, value):
    event = told("payment.dispute.lost", dispute(order, disputeId=value))

    assert_staff_look(event)
    assert event.attempt.merchant_order_id == order


@pytest.mark.parametrize("word", ["accepted", "LOSING", "won.partially", "5"])
def test_a_word_about_a_dispute_that_is_not_known_is_a_case_for_staff(order, word):
    assert_staff_look(told(f"payment.dispute.{word}", dispute(order)))
    assert Dispute.objects.get().status == "UNKNOWN"


def test_two_words_that_contradict_each_other_are_a_case_for_staff(order):
    assert_staff_look(told("payment.dispute.lost", dispute(order, status="WON")))


@pytest.mark.parametrize("value", [ABSENT, None, 0, *UNREADABLE_AMOUNTS.values(), 110_001])
def test_a_dispute_that_does_not_say_how_much_is_about_all_of_it(order, value):
    assert_staff_look(told("payment.dispute.created", dispute(order, disputeAmount=value)))
    assert Dispute.objects.get().amount_paise is None


@pytest.mark.parametrize(
    "value", [ABSENT, None, "yesterday", -5, 12_121_212, NOW_MS + 10 * 366 * 86_400_000, float(NOW_MS) + 0.5]
)
def test_a_dispute_without_a_readable_time_is_a_case_for_staff(order, value):
    assert_staff_look(told("payment.dispute.lost", dispute(order, updatedAt=value)))


def test_a_dispute_about_nobodys_order_alerts_staff_too(db):
    assert told("payment.dispute.lost", dispute("STRANGER")).state == "UNMATCHED"
    assert alerts("dispute_unmatched") == 1


def test_a_dispute_about_money_that_we_have_not_heard_of_waits_until_it_has_come(
    settings, alice, cart, phonepe
):
    settings.PHONEPE_API_VERSION = "v2"
    order = start_payment(alice, cart_id=cart.pk).attempt.merchant_order_id
    body = json.dumps({"event": "payment.dispute.lost", "payload": dispute(order)}).encode()
    secret = hashlib.sha256  # the login proves it; staff confirm it later
    event = receive_webhook({"Authorization": secret(b"sim_hook:Sim-pass-9").hexdigest()}, body)
    process_event(event)
    assert WebhookEvent.objects.get().state == "RECEIVED"

    phonepe.decide(order)
    process_event(event)

    assert WebhookEvent.objects.get(pk=event.pk).state == "HANDLED"
    assert Payment.objects.get().state == "SUCCESS"


def test_of_two_lost_disputes_that_were_faster_than_the_money_one_is_put_before_staff(
    settings, alice, cart, phonepe
):
    settings.PHONEPE_API_VERSION = "v2"
    order = start_payment(alice, cart_id=cart.pk).attempt.merchant_order_id
    for name in ("A", "B"):
        body = json.dumps({"event": "payment.dispute.lost", "payload": dispute(order, disputeId=name)})
        receive_webhook(LOGIN, body.encode())
    WebhookEvent.objects.update(scheme="hmac")  # as if it had been signed: then it is believed at once
    for event in WebhookEvent.objects.order_by("pk"):
        process_event(event)
    assert set(WebhookEvent.objects.values_list("state", flat=True)) == {"RECEIVED"}

    phonepe.decide(order)
    for event in WebhookEvent.objects.order_by("-pk"):  # the one that gets nothing asks for the money
        process_event(event)

    ended = WebhookEvent.objects.order_by("pk").values_list("state", "unclear")
    assert list(ended) == [("HANDLED", ""), ("NEEDS_REVIEW", BEYOND)]
    assert find_violations() == []


# --- Staff, and calls that come again ------------------------------------------------------------


def test_staff_close_a_case_with_a_reason(order, staff):
    event = told("payment.captured", {"merchantOrderId": order})
    with pytest.raises(Refusal):
        close_event(event.pk, "  ", staff)

    close_event(event.pk, "a new product of PhonePe", staff)

    event.refresh_from_db()
    assert (event.state, event.closed_by, event.closed_because) == (
        "CLOSED",
        staff,
        "a new product of PhonePe",
    )
    with pytest.raises(Conflict):
        close_event(event.pk, "again", staff)


def test_an_alert_about_a_case_that_was_closed_is_not_sent_any_more(order, staff):
    event = told("payment.captured", {"merchantOrderId": order})
    alert = Notification.objects.get(facts__rule="event_not_understood")
    assert reason_to_drop(alert) == ""

    close_event(event.pk, "a new product of PhonePe", staff)

    assert reason_to_drop(alert) == "the events have been closed"


def test_what_is_handled_needs_nobody_to_close_it(order, staff):
    event = told("checkout.order.completed", {"merchantOrderId": order, "state": "COMPLETED"})

    with pytest.raises(Conflict):
        close_event(event.pk, "why not", staff)


def test_staff_hear_each_day_of_what_is_not_closed(order):
    told("payment.captured", {"merchantOrderId": order})
    run_checks(10)

    assert alerts("events_in_review") == 1


def test_a_call_that_comes_again_is_matched_when_its_merchant_is_known_by_now(order):
    Payment.objects.get().attempts.update(merchant="ANOTHER")
    payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": 110_000}
    assert told("checkout.order.completed", payload).state == "UNMATCHED"
    Payment.objects.get().attempts.update(merchant="SIM-CLIENT")

    event = told("checkout.order.completed", payload)

    assert (event.state, event.deliveries, event.attempt.merchant_order_id) == ("HANDLED", 2, order)


def test_a_call_that_comes_again_reopens_what_staff_had_closed_as_unknown(order, staff):
    Payment.objects.get().attempts.update(merchant="ANOTHER")
    payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": 110_000}
    close_event(told("checkout.order.completed", payload).pk, "not ours", staff)
    Payment.objects.get().attempts.update(merchant="SIM-CLIENT")

    assert told("checkout.order.completed", payload).state == "HANDLED"


def test_a_call_that_comes_again_is_asked_about_again_when_it_had_been_given_up(order):
    payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": 110_000}
    event = told("checkout.order.completed", payload)
    WebhookEvent.objects.update(
        state="RECEIVED", next_check_at=None, handled_at=None, received_at=timezone.now() - timedelta(days=2)
    )

    assert told("checkout.order.completed", payload).pk == event.pk
    assert WebhookEvent.objects.get().state == "HANDLED"


def test_a_word_that_an_update_of_ours_has_learned_is_read_when_it_comes_again(order):
    payload = {"merchantOrderId": order, "state": "COMPLETED", "amount": 110_000}
    event = told("checkout.order.completed", payload)
    WebhookEvent.objects.update(state="NEEDS_REVIEW", unclear="this kind of event is not known")

    assert told("checkout.order.completed", payload).state == "HANDLED"
    assert WebhookEvent.objects.get(pk=event.pk).unclear == ""


def test_a_second_look_that_comes_late_leaves_what_the_first_one_has_ended(order):
    """Both had read the event while nobody had looked at it."""
    event = told("payment.dispute.created", dispute(order, disputeAmount=None))
    stale = WebhookEvent.objects.get(pk=event.pk)
    stale.state = "RECEIVED"
    told("payment.dispute.under_review", dispute(order, updatedAt=NOW_MS + 1))

    process_event(stale)

    event.refresh_from_db()
    assert (event.state, event.unclear != "") == ("NEEDS_REVIEW", True)
