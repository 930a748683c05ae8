import json
import logging
import os
import re
import subprocess
import sys
import threading

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from core.logging import (
    CREDENTIAL,
    MAIL,
    PAN,
    PHONE,
    SIGNED,
    ConsoleFormatter,
    JsonFormatter,
    log_dead_threads,
    redact,
)
from tests.harness import ROOT
from tests.harness.environment import WANTED

DYING = (
    "from threading import Thread; from django.conf import settings; "
    "dying = Thread(target=int, args=(settings.SECRET_KEY,)); dying.start(); dying.join()"
)


def line(message: str, **extra) -> dict:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "test", **extra})
    return json.loads(JsonFormatter().format(record))


def test_a_line_is_one_json_object_with_what_was_given():
    said = line("no answer", host="api.phonepe.com", request_id="abc")

    assert (said["message"], said["host"], said["request_id"]) == ("no answer", "api.phonepe.com", "abc")
    assert said["time"].endswith("Z")


def test_a_line_for_a_terminal_names_what_was_given_and_shows_no_secret(settings, capsys):
    settings.PHONEPE_SALT_KEY = "a-salt-key-of-our-own"
    extra = {"host": "api.phonepe.com", "key": settings.PHONEPE_SALT_KEY, "request_id": "abc"}
    try:
        raise ValueError("call 9876543210")
    except ValueError:
        stack = sys.exc_info()
    record = logging.makeLogRecord(
        {"msg": "no answer", "levelname": "ERROR", "name": "test", "exc_info": stack, **extra}
    )

    said = ConsoleFormatter().format(record)

    first = said.splitlines()[0]
    assert "ERROR    test: no answer host=api.phonepe.com key=[secret] request_id=abc" in first
    assert "ValueError: call [phone]" in said
    assert "\x1b" not in said  # no colours outside a terminal


@pytest.mark.parametrize(
    "number",
    [
        *(
            "9876543210",
            "+919876543210",
            "91 9876543210",
            "+91-9876543210",
            "+91 98765 43210",
            "098765-43210",
        ),
        *("(+91) 98765 43210", "0091 98765.43210", "+44 7911 123456", "+1 (202) 555-0143"),
    ],
)
@pytest.mark.parametrize("line", ["the customer {} paid", "call {}.", '{{"phone": "{}"}}'])
def test_no_phone_number_is_logged(number, line):
    assert not re.search(r"\d", redact(line.format(number)))


@pytest.mark.parametrize(
    "innocent",
    [
        "OKP9876543210abc",
        "1781150400",
        "T2606111042169000000042",
        "110000",
        "2026-11-26T04:37:22+05:30",
        "9876543210.5",
    ],
)
def test_ids_and_times_are_no_phone_numbers(innocent):
    assert innocent in redact(f"order {innocent} was opened")


def test_no_secret_is_logged(settings):
    settings.PHONEPE_SALT_KEY = "099eb0cd-made-up-salt"
    said = redact("key 099eb0cd-made-up-salt, Authorization: O-Bearer eyJhbGciOiJIUzI1NiJ9.made-up.signature")

    assert "099eb0cd" not in said
    assert "eyJhbGci" not in said


def test_a_secret_with_quotes_is_not_logged(settings):
    settings.PHONEPE_WEBHOOK_SECRET = 'made "up" \\ secret'
    assert "made" not in json.dumps(line("refused", cause=f"with {settings.PHONEPE_WEBHOOK_SECRET}"))


def test_former_secrets_are_not_logged(settings):
    settings.SECRET_KEY_FALLBACKS = ["a-key-of-last-year"]
    settings.PHONEPE_PREVIOUS = [
        {"env": "UAT", "merchant_id": "M1", "salt_key": "former-salt", "salt_index": 1}
    ]
    assert redact("a-key-of-last-year, former-salt, M1") == "[secret], [secret], M1"


def test_an_address_that_is_its_own_key_is_not_logged(settings):
    settings.DEAD_MAN_URL = "https://alarm.example/0a1b2c3d-made-up"
    said = redact("HTTPSConnectionPool(host='alarm.example'): with url: /0a1b2c3d-made-up (refused)")

    assert "0a1b2c3d" not in said
    assert "alarm.example" in said


def test_logins_of_addresses_are_not_logged():
    assert redact('"amqp://shop:pass-word@broker.example:5672/"') == '"amqp://broker.example:5672/"'


def test_no_mail_address_is_logged():
    said = redact(
        "{'alice.devi+puja@example.co.in': (550, b'5.1.1 <alice.devi+puja@example.co.in> unknown')}"
    )

    assert "alice" not in said
    assert "5.1.1" in said


def test_the_stack_of_a_dead_thread_is_a_line_of_the_log_without_secrets(settings, caplog, monkeypatch):
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    log_dead_threads()
    thread = threading.Thread(target=int, args=(f"key {settings.SECRET_KEY}",), name="refunds-0")
    thread.start()
    thread.join()

    [record] = caplog.records
    said = json.loads(JsonFormatter().format(record))
    assert (said["level"], said["message"], said["name_of_thread"]) == (
        "CRITICAL",
        "a thread died",
        "refunds-0",
    )
    assert "ValueError" in said["exception"]
    assert settings.SECRET_KEY not in said["exception"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [["manage.py", "shell", "--no-imports", "-c", DYING], ["-c", f"import okpuja.wsgi; {DYING}"]]
)
def test_no_process_of_ours_writes_such_a_stack_by_itself(command):
    environment = {**WANTED, "PATH": os.environ["PATH"], "DATABASE_URL": "sqlite:////nowhere/x.sqlite3"}
    told = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )

    assert "a thread died" in told.stderr
    assert environment["SECRET_KEY"] not in told.stderr


def test_signed_links_are_not_logged():
    token = "Mg:1xVEmX:" + "T" * 43

    assert token not in redact(f"/pay/{token}/")


@pytest.mark.parametrize("pattern", [CREDENTIAL, SIGNED, MAIL, PHONE, PAN])
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_no_pattern_is_left_out_that_would_find_something(pattern, data):
    text = data.draw(st.from_regex(pattern))
    assert redact(text) != text


def test_an_exception_stays_on_its_line():
    try:
        raise ValueError("no such thing")
    except ValueError as error:
        said = line("it broke", exc_info=(type(error), error, error.__traceback__))

    assert "no such thing" in said["exception"]


def test_every_answer_carries_the_id_of_its_request(db):
    assert Client().get("/api/puja/categories/").headers["X-Request-Id"]
    offered = Client(headers={"X-Request-Id": "frontend-00042"}).get("/api/puja/categories/")
    assert offered.headers["X-Request-Id"] == "frontend-00042"


def test_a_request_id_that_could_forge_a_log_line_is_replaced(db):
    answer = Client(headers={"X-Request-Id": 'x", "level": "ERROR'}).get("/api/puja/categories/")

    assert "level" not in answer.headers["X-Request-Id"]
