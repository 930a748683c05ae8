"""`manage.py phonepe_simulator`: a real process, asked over real sockets."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

import pytest
import requests

from simulator import process
from tests.harness import ROOT
from tests.unit.simulator.shop import V1Shop, V2Shop

pytestmark = pytest.mark.sockets


@contextmanager
def simulator(*arguments, **environment):
    options = ("--port", "0", "--allow-host", "shop.example", *arguments)
    command = [sys.executable, "manage.py", "phonepe_simulator", *options]
    # The shop's database is down, and its simulation mode is off: neither is the simulator's business.
    surroundings = os.environ | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "DOTENV_FILE": ""}
    process = subprocess.Popen(
        command, cwd=ROOT, env=surroundings | environment, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process, address_of(process)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()


def address_of(process):
    for line in process.stdout:
        if "ready on " in line:
            return line.split("ready on ")[1].strip()
    raise AssertionError("the simulator ended before it was ready")


@contextmanager
def listening():
    """A shop that notes the webhooks it gets."""
    heard, arrived = [], threading.Event()

    class Shop(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append((self.path, dict(self.headers), body))
            self.send_response(200)
            self.end_headers()
            arrived.set()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", heard, arrived
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def running():
    with simulator() as (_, address):
        yield address


def test_it_serves_both_generations_on_an_address_of_its_own(running):
    v1, v2 = V1Shop(running), V2Shop(running)
    page = v2.pay("http-1").json()["redirectUrl"]
    assert page.startswith(running)
    assert v1.pay("http-2").json()["code"] == "PAYMENT_INITIATED"
    assert v2.decide("http-1", "success").status_code == 200
    assert v2.status("http-1").json()["state"] == "COMPLETED"


def test_its_page_can_be_seen_and_clicked(running):
    v2 = V2Shop(running)
    page = v2.pay("http-3").json()["redirectUrl"]
    shown = requests.get(page, timeout=10)
    assert shown.headers["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert requests.get(running + "/static/simulator/page.css", timeout=10).status_code == 200
    back = requests.post(page, data={"choice": "success"}, allow_redirects=False, timeout=10)
    assert (back.status_code, back.headers["Location"]) == (302, "http://shop.example/back")


def test_it_breaks_real_connections(running):
    v2 = V2Shop(running)
    v2.arm("pay", "reset_after")
    with pytest.raises(requests.ConnectionError):
        v2.pay("http-4")
    assert v2.status("http-4").json()["state"] == "PENDING"


def test_a_silent_fault_lasts_until_the_caller_hangs_up(running):
    v2 = V2Shop(running)
    v2.fetch_token()
    v2.arm("token", "never_answer")
    with pytest.raises(requests.ReadTimeout):
        v2.session.post(
            running + "/simulator/apis/pg-sandbox/v1/oauth/token",
            data="client_id=SIM-CLIENT&client_secret=sim-secret&client_version=1&grant_type=client_credentials",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            timeout=0.3,
        )
    assert v2.fetch_token().status_code == 200


def test_webhooks_are_sent_without_a_request():
    with listening() as (url, heard, arrived), simulator("--webhook-url", url) as (_, address):
        v2 = V2Shop(address)
        v2.pay("http-5")
        v2.decide("http-5", "success")
        assert arrived.wait(10)
    path, headers, body = heard[0]
    assert path == urlsplit(url).path
    assert len(headers["Authorization"]) == 64
    assert b'"event":"checkout.order.completed"' in body


@pytest.mark.proof
def test_a_given_database_outlives_the_process(tmp_path):
    file = str(tmp_path / "books.sqlite3")
    with simulator("--database", file) as (_, address):
        V2Shop(address).pay("kept")
    with simulator("--database", file) as (_, address):
        assert V2Shop(address).status("kept").json()["state"] == "PENDING"


def test_webhooks_due_meanwhile_are_sent_at_the_next_start(tmp_path):
    file = str(tmp_path / "books.sqlite3")
    with listening() as (url, heard, arrived):
        with simulator("--database", file, "--webhook-url", url) as (_, address):
            v2 = V2Shop(address)
            v2.pay("late")
            v2.arm("webhook", "delay", argument=3600)
            v2.decide("late", "success")
        assert heard == []
        with closing(sqlite3.connect(file)) as books, books:
            books.executescript(
                "UPDATE simulator_delivery SET due_at = created_at; DELETE FROM simulator_fault;"
            )
        with simulator("--database", file):
            assert arrived.wait(10)
    assert b'"merchantOrderId":"late"' in heard[0][2]


def test_it_ends_at_sigterm():
    with simulator() as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_more_merchants_can_be_given_at_start():
    more = ("--merchant", "v1:TEMPLE:salt-of-the-temple:2", "--merchant", "v2:ASHRAM:ASHRAM-CLIENT:secret:3")
    with simulator(*more) as (_, address):
        temple = TempleShop(address)
        ashram = V2Shop(address)
        known = {"client_id": "ASHRAM-CLIENT", "client_secret": "secret", "client_version": "3"}
        ashram.token = ashram.fetch_token(**known).json()["access_token"]
        with ThreadPoolExecutor(4) as callers:
            shops = [
                (V2Shop(address), "public"),
                (ashram, "ashram"),
                (V1Shop(address), "v1"),
                (temple, "temple"),
            ]
            answers = list(callers.map(lambda pair: pair[0].pay("same-id").status_code, shops))
        assert answers == [200] * 4
        accounts = {
            one["merchant_id"]: one["orders"] for one in temple.control("account/").json()["merchants"]
        }
    assert accounts == {"PGTESTPAYUAT": 1, "SIMMERCHANT": 1, "TEMPLE": 1, "ASHRAM": 1}


class TempleShop(V1Shop):
    def seal(self, text, salt="salt-of-the-temple", index=2):
        return super().seal(text, salt, index)

    def pay(self, *arguments, **changes):
        return super().pay(*arguments, **changes | {"merchantId": "TEMPLE"})


def test_a_malformed_merchant_is_refused_at_start():
    command = [sys.executable, "-m", "simulator", "--port", "0", "--merchant", "v3:WHO"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert refused.returncode == 2
    assert "v1:ID:SALT_KEY:INDEX" in refused.stderr


@pytest.mark.proof
def test_a_seed_gives_the_same_run_in_every_process():
    def run():
        met = []
        with simulator("--seed", "11") as (_, address):
            for number in range(40):
                try:
                    met.append(V1Shop(address).status(f"order-{number}").status_code)
                except requests.ConnectionError:
                    met.append("reset")
                except requests.ReadTimeout:
                    met.append("silence")
        return met

    first = run()
    assert len(set(first)) > 1
    assert first == run()


@pytest.mark.parametrize("token", ['"token"', "token ", "token\n", "'token", "to ken", "t\u00f6ken"])
def test_an_ops_token_that_no_client_could_send_is_refused_and_not_printed(monkeypatch, token):
    monkeypatch.setattr(process.os, "environ", {"OPS_TOKEN": token})
    with pytest.raises(SystemExit, match="OPS_TOKEN") as refused:
        process.read_ops_token()
    assert token.strip() not in str(refused.value)


@pytest.mark.parametrize("token", ["", "t", "a-long_token=", "it's!"])
def test_a_valid_ops_token_is_accepted(monkeypatch, token):
    monkeypatch.setattr(process.os, "environ", {"OPS_TOKEN": token})
    assert process.read_ops_token() == token
