"""Buyers wait behind buyers only, and who would wait too long is told when to come again."""

import json
import logging
import os
import selectors
import socket
import time
from concurrent.futures import Future
from itertools import pairwise

import pytest
from gunicorn.config import Config

from okpuja import gunicorn_worker
from okpuja.gunicorn_worker import Connection, Worker, crowded_answer, crowded_page
from okpuja.lanes import (
    CLICK_INTERVAL_SECONDS,
    FIRST_GUESS_SECONDS,
    FRESH_SECONDS,
    LONGEST_QUEUE_SECONDS,
    LONGEST_RETRY_AFTER,
    Lane,
    Lanes,
    QueueBoard,
    lane_of,
)

CLICK = b"POST /api/payments/payments/process-cart/ HTTP/1.1\r\nHost: x\r\n"
EXPECTED = {
    ("GET", "/healthz"): Lane.PROBE,
    ("GET", "/readyz/"): Lane.CHECK,
    ("GET", "/metrics"): Lane.CHECK,
    ("POST", "/api/payments/webhook/phonepe/"): Lane.WEBHOOK,
    ("POST", "/api//payments/webhook/phonepe"): Lane.WEBHOOK,
    ("POST", "/api/payments/payments/process-cart/?a=b"): Lane.PAY,
    ("POST", "/api/payments/payments/process%2Dcart"): Lane.PAY,
    ("POST", "/api/payments/payments/app-order"): Lane.PAY,
    ("POST", "/api/payments/cart/"): Lane.PAY,
    ("OPTIONS", "/api/payments/cart/"): Lane.STATUS,
    ("GET", "/api/payments/payments/7/check-booking/"): Lane.STATUS,
    ("GET", "/api/payments/return/token/"): Lane.STATUS,
    ("POST", "/api/payments/cart/#x"): Lane.PAY,
    ("POST", "/api/payments/payments/process-cart/?a=b#x"): Lane.PAY,
    ("POST", "http://shop.example/api/payments/cart/"): Lane.PAY,
    ("POST", "http://shop.example/api/payments/webhook/phonepe/"): Lane.WEBHOOK,
    ("GET", "http://shop.example/healthz?a"): Lane.PROBE,
    ("GET", "http://[/healthz"): Lane.OTHER,
    ("GET", "http://shop.example"): Lane.OTHER,
    ("POST", "/api/payments/payments/7/try-again/"): Lane.PAY,
    ("POST", "/pay/token/"): Lane.PAY,
    ("POST", "//pay/token"): Lane.PAY,
    ("GET", "/pay/token/"): Lane.STATUS,
    ("POST", "/review/5b0c2f6e-0000-4000-8000-000000000000/"): Lane.PAY,
    ("POST", "/api/cart/carts/7/cleanup_old_payments/"): Lane.STATUS,
    ("GET", "/api/puja/services/?page=2"): Lane.OTHER,
    ("POST", "/api/cart/carts/"): Lane.OTHER,
    ("GET", "/"): Lane.OTHER,
    ("", ""): Lane.OTHER,
}


@pytest.mark.parametrize(("method", "target"), EXPECTED)
def test_a_request_takes_the_lane_of_what_it_waits_for(method, target):
    assert lane_of(method, target) == EXPECTED[method, target]


@pytest.mark.parametrize("request_bytes", [b"", b"\r\n", b"nonsense", b"\x00\xff \xfe\r\n\r\n", b"GET\r\n"])
def test_what_is_no_request_is_left_to_the_parser(request_bytes):
    assert Lanes(8).pool_for(request_bytes).lane == Lane.OTHER


def test_each_lane_has_a_thread_of_its_own_however_few_there_are():
    assert all(pool.executor._max_workers >= 1 for pool in Lanes(1).pools.values())


@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16, 64])
def test_the_advised_pool_has_a_connection_for_each_thread(threads, settings):
    count = sum(pool.threads for pool in Lanes(threads).pools.values())
    assert count <= 2 * threads + 4
    assert threads > 8 or count <= settings.DATABASE_POOL_SIZE


