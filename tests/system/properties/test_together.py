"""Three workers over the same rows do everything once. (SQLite has one worker: there they take turns.)"""

from functools import partial

from django.core import mail

from notifications.models import Notification
from payment.models import GatewayCall, LedgerEntry, Payment, Refund, WebhookEvent
from payment.phonepe.enums import Operation
from payment.services.webhooks import receive_webhook
from payment.states import RefundState
from simulator.models import Refund as SimulatedRefund
from simulator.webhook_deliveries import authentication_headers
from tests.harness.races import at_once
from tests.system.properties import audit
from tests.system.properties.installation import MINUTE, WORK, InProcessInstallation
from worker.jobs import run_due

WORKERS = 3


def work_together(*kinds):
    found = at_once(*[partial(run_due, kinds)] * WORKERS)
    assert all(isinstance(each, int) for each in found), found
    return sum(found)


def installation_with_two_donations(heard):
    installation = InProcessInstallation()
    for rupees in (11, 12):
        installation.give(rupees)
    for order in installation.phonepe.order_ids:
        installation.decide(order, "success")
    for delivery in installation.phonepe.webhooks:
        heard(installation, delivery)
    return installation


def keep(installation, delivery):
    """The call is committed, and the server dies before it has asked."""
    receive_webhook(authentication_headers(delivery), delivery.body.encode())


def calls(operation):
    return GatewayCall.objects.filter(operation=operation).count()


def test_each_call_from_phonepe_is_asked_about_by_one_of_three_workers(generation):
    installation_with_two_donations(heard=keep)

    assert work_together("events") == 2

    assert calls(Operation.STATUS) == 2
    assert set(WebhookEvent.objects.values_list("state", "checks")) == {("HANDLED", 1)}
    assert audit.ending()["outcomes"] == [("SUCCESS", "GIFT")] * 2


def test_each_open_order_is_asked_about_by_one_of_three_workers(generation):
    installation = installation_with_two_donations(heard=lambda installation, delivery: None)
    installation.advance_time(MINUTE)

    assert work_together("attempts") == 2

    assert calls(Operation.STATUS) == 2
    assert LedgerEntry.objects.filter(kind="RECEIPT").count() == 2


def test_each_refund_is_sent_by_one_of_three_workers_and_asked_about_by_one(generation):
    installation = installation_with_two_donations(heard=InProcessInstallation.call_us)
    for payment in Payment.objects.all():
        assert installation.refund(payment).status_code == 201

    assert work_together("refunds") == 2
    assert (calls(Operation.REFUND), SimulatedRefund.objects.count()) == (2, 2)

    installation.advance_time(MINUTE)
    assert work_together("refunds") == 2
    assert calls(Operation.REFUND_STATUS) == 2
    assert set(Refund.objects.values_list("state", flat=True)) == {RefundState.COMPLETED}


def test_each_person_is_told_once_by_one_of_three_workers(generation):
    installation_with_two_donations(heard=InProcessInstallation.call_us)
    assert work_together("receipts") >= 2

    assert work_together("notifications") == 2

    assert len({each.extra_headers["Message-ID"] for each in mail.outbox}) == len(mail.outbox) == 2
    assert set(Notification.objects.values_list("state", flat=True)) == {Notification.State.SENT}


def test_three_workers_over_everything_at_once_leave_the_books_in_order(generation):
    installation = installation_with_two_donations(heard=keep)
    installation.advance_time(MINUTE)

    for _ in range(3):
        work_together(*WORK)
        assert audit.always() == {}

    installation.work_until_idle()
    assert audit.at_rest() == {}
