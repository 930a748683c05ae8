"""The desk where staff look into payments."""

import pytest
from django.urls import reverse

from payment.models import GatewayCall, LedgerEntry, Payment, PaymentAttempt, StateChange, WebhookEvent
from payment.services.checkout import start_payment
from payment.services.settling import settle
from payment.services.webhooks import receive_webhook
from simulator.deliveries import _proof
from tests.payment.builders import completed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def paid(alice, cart, phonepe):
    started = start_payment(alice, cart_id=cart.pk)
    phonepe.decide(started.attempt.merchant_order_id)
    receive_webhook(_proof(phonepe.webhooks[-1]), phonepe.webhooks[-1].body.encode())
    settle(started.attempt.pk, completed(started.payment.amount_paise), "worker")
    return started.payment


@pytest.fixture
def desk(client, staff):
    client.force_login(staff)
    return client


def test_staff_see_all_that_belongs_to_a_payment_on_its_page(desk, paid):
    page = desk.get(reverse("admin:payment_payment_change", args=[paid.pk])).content.decode()
    assert paid.attempts.get().merchant_order_id in page
    assert "money_received" in page


@pytest.mark.parametrize(
    "model", [Payment, PaymentAttempt, GatewayCall, StateChange, LedgerEntry, WebhookEvent]
)
def test_every_row_of_money_can_be_looked_at_and_not_be_changed(desk, paid, model):
    name = f"admin:payment_{model._meta.model_name}"
    row = model.objects.first()
    assert desk.get(reverse(f"{name}_changelist"), {"q": "1"}).status_code == 200
    assert desk.get(reverse(f"{name}_change", args=[row.pk])).status_code == 200
    assert desk.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert desk.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_customers_have_no_desk(client, alice, paid):
    client.force_login(alice)
    assert client.get(reverse("admin:payment_payment_changelist")).status_code == 302
