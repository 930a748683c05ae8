import http.client
import json
import socket
import ssl
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
import requests
from urllib3 import exceptions as urllib3_errors

from payment.phonepe.enums import ErrorCategory, Operation, Stage
from payment.phonepe.errors import RequestFailed, classify_error, parse_response
from payment.phonepe.schemas import RequestOutcome
from payment.phonepe.transport import Answer, DeadlineExceeded, ResponseTooLarge

E = ErrorCategory


def caused(outer, *causes):
    """An exception as `requests` raises it: the reasons stand in its arguments, each inside the next."""
    for cause in causes:
        outer.args = (*outer.args, cause)
    return outer


# Adapters that are not made of our connections write no stage: then only the exception can tell.
WITHOUT_STAGE = [
    (requests.ConnectTimeout(), E.CONNECTION_TIMEOUT, RequestOutcome.NOT_SENT),
    (requests.ReadTimeout(), E.READ_TIMEOUT, RequestOutcome.AMBIGUOUS),
    (requests.Timeout(), E.READ_TIMEOUT, RequestOutcome.AMBIGUOUS),
    (requests.exceptions.SSLError(ssl.SSLError(1, "bad")), E.TLS_ERROR, RequestOutcome.NOT_SENT),
    (requests.exceptions.ProxyError(), E.PROXY_ERROR, RequestOutcome.NOT_SENT),
    (
        caused(requests.ConnectionError(), ConnectionRefusedError(111, "refused")),
        E.CONNECTION_REFUSED,
        RequestOutcome.NOT_SENT,
    ),
    (
        caused(requests.ConnectionError(), socket.gaierror(-2, "unknown")),
        E.DNS_ERROR,
        RequestOutcome.NOT_SENT,
    ),
    (
        caused(requests.ConnectionError(), ConnectionResetError(104, "reset")),
        E.CONNECTION_RESET,
        RequestOutcome.AMBIGUOUS,
    ),
    (
        caused(requests.ConnectionError(), http.client.RemoteDisconnected()),
        E.CONNECTION_RESET,
        RequestOutcome.AMBIGUOUS,
    ),
    (requests.exceptions.ChunkedEncodingError(), E.CONNECTION_RESET, RequestOutcome.AMBIGUOUS),
    (urllib3_errors.DecodeError(), E.BAD_RESPONSE, RequestOutcome.AMBIGUOUS),
    (ResponseTooLarge(), E.BAD_RESPONSE, RequestOutcome.AMBIGUOUS),
    (DeadlineExceeded(), E.CONNECTION_TIMEOUT, RequestOutcome.NOT_SENT),
    (OSError(101, "Network is unreachable"), E.NETWORK_UNREACHABLE, RequestOutcome.AMBIGUOUS),
    (PermissionError(13, "Permission denied"), E.NETWORK_UNREACHABLE, RequestOutcome.AMBIGUOUS),
    (OSError(22, "Invalid argument"), E.NETWORK_UNREACHABLE, RequestOutcome.AMBIGUOUS),
    (PermissionError(1, "Operation not permitted"), E.NETWORK_UNREACHABLE, RequestOutcome.AMBIGUOUS),
    (OSError("something new"), E.CONNECTION_RESET, RequestOutcome.AMBIGUOUS),
]


@pytest.mark.parametrize(
    ("error", "category", "outcome"), WITHOUT_STAGE, ids=lambda value: type(value).__name__
)
def test_an_exception_alone_is_taken_for_sent_unless_it_cannot_be(error, category, outcome):
    failure = classify_error(error, None)
    assert (failure.category, failure.outcome) == (category, outcome)


