import random

import pytest

from payment.gateways import NotSent, Rejected
from payment.phonepe import client
from payment.phonepe.credentials import Endpoint
from tests.unit.payment.scripted_gateway import (
    ACCESS_TOKEN,
    REFUSED,
    SECOND,
    SILENT,
    ScriptedGateway,
    operations,
)
from tests.unit.payment.wire import BASE, V1, V2, golden

pytest_plugins = ["tests.unit.payment.gateway_fixtures"]
FIRST_BACKOFF = client.BACKOFF_BASE_SECONDS  # tests do not wait: a fixture sets it to 0


# --- pauses ---


def test_pauses_are_random_and_their_bound_doubles_up_to_four_seconds(scripted, settings, monkeypatch):
    monkeypatch.setattr(client, "BACKOFF_BASE_SECONDS", FIRST_BACKOFF)
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    settings.PHONEPE_MAX_RETRIES = 5
    for _ in range(6):
        scripted.on_pay(REFUSED)
    with pytest.raises(NotSent):
        scripted.pay()
    assert scripted.clock.slept == [0.5, 1.0, 2.0, 4.0, 4.0]


# --- turned away ---


def test_when_turned_away_we_wait_as_long_as_we_are_told(scripted):
    scripted.on_pay((429, {"code": "TOO_MANY_REQUESTS"}), headers={"Retry-After": "7"})
    scripted.on_pay(scripted.spoken.page)
    assert operations(scripted.pay().http_attempts) == ["pay", "pay"]
    assert scripted.clock.slept == [7.0]


def test_a_wait_longer_than_the_deadline_is_not_begun(scripted):
    scripted.on_pay((429, {"code": "TOO_MANY_REQUESTS"}), headers={"Retry-After": "60"})
    with pytest.raises(NotSent) as caught:
        scripted.pay()
    assert caught.value.error_category == "RATE_LIMITED"
    assert scripted.clock.slept == []


def test_turned_away_at_one_door_we_do_not_run_to_the_next(two):
    two.on_pay((429, {"code": "TOO_MANY_REQUESTS"}), headers={"Retry-After": "7"})
    two.on_pay(two.spoken.page, SECOND)
    two.pay()
    assert two.clock.slept == [7.0]


def seconds_given(scripted):
    """How long each try was allowed to take."""
    return [call.request.req_kwargs["timeout"][0] for call in scripted.mock.calls]


def test_an_endpoint_gets_its_share_of_the_time_and_asking_keeps_a_fifth(two):
    two.on_pay(REFUSED)
    two.on_pay(two.spoken.page, SECOND)
    two.pay()
    assert seconds_given(two) == [8.0, 16.0]


def test_a_question_may_take_all_the_time_there_is(two):
    two.on_status(SILENT)
    two.on_status(two.spoken.pending, SECOND)
    two.status()
    assert seconds_given(two) == [10.0, 20.0]


def test_no_call_outlives_its_deadline(two):
    def eat_time(request):
        two.clock.now += 30
        raise REFUSED

    two.mock.add_callback("POST", BASE + two.spoken.pay_path, eat_time)
    with pytest.raises(NotSent) as caught:
        two.pay()
    assert len(caught.value.http_attempts) == 1


# --- the token of V2 ---


@pytest.fixture
def v2(mock):
    scripted = ScriptedGateway(V2, mock)
    scripted.tokens_path = "/v1/oauth/token"
    return scripted


def fresh(token):
    return 200, {
        "access_token": token,
        "issued_at": ACCESS_TOKEN.issued_at,
        "expires_at": ACCESS_TOKEN.expires_at,
    }


def authorizations(scripted):
    return [call.request.headers.get("Authorization") for call in scripted.mock.calls]


def test_a_refused_token_is_renewed_once_and_the_message_repeated(v2):
    v2.on_pay((401, golden("g19_v2_unauthorized")))
    v2.hears("POST", v2.tokens_path, fresh("another-token"))
    v2.on_pay(V2.page)
    assert operations(v2.pay().http_attempts) == ["pay", "token", "pay"]
    assert authorizations(v2) == ["O-Bearer a-token", None, "O-Bearer another-token"]


def test_a_token_that_is_refused_again_is_a_refusal(v2):
    v2.on_pay((401, golden("g19_v2_unauthorized")))
    v2.hears("POST", v2.tokens_path, fresh("another-token"))
    v2.on_pay((401, golden("g19_v2_unauthorized")))
    with pytest.raises(Rejected) as caught:
        v2.pay()
    assert caught.value.error_category == "AUTHENTICATION"


