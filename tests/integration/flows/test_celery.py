"""Background work on Celery over real brokers: nothing depends on what a broker keeps."""

import importlib.util

import pytest

from tests.harness.broker import BROKERS, needs_broker
from tests.harness.customers import arrive, pay
from tests.harness.installation import start_installation
from tests.harness.processes import Process, eventually

needs_celery = pytest.mark.skipif(
    importlib.util.find_spec("celery") is None, reason="NOT CHECKED: celery is not installed"
)
pytestmark = [pytest.mark.sockets, pytest.mark.only_postgresql, needs_celery]
CELERY = ("-m", "celery", "--app", "okpuja.celery")
WORKER = (*CELERY, "worker", "--pool", "threads", "--concurrency", "4", "--loglevel", "WARNING")
TIMER = (*CELERY, "beat", "--scheduler", "okpuja.celery:RowTimer", "--loglevel", "WARNING")


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("redis", marks=needs_broker("redis")),
        pytest.param("rabbitmq", marks=[needs_broker("rabbitmq"), pytest.mark.proof]),  # starts in 20 s
    ],
)
def broker(request):
    with BROKERS[request.param]() as broker:
        yield broker


@pytest.fixture(scope="module")
def shop(broker):
    with start_installation("v2", PAYMENT_TIME_SCALE=20, BROKER_URL=broker.url()) as shop:
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

    eventually(lambda: is_booked(shop, payment), "the work goes on once the broker is back", 90)


@pytest.mark.parametrize("break_network", ["cut", "stall"])
def test_a_broker_that_is_cut_off_takes_nothing_with_it(shop, broker, break_network):
    getattr(broker.network, break_network)()
    payment = pay_and_leave(shop, 5 if break_network == "cut" else 6)
    broker.network.restore()

    eventually(lambda: is_booked(shop, payment), "the work goes on once the network is whole", 90)


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