@pytest.mark.parametrize(
    ("stage", "category", "outcome"),
    [
        (Stage.STARTED, E.DNS_ERROR, RequestOutcome.NOT_SENT),
        (Stage.RESOLVED, E.CONNECTION_TIMEOUT, RequestOutcome.NOT_SENT),
        (Stage.CONNECTED, E.TLS_ERROR, RequestOutcome.NOT_SENT),
        (Stage.PROXIED, E.TLS_ERROR, RequestOutcome.NOT_SENT),
        (Stage.SENT, E.READ_TIMEOUT, RequestOutcome.AMBIGUOUS),
        (Stage.HEADERS, E.READ_TIMEOUT, RequestOutcome.AMBIGUOUS),
    ],
)
def test_the_same_silence_means_another_thing_at_every_stage(stage, category, outcome):
    failure = classify_error(requests.ReadTimeout(), stage)
    assert (failure.category, failure.outcome) == (category, outcome)


def test_a_tls_error_after_sending_is_a_broken_connection():
    failure = classify_error(requests.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")), Stage.SENT)
    assert (failure.category, failure.outcome) == (E.CONNECTION_RESET, RequestOutcome.AMBIGUOUS)


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("timed out"), requests.ConnectionError("DNS SSL proxy")]
)
def test_the_wording_of_an_error_decides_nothing(error):
    assert classify_error(error, None).category is E.CONNECTION_RESET


def test_exceptions_that_explain_each_other_in_a_circle_are_followed_once():
    first, second = OSError("first"), ConnectionRefusedError("second")
    first.__cause__, second.__cause__ = second, first
    assert classify_error(first, None).category is E.CONNECTION_REFUSED


@pytest.mark.parametrize(
    ("outcome", "a_question", "an_order"),
    [
        (RequestOutcome.NOT_SENT, True, True),
        (RequestOutcome.THROTTLED, True, True),
        (RequestOutcome.AMBIGUOUS, True, False),
        (RequestOutcome.DUPLICATE_ID, False, False),
        (RequestOutcome.REJECTED, False, False),
    ],
)
def test_only_what_is_safe_is_repeated(outcome, a_question, an_order):
    failure = RequestFailed(E.GATEWAY_5XX, outcome)
    assert failure.may_retry(Operation.STATUS) is a_question
    assert failure.may_retry(Operation.PAY) is failure.may_retry(Operation.REFUND) is an_order


@pytest.mark.parametrize(
    ("status", "content_type", "body", "category"),
    [
        (200, "text/html; charset=utf-8", b"<html>Log in</html>", E.BLOCKED_RESPONSE),
        (403, "text/plain", b"denied", E.BLOCKED_RESPONSE),
        (302, "", b"", E.BLOCKED_RESPONSE),
        (200, "application/json", b'{"succ', E.BAD_RESPONSE),
        (200, "", b"", E.BAD_RESPONSE),
        (502, "text/html", b"<html>Bad Gateway</html>", E.GATEWAY_5XX),
    ],
)
def test_who_spoke_instead_of_phonepe_is_told_apart(status, content_type, body, category):
    with pytest.raises(RequestFailed) as caught:
        parse_response(
            Operation.PAY, Answer(status, {"Content-Type": content_type}, body), lambda *_: None, dict
        )
    assert (caught.value.category, caught.value.outcome) == (category, RequestOutcome.AMBIGUOUS)


def retry_after(value, **headers):
    with pytest.raises(RequestFailed) as caught:
        parse_response(
            Operation.PAY, Answer(429, {"Retry-After": value, **headers}, b""), lambda *_: None, dict
        )
    return caught.value.retry_after


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 0.0), ("9" * 30, 86_400.0)])
def test_a_wait_may_be_told_in_seconds(value, seconds):
    assert retry_after(value) == seconds


def test_a_wait_may_be_told_as_a_date():
    then = datetime.now(timezone.utc) + timedelta(minutes=5)
    assert 290 < retry_after(format_datetime(then, usegmt=True)) <= 300
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


ENDLESS_ZONE = "Mon, 01 Jan 2024 00:00:00 +99999999999999999999"


@pytest.mark.parametrize("value", ["", "soon", "-5", "٣", "1.5", "Wed, 99 Oct 2015 07:28:00", ENDLESS_ZONE])
def test_a_wait_we_cannot_read_is_ours_to_choose(value):
    assert retry_after(value) is None