def test_buyers_beyond_what_is_served_soon_are_sent_away_each_to_a_later_moment():
    pool = Lanes(8).pools[Lane.PAY]
    people = 0
    while pool.retry_after() is None:
        pool.enter()
        people += 1
    served_soon = LONGEST_QUEUE_SECONDS / FIRST_GUESS_SECONDS * 6
    assert served_soon <= people <= served_soon + 8
    waits = [pool.retry_after() for _ in range(2_000)]
    assert waits == sorted(waits)
    assert 1 <= waits[0] < waits[200] <= waits[-1] == LONGEST_RETRY_AFTER


def test_when_phonepe_becomes_slow_fewer_may_queue():
    pool = Lanes(8).pools[Lane.PAY]
    for _ in range(50):
        pool.enter()
        pool.leave(20.0)
    for _ in range(9):
        pool.enter()
    assert pool.retry_after() is not None


@pytest.mark.parametrize("lane", [Lane.PROBE, Lane.CHECK, Lane.WEBHOOK, Lane.STATUS, Lane.OTHER])
def test_nobody_but_buyers_is_sent_away(lane):
    pool = Lanes(8).pools[lane]
    for _ in range(5_000):
        pool.enter()
    assert pool.retry_after() is None


def test_when_phonepe_is_fast_the_interval_between_two_clicks_says_how_many_may_queue():
    pool = Lanes(8).pools[Lane.PAY]
    for _ in range(50):
        pool.enter()
        pool.leave(0.001)
    for _ in range(int(LONGEST_QUEUE_SECONDS / CLICK_INTERVAL_SECONDS) + 7):
        pool.enter()
    assert pool.retry_after() is not None


@pytest.fixture
def door(monkeypatch):
    """A listener with one connection that nobody has accepted, and processes of one server with so many clicks."""
    monkeypatch.setattr(gunicorn_worker, "queues", QueueBoard())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        processes = []

        def process(clicks):
            worker = Worker(
                len(processes) + 1, 0, [listener], None, 30, Config(), logging.getLogger("gunicorn")
            )
            worker.tpool, worker.poller = Lanes(8), selectors.DefaultSelector()
            for _ in range(clicks):
                worker.tpool.pools[Lane.PAY].enter()
            worker.murder_pending()  # as the main loop does
            processes.append(worker)
            return worker

        with socket.create_connection(listener.getsockname()):
            yield listener, process
        for worker in processes:
            worker.poller.close()
            worker.tmp.close()
            for connection in worker._receiving:
                connection.close()


def test_a_process_with_a_longer_queue_of_buyers_leaves_the_next_one_to_another(door):
    listener, process = door
    busy, idle = process(clicks=20), process(clicks=3)

    busy.accept(listener)
    assert busy.nr_conns == 0
    idle.accept(listener)
    assert idle.nr_conns == 1


@pytest.mark.parametrize(("own", "others"), [(6, [0]), (20, [18, 30]), (20, [])])
def test_who_has_a_free_thread_or_no_more_than_others_accepts_at_once(door, own, others):
    listener, process = door
    here, *_ = process(own), *map(process, others)

    here.accept(listener)

    assert here.nr_conns == 1


def test_a_process_that_hangs_keeps_nobody_waiting(door):
    listener, process = door
    busy, _ = process(clicks=20), process(clicks=0)

    began = time.monotonic()
    while not busy.nr_conns:
        busy.accept(listener)
        assert time.monotonic() - began < 10
    with socket.create_connection(listener.getsockname()):
        busy.accept(listener)  # and the next one at once

    assert busy.nr_conns == 2


class Recorder:
    """Threads that begin nothing: which connection came, and when."""

    def __init__(self, started):
        self._started = started

    def submit(self, _work, conn):
        self._started.append((conn, time.monotonic()))
        return Future()


