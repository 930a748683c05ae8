import json
import logging

import pytest
from django.test import Client

from okpuja.logging import JsonFormatter, redact


def line(message: str, **extra) -> dict:
    record = logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "test", **extra})
    return json.loads(JsonFormatter().format(record))


def test_a_line_is_one_json_object_with_what_was_given():
    said = line("no answer", host="api.phonepe.com", request_id="abc")

    assert (said["message"], said["host"], said["request_id"]) == ("no answer", "api.phonepe.com", "abc")
    assert said["time"].endswith("Z")


@pytest.mark.parametrize("number", ["9876543210", "+919876543210", "91 9876543210", "+91-9876543210"])
def test_no_phone_number_is_logged(number):
    assert "9876543210" not in redact(f"the customer {number} paid")


@pytest.mark.parametrize("innocent", ["OKP9876543210abc", "1781150400", "T2606111042169000000042", "110000"])
def test_ids_and_times_are_no_phone_numbers(innocent):
    assert innocent in redact(f"order {innocent} was opened")


def test_no_secret_is_logged(settings):
    settings.PHONEPE_SALT_KEY = "099eb0cd-made-up-salt"
    said = redact("key 099eb0cd-made-up-salt, Authorization: O-Bearer eyJhbGciOiJIUzI1NiJ9.made-up.signature")

    assert "099eb0cd" not in said
    assert "eyJhbGci" not in said


def test_signed_links_are_not_logged():
    token = "Mg:1xVEmX:" + "T" * 43

    assert token not in redact(f"/pay/{token}/")


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
