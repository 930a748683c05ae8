"""`manage.py serve` on SQLite, as `make run` starts it: one server, one worker, PhonePe played inside."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
import requests
from django.core.management import CommandError, call_command

from tests.harness import ROOT
from tests.harness.customers import FRONTEND, Customer, arrive, pay
from tests.harness.databases import seeded_database
from tests.harness.installation import Installation
from tests.harness.processes import Process, eventually, listening, process_environment

pytestmark = [
    pytest.mark.sockets,
    pytest.mark.proof(every=2),  # one generation; test_full_flow plays the other one
    pytest.mark.only_sqlite,  # the embedded default
]


@pytest.fixture(scope="module", params=["v1", "v2"])
def shop(request):
    settings = {"PHONEPE_API_VERSION": request.param, "FRONTEND_BASE_URL": FRONTEND, "PAYMENT_TIME_SCALE": 20}
    with Installation(**settings) as shop:
        shop.serve_and_work()
        eventually(lambda: answers(shop.url), "the server answers")
        yield shop


def answers(url):
    try:
        return requests.get(f"{url}/api/puja/categories/", timeout=5).ok
    except requests.RequestException:  # not there yet, or too busy to answer in time
        return False


@pytest.fixture
def devotee(shop):
    devotee = Customer([shop.url])
    devotee.log_in("devotee@example.com")
    return devotee


def test_a_devotee_pays_on_the_simulated_page_and_finds_their_booking(shop, devotee):
    started = devotee.start()
    assert started["payment_url"].startswith(shop.url + "/simulator/transact/")
    payment_id = started["payment_id"]
    assert arrive(pay(started["payment_url"])).startswith(
        f"{FRONTEND}/confirmbooking?payment_id={payment_id}&"
    )
    booking = devotee.check_booking(payment_id)["booking"]
    assert booking["book_id"] in [one["book_id"] for one in devotee.get("booking/bookings/")]


def test_a_customer_who_never_comes_back_is_booked_by_webhook_or_worker(shop):
    customer = Customer([shop.url], shop.tokens.customers[0])
    pay(customer.start()["payment_url"])
    eventually(lambda: customer.get("booking/bookings/"), "the booking is made")


def test_the_worker_asks_when_the_webhook_is_lost(shop):
    customer = Customer([shop.url], shop.tokens.customers[1])
    control = f"{shop.url}/simulator/control/faults/"
    requests.post(control, json={"operation": "webhook", "fault": "drop"}, timeout=10).raise_for_status()
    pay(customer.start()["payment_url"])
    eventually(lambda: customer.get("booking/bookings/"), "the worker has asked")


def test_one_address_shows_a_whole_payment_without_a_login(shop):
    answer = requests.get(f"{shop.url}/api/payments/payments/simulate-payment-success/", timeout=30).json()
    assert (answer["success"], answer["booking_created"]) == (True, True)


def test_a_server_or_worker_that_is_killed_comes_back_and_ctrl_c_ends_both():
    with Installation() as shop:
        both = shop.serve_and_work()
        eventually(lambda: "worker started" in both.output and answers(shop.url), "both are at work")
        for child in both.children:
            os.kill(child, signal.SIGKILL)
        eventually(lambda: both.output.count("worker started") == 2, "there is another worker")
        eventually(lambda: answers(shop.url), "there is another server")

        both.ask_to_end(signal.SIGINT)
        assert both.wait() == 0
        assert "worker ended" in both.output
        assert not answers(shop.url)


@pytest.mark.proof
def test_an_impatient_person_ends_it_as_well():
    with Installation() as shop:
        both = shop.serve_and_work()
        eventually(lambda: "worker started" in both.output, "the worker is at work")
        for _ in range(20_000):
            if "worker ended" not in both.output:
                both.ask_to_end(signal.SIGINT)
        assert both.wait() == 0


@pytest.mark.proof
def test_a_worker_that_can_never_live_does_not_stop_the_server():
    """However often it ends, and however soon."""
    with Installation() as shop:
        both = shop.serve_and_work()
        eventually(lambda: "worker started" in both.output and answers(shop.url), "both are at work")
        server = both.children[0]
        for ended in range(1, 4):
            kill_the_worker(both, server)
            eventually(lambda ended=ended: both.output.count("a child has ended") >= ended, "it is missed")
        assert answers(shop.url)
        assert not both.has_ended


def kill_the_worker(both, server):
    (worker,) = eventually(lambda: [pid for pid in both.children if pid != server], "there is a worker")
    os.kill(worker, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent has died")
def test_who_kills_it_leaves_nobody_behind_who_holds_the_port():
    with Installation() as shop:
        both = shop.serve_and_work()
        eventually(lambda: "worker started" in both.output and answers(shop.url), "both are at work")
        both.ask_to_end(signal.SIGKILL)
        both.wait()
        eventually(lambda: "worker ended" in both.output and not answers(shop.url), "both have ended")


def test_a_taken_port_is_told_before_anything_starts():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} is taken; try make run PORT={port + 1}"):
            call_command("serve", port=port)


@pytest.mark.proof
def test_other_commands_know_the_port_of_make_run(tmp_path):
    with listening() as listener:
        port = listener.getsockname()[1]
    dotenv = tmp_path / ".env"
    dotenv.touch()
    with seeded_database() as (database_url, _):
        environment = process_environment(DATABASE_URL=database_url, DOTENV_FILE=dotenv, PUBLIC_BASE_URL="")
        serve = Process(
            *("serve", "manage.py", "serve", "--port", str(port)),
            environment=environment,
            death_signal=signal.SIGTERM,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            eventually(lambda: answers(url), "the server answers")
            paid = requests.get(f"{url}/api/payments/payments/simulate-payment-success/", timeout=30).json()
            assert paid["success"]  # the simulated PhonePe's webhook and page are at the same address
            told = subprocess.run(
                [sys.executable, "manage.py", "golive", "--json"],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            checks = {check["check"]: check["result"] for check in json.loads(told.stdout)["checks"]}
            assert checks["health"] == "pass"
        finally:
            serve.stop()