@pytest.mark.parametrize("hours", [0, 1, -1, 24 * 365])
def test_a_moment_to_wait_for_is_read_on_the_clock_of_who_wrote_it(hours):
    theirs = datetime.now(timezone.utc) + timedelta(hours=hours)
    until, date = (format_datetime(at, usegmt=True) for at in (theirs + timedelta(seconds=300), theirs))

    assert retry_after(until, Date=date) == 300


def test_nobody_is_waited_for_longer_than_a_day():
    ahead = format_datetime(datetime.now(timezone.utc) + timedelta(days=400), usegmt=True)

    assert retry_after(ahead) == retry_after("999999") == 86_400


@pytest.mark.parametrize(
    ("status", "word", "category", "outcome"),
    [
        (408, "ANY_WORD", E.GATEWAY_5XX, RequestOutcome.AMBIGUOUS),
        (409, "ANY_WORD", E.REJECTED, RequestOutcome.REJECTED),
        (500, "ANY_WORD", E.GATEWAY_5XX, RequestOutcome.AMBIGUOUS),
        (401, "ANY_WORD", E.AUTHENTICATION, RequestOutcome.REJECTED),
        (400, "KEY_NOT_CONFIGURED", E.AUTHENTICATION, RequestOutcome.REJECTED),
        (400, "ANY_WORD", E.REJECTED, RequestOutcome.REJECTED),
        (400, "", E.WRONG_ENDPOINT, RequestOutcome.REJECTED),
        (409, "", E.REJECTED, RequestOutcome.REJECTED),
        (409, "404", E.WRONG_ENDPOINT, RequestOutcome.REJECTED),
        (200, "TOO_MANY_REQUESTS", E.RATE_LIMITED, RequestOutcome.THROTTLED),
        (409, "UNEXPECTED_WORD", E.REJECTED, RequestOutcome.REJECTED),
    ],
)
def test_status_and_code_of_an_error_answer_decide_its_category(status, word, category, outcome):
    answer = Answer(status, {"Content-Type": "application/json"}, json.dumps({"code": word}).encode())

    with pytest.raises(RequestFailed) as caught:
        parse_response(Operation.PAY, answer, lambda *_: RequestOutcome.REJECTED, lambda payload: payload)

    assert (caught.value.category, caught.value.outcome) == (category, outcome)


@pytest.mark.parametrize("operation", [Operation.TOKEN, Operation.STATUS, Operation.PAY])
@pytest.mark.parametrize(
    ("status", "said", "category"),
    [
        (404, {"message": "no Route matched with those Values"}, E.WRONG_ENDPOINT),
        (400, {"code": "BAD_REQUEST", "message": "Bad Request - Api Mapping Not Found"}, E.WRONG_ENDPOINT),
        (404, {"message": "Not Found: Api Mapping Not Found, trackingId: 1"}, E.WRONG_ENDPOINT),
        (404, {"message": "Not Found"}, E.WRONG_ENDPOINT),
        (404, {"error": "Not Found", "path": "/apis/pgsandbox/v1/oauth/token"}, E.WRONG_ENDPOINT),
        (404, {"code": "A_WORD_OF_NEXT_YEAR"}, E.WRONG_ENDPOINT),
        (404, {"message": "Not Found: Client Not Found, trackingId: 00ab"}, E.AUTHENTICATION),
        (404, {"code": "CLIENT_NOT_FOUND", "message": "None"}, E.AUTHENTICATION),
        (400, {"message": "Bad Request: Client Not Found"}, E.AUTHENTICATION),
        (404, {"code": "KEY_NOT_CONFIGURED", "message": "Key not found for the merchant"}, E.AUTHENTICATION),
    ],
)
def test_an_unknown_path_and_an_unknown_client_are_told_apart_by_phonepes_words(
    operation, status, said, category
):
    answer = Answer(status, {"Content-Type": "application/json"}, json.dumps(said).encode())

    with pytest.raises(RequestFailed) as caught:
        parse_response(operation, answer, lambda *_: RequestOutcome.REJECTED, lambda payload: payload)

    assert caught.value.category == category
    assert caught.value.message == (said.get("message") or said.get("error", ""))