def test_clicks_that_come_at_once_start_one_after_the_other(door):
    _, process = door
    worker, started = process(clicks=0), []
    for pool in worker.tpool.pools.values():
        pool.executor = Recorder(started)

    def come(head):
        conn = Connection(worker, socket.socket(), ("", 0), ("", 0))
        conn.buffer.data += head + b"Content-Length: 0\r\n\r\n"
        worker.enqueue_req(conn)
        return conn

    clicks = [come(CLICK) for _ in range(4)]
    probe = come(b"GET /healthz HTTP/1.1\r\n")
    assert [conn for conn, _ in started] == [probe], "a probe waits for nobody"
    while len(started) < 5:
        worker.wait_for_and_dispatch_events(1.0)

    assert [conn for conn, _ in started[1:]] == clicks
    moments = [moment for _, moment in started[1:]]
    assert all(later - earlier >= CLICK_INTERVAL_SECONDS for earlier, later in pairwise(moments))
    for conn in (probe, *clicks):
        conn.close()


def test_processes_read_what_the_others_wrote_lately():
    board = QueueBoard()
    child = os.fork()
    if not child:
        board.write(1, 5, 100.0)
        os._exit(0)
    os.waitpid(child, 0)

    assert board.least_of_others(2, 100.0) == 5
    assert board.least_of_others(1, 100.0) == float("inf"), "its own line"
    assert board.least_of_others(2, 100.0 + FRESH_SECONDS + 1) == float("inf"), "it has died"


def answered(request_bytes):
    head, _, body = crowded_answer(request_bytes, 7).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    return first, dict(line.split(": ", 1) for line in lines), json.loads(body)


def test_the_answer_says_when_to_come_again_in_plain_words():
    first, headers, body = answered(CLICK + b"\r\n")
    assert first == "HTTP/1.1 503 Service Unavailable"
    assert headers["Retry-After"] == "7"
    assert (body["code"], body["retryable"]) == ("busy", True)
    assert "Nothing was charged" in body["error"] == body["user_message"]


def test_a_page_of_the_shop_may_read_it_and_others_may_not():
    _, headers, _ = answered(CLICK + b"Origin: http://frontend.example\r\n\r\n")
    assert headers["Access-Control-Allow-Origin"] == "http://frontend.example"
    assert "retry-after" in headers["Access-Control-Expose-Headers"]
    _, headers, _ = answered(CLICK + b"Origin: http://elsewhere.example\r\n\r\n")
    assert "Access-Control-Allow-Origin" not in headers


def test_a_header_of_the_caller_writes_no_header_of_ours():
    _, headers, _ = answered(CLICK + b"Origin: http://frontend.example\r\nAccept-Language: hi\r\n\r\n")
    assert set(headers) >= {"Connection", "Content-Length", "Vary"}


PAGE_CLICK = b"POST /%s HTTP/1.1\r\nHost: shop.example\r\nAccept: text/html,*/*;q=0.8\r\n"


@pytest.mark.parametrize("path", [b"review/0e1f/", b"pay/a:token:of-a-payment/"])
@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        (b"", "Nothing was charged"),
        (b"Accept-Language: hi\r\n", "\u0915"),
        (b"Accept-Language: en\r\nCookie: a=b; django_language=hi\r\n", "\u0915"),
    ],
)
def test_people_whose_browser_sent_a_form_get_a_page(path, header, sentence, settings):
    settings.STOREFRONT = True
    crowded_page.cache_clear()

    head, _, body = crowded_answer(PAGE_CLICK % path + header + b"\r\n", 7).partition(b"\r\n\r\n")

    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert (first, headers["Retry-After"]) == ("HTTP/1.1 503 Service Unavailable", "7")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert int(headers["Content-Length"]) == len(body)
    assert "style-src 'self'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    page = body.decode()
    assert page.startswith("<!doctype html>")
    assert sentence in page
    assert 'href=""' in page, "the button leads to the address that the browser shows"
    assert "csrfmiddlewaretoken" not in page, "it is the same page for everybody"


@pytest.mark.parametrize(
    "click",
    [
        CLICK + b"Accept: text/html\r\n\r\n",
        PAGE_CLICK.replace(b"text/html,*/*", b"application/json") % b"review/0e1f/" + b"\r\n",
        PAGE_CLICK.replace(b"Accept", b"X-Accept") % b"pay/token/" + b"\r\n",
    ],
)
def test_programs_get_json_wherever_they_click(click):
    _, headers, body = answered(click)
    assert (headers["Content-Type"], body["code"]) == ("application/json", "busy")