@pytest.mark.parametrize(
    ("answer", "error", "category"),
    [
        (SILENT, NotSent, "READ_TIMEOUT"),
        (REFUSED, NotSent, "CONNECTION_REFUSED"),
        ((503, ""), NotSent, "GATEWAY_5XX"),
        ((200, {"access_token": ""}), NotSent, "BAD_RESPONSE"),
        ((401, golden("g12_v2_token_refused")), Rejected, "AUTHENTICATION"),
        ((400, {"message": "Bad Request - Api Mapping Not Found"}), Rejected, "WRONG_ENDPOINT"),
        ((404, {"message": "Not Found: Client Not Found, trackingId: 1"}), Rejected, "AUTHENTICATION"),
    ],
)
def test_without_a_token_the_order_was_not_said(v2, settings, answer, error, category):
    settings.PHONEPE_MAX_RETRIES = 0
    v2.on_pay((401, golden("g19_v2_unauthorized")))
    v2.hears("POST", v2.tokens_path, answer)
    with pytest.raises(error) as caught:
        v2.pay()
    assert caught.value.error_category == category


def test_nobody_waits_for_a_token_beyond_its_half_of_the_time(v2):
    v2.on_pay((401, golden("g19_v2_unauthorized")))
    v2.hears("POST", v2.tokens_path, (429, {}), headers={"Retry-After": "12"})
    with pytest.raises(NotSent) as caught:
        v2.pay()
    assert caught.value.error_category == "RATE_LIMITED"
    assert v2.clock.slept == []


# --- endpoints ---


def test_an_endpoint_that_cannot_be_connected_to_is_left_alone_for_a_while(two):
    for _ in range(3):
        two.on_pay(REFUSED)
        two.on_pay(two.spoken.page, SECOND)
        two.pay()
    two.on_pay(two.spoken.page, SECOND)
    assert len(two.pay().http_attempts) == 1
    two.clock.now += 31
    two.on_pay(two.spoken.page)
    assert [each.host for each in two.pay().http_attempts] == ["phonepe.example"]


def test_failures_that_are_not_in_a_row_do_not_add_up(two):
    for answer in (REFUSED, REFUSED, two.spoken.page, REFUSED):
        two.on_pay(answer)
        if answer is REFUSED:
            two.on_pay(two.spoken.page, SECOND)
        two.pay()
    two.on_pay(two.spoken.page)
    assert [each.host for each in two.pay().http_attempts] == ["phonepe.example"]


def test_questions_are_put_to_an_endpoint_even_while_it_is_left_alone(two):
    for _ in range(3):
        two.on_pay(REFUSED)
        two.on_pay(two.spoken.page, SECOND)
        two.pay()
    two.on_status(two.spoken.pending)
    assert two.status().http_attempts[0].host == "phonepe.example"


def test_when_every_endpoint_is_left_alone_they_are_tried_all_the_same(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    for _ in range(3):
        scripted.on_pay(REFUSED)
        with pytest.raises(NotSent):
            scripted.pay()
    scripted.on_pay(scripted.spoken.page)
    assert scripted.pay().url


def test_a_page_host_is_probed_but_never_sent_anything(mock, settings):
    page_host = Endpoint("https://mercury-t2.phonepe.com/apis", "", signs=False)
    scripted = ScriptedGateway(V1, mock, endpoints=(Endpoint(BASE, BASE), page_host))
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_pay(REFUSED)
    with pytest.raises(NotSent):
        scripted.pay()
    scripted.hears("GET", "/", (404, ""), BASE)
    scripted.hears("GET", "/", (200, "<html>"), "https://mercury-t2.phonepe.com/apis")
    attempts = scripted.gateway.probe(scripted.deadline())
    assert [(each.operation.value, each.host, each.http_status) for each in attempts] == [
        ("probe", "phonepe.example", 404),
        ("probe", "mercury-t2.phonepe.com", 200),
    ]
    assert "X-VERIFY" not in mock.calls[-1].request.headers


def test_a_probe_that_nobody_answers_is_reported_too(scripted):
    scripted.hears("GET", "/", REFUSED)
    (attempt,) = scripted.gateway.probe(scripted.deadline())
    assert (attempt.http_status, attempt.error_category) == (None, "CONNECTION_REFUSED")
