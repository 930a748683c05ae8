"""Background work on Celery over a real broker: nothing depends on what the broker keeps."""

import importlib.util

import pytest

from tests.harness.broker import Broker, needs_broker
from tests.harness.customers import arrive, pay
from tests.harness.installation import needs_postgresql, start_installation
from tests.harness.processes import Process, eventually

needs_celery = pytest.mark.skipif(
    importlib.util.find_spec("celery") is None, reason="NOT CHECKED: celery is not installed"
)
pytestmark = [
    *(pytest.mark.sockets, pytest.mark.postgresql),
    *(needs_postgresql, needs_broker, needs_celery),
]
CELERY = ("-m", "celery", "--app", "okpuja.celery")
WORKER = (*CELERY, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING")
TIMER = (*CELERY, "beat", "--scheduler", "okpuja.celery:RowTimer", "--loglevel", "WARNING")


@pytest.fixture(scope="module")
def broker():
    with Broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def shop(broker):
    with start_installation("v2", PAYMENT_TIME_SCALE=20, BROKER_URL=broker.url) as shop:
        for name, arguments in (("celery-1", WORKER), ("celery-2", WORKER), ("timer", TIMER)):
            shop.keep(Process(name, *arguments, environment=shop.environment))
        yield shop


def pay_and_leave(shop, number):
    """The webhook is lost, and the customer closes their browser."""
    shop.phonepe.inject_fault("webhook", "drop")
    started = shop.customer(number).start()
    pay(started["payment_url"])
    return started["payment_id"]


def is_booked(shop, payment):
    return shop.query(f"SELECT 1 FROM payment_payment WHERE id = {payment} AND fulfilment = 'BOOKED'")  # noqa: S608


def test_celery_finds_a_payment_that_nobody_reports(shop):
    payment = pay_and_leave(shop, 0)

    eventually(lambda: is_booked(shop, payment), "a task has asked PhonePe")
    assert shop.decided_by(payment) == "worker"


def test_tasks_that_the_broker_loses_are_sent_again(shop, broker):
    payment = pay_and_leave(shop, 1)
    for _ in range(20):
        broker.empty()

    eventually(lambda: is_booked(shop, payment), "a later task has asked PhonePe")


def test_without_a_broker_customers_pay_and_the_rest_waits_for_it(shop, broker):
    broker.kill()
    started = shop.customer(2).start()
    arrive(pay(started["payment_url"]))
    assert is_booked(shop, started["payment_id"])
    payment = pay_and_leave(shop, 3)
    broker.start()

    eventually(lambda: is_booked(shop, payment), "the work goes on once the broker is back")


def test_a_task_that_comes_many_times_does_its_work_once(shop):
    payment = pay_and_leave(shop, 4)
    flood = (
        "from okpuja.celery import work\n"
        "for _ in range(200):\n"
        "    for kind in ('attempts', 'fulfilments', 'notifications'): work.delay(kind)"
    )
    Process("flood", "-c", flood, environment=shop.environment).wait()

    eventually(lambda: is_booked(shop, payment), "one of the tasks has asked PhonePe")
    entries = shop.query(f"SELECT count(*) FROM payment_ledgerentry WHERE payment_id = {payment}")  # noqa: S608
    assert [tuple(row) for row in entries] == [(1,)]
