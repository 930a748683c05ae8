"""Every event that V2 may tell a shop of can be sent, about something or about nothing."""

import hashlib
import hmac
import json

import pytest
import responses

from simulator import webhook_deliveries
from simulator.events import EVENTS, WITH_TYPE
from simulator.models import Delivery, Merchant

HOOK = "http://testserver/api/payments/webhook/phonepe/"
DOCUMENTED = {
    "paylink.order.completed": {"paymentFlow", "orderId", "merchantOrderId", "state", "amount"},
    "subscription.setup.order.failed": {"paymentFlow", "merchantOrderId", "paymentDetails"},
    "subscription.notification.completed": {"merchantOrderId", "orderId", "amount", "state", "paymentFlow"},
    "subscription.redemption.transaction.completed": {"paymentDetails", "paymentFlow"},
    "subscription.paused": {
        *("merchantSubscriptionId", "subscriptionId", "state", "authWorkflowType", "amountType", "maxAmount"),
        *("frequency", "expireAt", "pauseStartDate", "pauseEndDate"),
    },
    "settlement.attempt.failed": {
        *("settlementId", "state", "utr", "amount", "merchantId", "accountId", "lastAttemptErrorCode"),
        *("lastAttemptErrorDescription", "lastUpdatedAt"),
    },
    "order.split.settlement.accepted": {"merchantOrderId", "splitSettlementInfo"},
    "payment.dispute.created": {
        *("merchantId", "disputeId", "merchantOrderId", "orderId", "transactionId", "transactionCompletedAt"),
        *(
            "transactionAmount",
            "disputeAmount",
            "refundAmount",
            "contestAmount",
            "status",
            "stage",
            "dueDate",
        ),
        *("createdAt", "updatedAt", "evidences"),
    },
    "downtime.upi.bank.resolved": {"id", "flow", "bankId", "status", "startTime", "endTime"},
}
STATES = {
    "checkout.order.completed": "COMPLETED",
    "pg.order.failed": "FAILED",
    "pg.refund.accepted": "CONFIRMED",
    "subscription.notification.completed": "NOTIFIED",
    "subscription.unpaused": "ACTIVE",
    "subscription.revoked": "REVOKED",
    "settlement.initiated": "INITIATED",
    "settlement.attempt.failed": "ATTEMPT_FAILED",
}


@pytest.fixture
def shop(v2):
    """One paid order with a refund on its way."""
    v2.pay()
    v2.decide("V2-order-1", "success")
    v2.refund(amount=50_000)
    Delivery.objects.all().delete()
    return v2


def send(shop, event, **more):
    return shop.control("webhooks/", {"event": event, **more})


@pytest.mark.parametrize("event", EVENTS)
def test_each_event_is_enqueued(shop, event):
    said = send(shop, event).json()["said"]
    assert said["event"] == event
    assert said["payload"]
    assert said.get("type", "") == (
        event.upper().replace(".", "_") if event.partition(".")[0] in WITH_TYPE else ""
    )
    delivery = Delivery.objects.get()
    assert json.loads(delivery.body) == said
    assert (delivery.url, delivery.tries) == (HOOK, 0)


@pytest.mark.parametrize("event", DOCUMENTED)
def test_it_has_the_members_that_are_documented(shop, event):
    assert DOCUMENTED[event] <= send(shop, event).json()["said"]["payload"].keys()


@pytest.mark.parametrize("event", STATES)
def test_its_state_follows_its_name_and_not_the_stored_order(shop, event):
    assert send(shop, event).json()["said"]["payload"]["state"] == STATES[event]


def test_it_is_about_the_order_that_is_named_or_the_newest(shop):
    shop.pay("V2-order-2")
    ids = [
        send(shop, "payment.dispute.created", **about).json()["said"]["payload"]["merchantOrderId"]
        for about in ({}, {"about": "V2-order-1"})
    ]
    assert ids == ["V2-order-2", "V2-order-1"]


def test_members_can_be_replaced(shop):
    given = {"state": "EXPIRED", "amount": 1}
    payload = send(shop, "pg.order.failed", payload=given).json()["said"]["payload"]
    assert (payload["state"], payload["amount"], payload["merchantOrderId"]) == ("EXPIRED", 1, "V2-order-1")


@pytest.mark.parametrize("scheme", ["sha", "hmac"])
def test_either_scheme_authenticates_it(shop, scheme):
    send(shop, "settlement.processed", scheme=scheme)
    with responses.RequestsMock() as wire:
        wire.post(HOOK, status=200)
        assert webhook_deliveries.send_due() == 1
        sent = wire.calls[0].request
    if scheme == "sha":
        assert sent.headers["Authorization"] == hashlib.sha256(b"sim_hook:Sim-pass-9").hexdigest()
    else:
        signature = hmac.new(b"sim-hmac-secret", sent.body, hashlib.sha256).hexdigest()
        assert sent.headers["x-phonepe-checksum-signature"] == signature
        assert "Authorization" not in sent.headers


def test_it_is_retried_until_a_2xx(shop):
    send(shop, "downtime.upi.started")
    with responses.RequestsMock() as wire:
        wire.post(HOOK, status=500)
        wire.post(HOOK, status=200)
        webhook_deliveries.send_due()
        shop.control("clock/", {"advance": 1})
        webhook_deliveries.send_due()
    delivery = Delivery.objects.get(event="downtime.upi.started")
    assert (delivery.tries, delivery.last_status) == (2, 200)


def test_it_can_be_sent_to_another_merchant(shop):
    Merchant.objects.create(generation="v2", merchant_id="OTHER", client_id="OTHER", name="Other")
    assert send(shop, "subscription.cancelled", merchant="OTHER").status_code == 200
    assert Delivery.objects.get().merchant.merchant_id == "OTHER"
    assert send(shop, "checkout.order.completed", merchant="OTHER").json() == {
        "error": "OTHER has no such order."
    }


@pytest.mark.parametrize(
    ("wish", "status"),
    [
        ({}, 400),
        ({"event": "checkout.order.levitated"}, 400),
        ({"event": ["pg.order.failed"]}, 400),
        ({"event": "settlement.processed", "scheme": "none"}, 400),
        ({"event": "settlement.processed", "payload": "x"}, 400),
        ({"event": "settlement.processed", "payload": {"utr": "half a character \ud800"}}, 400),
        ({"event": "settlement.processed", "about": "a b"}, 400),
        ({"event": "settlement.processed", "merchant": "NOBODY"}, 404),
        ({"event": "settlement.processed", "merchant": "PGTESTPAYUAT"}, 404),
        ({"event": "pg.refund.failed", "about": "nobody"}, 409),
    ],
)
def test_an_invalid_event_is_not_sent(shop, wish, status):
    assert shop.control("webhooks/", wish).status_code == status
    assert not Delivery.objects.exists()
