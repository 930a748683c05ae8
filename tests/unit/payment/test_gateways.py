import base64
import json
import logging
from contextlib import nullcontext
from dataclasses import replace

import pytest
import requests
from django.db import transaction

from core import errors
from core.databases import InTransaction
from payment.gateways import (
    CheckoutPageLost,
    GatewayError,
    NotConfigured,
    NotOffered,
    NotSent,
    OutcomeUnknown,
    Rejected,
    current_gateway,
    gateway_for,
)
from payment.phonepe.credentials import Endpoint, Identity
from payment.phonepe.enums import Channel, Operation, ProviderStatus, Stage
from tests.unit.payment import wire
from tests.unit.payment.scripted_gateway import (
    ACCESS_TOKEN,
    BASE,
    ORDER,
    REFUND,
    REFUSED,
    RESET,
    SECOND,
    SILENT,
    ScriptedGateway,
    operations,
)
from tests.unit.payment.wire import V1, V2, golden

pytest_plugins = ["tests.unit.payment.gateway_fixtures"]

FRESH_TOKEN = (
    200,
    {
        "access_token": "another-token",
        "issued_at": ACCESS_TOKEN.issued_at,
        "expires_at": ACCESS_TOKEN.expires_at,
    },
)


# --- opening an order ---


def test_an_order_is_opened_and_its_page_comes_back(scripted):
    scripted.on_pay(scripted.spoken.page)
    page = scripted.pay()
    assert page.url.startswith("https://mercury-uat.phonepe.com/transact/")
    (only,) = page.http_attempts
    assert (only.operation, only.host, only.port) == (Operation.PAY, "phonepe.example", 443)
    assert (only.stage, only.http_status, only.error_category) == (Stage.BODY, 200, "")
    assert only.started_at.tzinfo is not None


def test_what_was_never_sent_goes_to_the_next_endpoint_at_once(two):
    two.on_pay(REFUSED)
    two.on_pay(two.spoken.page, SECOND)
    page = two.pay()
    assert [each.host for each in page.http_attempts] == ["phonepe.example", "second.example"]
    assert two.clock.slept == []


def test_an_endpoint_that_keeps_silent_does_not_stop_what_the_other_one_can_do(two):
    two.on_pay(SILENT)
    two.on_status(two.spoken.unknown_order, SECOND)
    two.on_pay(two.spoken.page, SECOND)
    assert len(two.pay().http_attempts) == 3


def test_an_endpoint_that_loses_pages_does_not_lose_the_page_of_the_next_order(two):
    two.on_pay(SILENT)
    two.on_status(two.spoken.pending, SECOND)
    with pytest.raises(CheckoutPageLost):
        two.pay()
    two.on_pay(two.spoken.page, SECOND)
    assert [each.host for each in two.pay().http_attempts] == ["second.example"]


def test_when_phonepe_cannot_be_reached_at_all_nothing_was_sent(two, settings):
    settings.PHONEPE_MAX_RETRIES = 2
    for base in (BASE, SECOND, BASE, SECOND):
        two.on_pay(REFUSED, base)
    with pytest.raises(NotSent) as caught:
        two.pay()
    assert caught.value.status_code == 503
    assert (caught.value.host, caught.value.port) == ("second.example", 443)
    assert len(caught.value.http_attempts) == 4
    assert len(two.clock.slept) == 2


def test_without_repeats_each_endpoint_is_still_tried_once(two, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    two.on_pay(REFUSED)
    two.on_pay(REFUSED, SECOND)
    with pytest.raises(NotSent):
        two.pay()


AMBIGUOUS = {
    "silence": SILENT,
    "reset": RESET,
    "server error": (500, {"success": False, "code": "INTERNAL_SERVER_ERROR"}),
    "bad gateway": (502, "<html>Bad Gateway</html>"),
    "request timeout": (408, {"success": False, "code": "408"}),
    "broken JSON": (200, '{"success": tru'),
    "a list": (200, "[1, 2]"),
    "nested too deep": (200, "[" * 100_000),
    "not UTF-8": (200, b"\xff\xfe{}"),
    "a page": (200, "<html>Log in to the hotel's network</html>"),
    "a redirect": (302, ""),
    "a redirect with JSON": (307, {"success": True, "code": "MOVED"}),
    "no page URL": (200, {"success": True, "data": {}}),
}
ambiguous = pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())


@ambiguous
def test_an_ambiguous_request_gets_a_status_check_and_a_retry_only_when_unknown(scripted, answer):
    scripted.on_pay(answer)
    scripted.on_status(scripted.spoken.unknown_order)
    scripted.on_pay(scripted.spoken.page)
    page = scripted.pay()
    assert operations(page.http_attempts) == ["pay", "status", "pay"]
    said = [call.request.body for call in scripted.mock.calls if call.request.method == "POST"]
    assert said[0] == said[1]


# --- orders for apps: the same rules ---


def test_an_order_for_an_app_comes_back_with_what_the_app_needs(app):
    app.on_pay(app.spoken.page)
    page = app.pay()
    assert page.url == ""
    assert page.order_token or page.intent_url.startswith("upi://pay?")
    assert operations(page.http_attempts) == ["pay"]


@ambiguous
def test_an_ambiguous_order_for_an_app_is_sent_again_only_when_unknown(app, answer):
    app.on_pay(answer)
    app.on_status(app.spoken.unknown_order)
    app.on_pay(app.spoken.page)
    assert operations(app.pay().http_attempts) == ["pay", "status", "pay"]
    said = [call.request.body for call in app.mock.calls if call.request.method == "POST"]
    assert said[0] == said[1]


@ambiguous
def test_an_order_for_an_app_that_did_arrive_is_not_opened_a_second_time(app, answer):
    app.on_pay(answer)
    app.on_status(app.spoken.pending)
    with pytest.raises(CheckoutPageLost) as caught:
        app.pay()
    assert caught.value.status.state is ProviderStatus.PENDING


def test_the_answer_of_the_other_channel_is_ambiguous(app):
    """The order may have been opened: it is not sent again before its status is known."""
    app.on_pay((V2 if app.spoken.generation == "v2" else V1).page)
    app.on_status(app.spoken.pending)
    with pytest.raises(CheckoutPageLost):
        app.pay()


def test_a_used_id_of_an_order_for_an_app_is_polled(app):
    app.on_pay(app.spoken.taken)
    app.on_status(app.spoken.pending)
    with pytest.raises(CheckoutPageLost):
        app.pay()


def test_a_refused_order_for_an_app_is_refused(app):
    app.on_pay(app.spoken.refused)
    with pytest.raises(Rejected):
        app.pay()


@pytest.mark.parametrize(
    ("spoken", "channel", "instead"),
    [(V1, Channel.SDK, "UPI app"), (V2, Channel.UPI_INTENT, "PhonePe's SDK")],
    ids=["v1 has no sdk orders", "v2 has no intents"],
)
def test_what_the_merchants_protocol_has_not_is_refused_before_anything_is_sent(
    mock, spoken, channel, instead
):
    gateway = ScriptedGateway(spoken, mock, order=replace(ORDER, channel=channel))
    with pytest.raises(NotOffered) as caught:
        gateway.pay()
    assert (caught.value.status_code, caught.value.code) == (409, "not_offered")
    assert instead in str(caught.value.message)
    assert len(mock.calls) == 0


@ambiguous
def test_an_order_that_did_arrive_is_not_opened_a_second_time(scripted, answer):
    scripted.on_pay(answer)
    scripted.on_status(scripted.spoken.pending)
    with pytest.raises(CheckoutPageLost) as caught:
        scripted.pay()
    assert caught.value.status.state is ProviderStatus.PENDING
    assert operations(caught.value.http_attempts) == ["pay", "status"]


def test_money_learned_of_while_asking_is_handed_over(scripted):
    scripted.on_pay(SILENT)
    scripted.on_status(scripted.spoken.completed)
    with pytest.raises(CheckoutPageLost) as caught:
        scripted.pay()
    assert (caught.value.status.state, caught.value.status.amount_paise) == (
        ProviderStatus.COMPLETED,
        149900,
    )


def test_an_order_of_which_nobody_can_tell_is_unknown_and_not_failed(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_pay(SILENT)
    scripted.on_status(SILENT)
    with pytest.raises(OutcomeUnknown) as caught:
        scripted.pay()
    assert (caught.value.status_code, caught.value.error_category) == (504, "READ_TIMEOUT")


def test_a_status_word_we_do_not_know_leaves_the_outcome_unknown(scripted):
    scripted.on_pay(SILENT)
    scripted.on_status(scripted.spoken.strange)
    with pytest.raises(OutcomeUnknown):
        scripted.pay()


@pytest.mark.parametrize("last", [REFUSED, V1.refused, V2.refused])
def test_once_it_may_have_arrived_no_later_refusal_undoes_that(scripted, last, settings):
    settings.PHONEPE_MAX_RETRIES = 1
    scripted.on_pay((500, {}))
    scripted.on_status(scripted.spoken.unknown_order)
    scripted.on_pay(last)
    with pytest.raises(OutcomeUnknown):
        scripted.pay()


def test_an_earlier_call_is_asked_about_before_its_order_is_opened_again(scripted):
    scripted.on_status(scripted.spoken.pending)
    with pytest.raises(CheckoutPageLost) as caught:
        scripted.pay(check_status_first=True)
    assert operations(caught.value.http_attempts) == ["status"]


def test_an_earlier_call_that_never_arrived_is_simply_said_again(scripted):
    scripted.on_status(scripted.spoken.unknown_order)
    scripted.on_pay(scripted.spoken.page)
    assert operations(scripted.pay(check_status_first=True).http_attempts) == ["status", "pay"]
    assert scripted.clock.slept == []


def test_a_taken_id_has_lost_its_page(scripted):
    scripted.on_pay(scripted.spoken.taken)
    scripted.on_status(scripted.spoken.pending)
    with pytest.raises(CheckoutPageLost) as caught:
        scripted.pay()
    assert (caught.value.status_code, caught.value.status.state) == (409, ProviderStatus.PENDING)
    assert caught.value.status.http_attempts == caught.value.http_attempts


def test_a_taken_id_has_lost_its_page_even_if_phonepe_then_falls_silent(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_pay(scripted.spoken.taken)
    scripted.on_status(SILENT)
    with pytest.raises(CheckoutPageLost) as caught:
        scripted.pay()
    assert caught.value.status is None


@pytest.mark.parametrize(
    ("answer", "category"),
    [
        (V1.refused, "REJECTED"),
        ((403, {"success": False, "code": "FORBIDDEN"}), "REJECTED"),
        ((400, golden("g04_v1_key_not_configured")), "AUTHENTICATION"),
        ((400, {"message": "Bad Request - Api Mapping Not Found"}), "WRONG_ENDPOINT"),
        ((404, {"success": False, "code": "404"}), "WRONG_ENDPOINT"),
    ],
)
def test_phonepes_no_is_a_no_and_is_not_repeated(scripted, answer, category):
    scripted.on_pay(answer)
    with pytest.raises(Rejected) as caught:
        scripted.pay()
    assert (caught.value.status_code, caught.value.error_category) == (502, category)


def test_a_wall_in_between_is_named_as_such(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_pay((403, "<html>Access denied</html>"))
    scripted.on_status((403, "<html>Access denied</html>"))
    with pytest.raises(OutcomeUnknown) as caught:
        scripted.pay()
    assert caught.value.error_category == "BLOCKED_RESPONSE"


def test_a_page_that_says_401_is_asked_about_before_the_order_is_said_under_a_new_token(mock):
    scripted = ScriptedGateway(V2, mock)
    scripted.on_pay((401, "<html>Who are you?</html>"))
    scripted.hears("POST", "/v1/oauth/token", FRESH_TOKEN)
    scripted.on_status(V2.unknown_order)
    scripted.on_pay(V2.page)
    assert operations(scripted.pay().http_attempts) == ["pay", "token", "status", "pay"]


def test_a_proxy_that_opens_no_way_is_the_hop_that_is_named(mock, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    endpoint = Endpoint(BASE, BASE, proxy="http://me:secret@proxy.example:3128")
    scripted = ScriptedGateway(V1, mock, endpoints=(endpoint,))
    scripted.on_pay(requests.exceptions.ProxyError("407"))
    with pytest.raises(NotSent) as caught:
        scripted.pay()
    assert (caught.value.error_category, caught.value.host, caught.value.port) == (
        "PROXY_ERROR",
        "proxy.example",
        3128,
    )


def test_the_caller_is_not_told_to_come_back_sooner_than_phonepe_said(scripted):
    scripted.on_pay((429, {"code": "TOO_MANY_REQUESTS"}), headers={"Retry-After": "60"})
    with pytest.raises(NotSent) as caught:
        scripted.pay()
    assert caught.value.retry_after == 60


# --- asking ---


def test_what_became_of_an_order_is_told(scripted):
    scripted.on_status(scripted.spoken.completed)
    status = scripted.status()
    assert (status.state, status.amount_paise) == (ProviderStatus.COMPLETED, 149900)
    assert operations(status.http_attempts) == ["status"]


def test_an_order_phonepe_does_not_know_is_an_answer(scripted):
    scripted.on_status(scripted.spoken.unknown_order)
    assert scripted.status().state is ProviderStatus.NOT_FOUND


def test_a_question_may_be_put_to_the_next_endpoint_after_any_failure(two):
    two.on_status(SILENT)
    two.on_status(two.spoken.pending, SECOND)
    assert two.status().state is ProviderStatus.PENDING
    assert two.clock.slept == []


def test_a_wrong_address_is_never_taken_for_an_unknown_order(scripted):
    scripted.on_status((400, {"message": "Bad Request - Api Mapping Not Found"}))
    with pytest.raises(Rejected) as caught:
        scripted.status()
    assert caught.value.error_category == "WRONG_ENDPOINT"


def test_a_silent_phonepe_leaves_the_order_as_it_was(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 1
    scripted.on_status(SILENT)
    scripted.on_status((503, "R999"))
    with pytest.raises(OutcomeUnknown) as caught:
        scripted.status()
    assert caught.value.error_category == "GATEWAY_5XX"


def test_an_answer_about_another_order_is_no_answer(mock, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted = ScriptedGateway(V1, mock)
    other = golden("g06_v1_status_success")
    other["data"]["merchantTransactionId"] = "SOMEBODY-ELSES"
    scripted.on_status((200, other))
    with pytest.raises(OutcomeUnknown) as caught:
        scripted.status()
    assert caught.value.error_category == "BAD_RESPONSE"


# --- refunds ---


def test_a_refund_is_accepted(scripted):
    scripted.on_refund(scripted.spoken.refund_accepted)
    status = scripted.refund()
    assert (status.state, status.amount_paise) == (ProviderStatus.PENDING, 149900)


@pytest.mark.parametrize(
    "answer", [SILENT, (500, {}), V1.refused, V1.taken], ids=["silence", "500", "400", "417"]
)
def test_a_refund_that_phonepe_knows_is_not_sent_again(scripted, answer):
    scripted.on_refund(answer)
    scripted.on_refund_status(scripted.spoken.refund_accepted)
    assert operations(scripted.refund().http_attempts) == ["refund", "refund_status"]


def test_a_refund_that_never_arrived_is_sent_again_under_its_id(scripted):
    scripted.on_refund(SILENT)
    scripted.on_refund_status(scripted.spoken.unknown_refund)
    scripted.on_refund(scripted.spoken.refund_accepted)
    assert operations(scripted.refund().http_attempts) == ["refund", "refund_status", "refund"]


def test_a_refused_refund_that_phonepe_does_not_know_is_rejected(scripted):
    scripted.on_refund(scripted.spoken.refused)
    scripted.on_refund_status(scripted.spoken.unknown_refund)
    with pytest.raises(Rejected):
        scripted.refund()


def test_a_refund_under_refused_credentials_is_not_even_asked_about(scripted):
    scripted.on_refund((400, golden("g04_v1_key_not_configured")))
    with pytest.raises(Rejected) as caught:
        scripted.refund()
    assert operations(caught.value.http_attempts) == ["refund"]


def test_a_refund_id_that_is_taken_by_nothing_we_can_see_is_unknown(scripted):
    scripted.on_refund(scripted.spoken.taken)
    scripted.on_refund_status(scripted.spoken.unknown_refund)
    with pytest.raises(OutcomeUnknown):
        scripted.refund()


def test_a_refund_nobody_can_tell_about_is_unknown(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_refund(scripted.spoken.refused)
    scripted.on_refund_status(SILENT)
    with pytest.raises(OutcomeUnknown):
        scripted.refund()


def test_what_became_of_a_refund_is_told(scripted):
    scripted.on_refund_status(scripted.spoken.refund_accepted)
    status = scripted.gateway.refund_status(REFUND.merchant_refund_id, scripted.deadline())
    assert status.state is ProviderStatus.PENDING


# --- what the house sees of it ---


def test_an_error_is_worded_for_a_person_and_names_its_category(scripted, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    scripted.on_pay(requests.ConnectTimeout())
    with pytest.raises(GatewayError) as caught:
        scripted.pay()
    body = errors.error_body(caught.value)
    assert (body["code"], body["error_category"], body["retryable"]) == (
        "phonepe_unreachable",
        "CONNECTION_TIMEOUT",
        True,
    )
    assert "phonepe.example" not in json.dumps(body)


def test_no_secret_and_no_phone_number_is_logged_or_kept(scripted, caplog, settings):
    settings.PHONEPE_MAX_RETRIES = 0
    caplog.set_level(logging.DEBUG)
    scripted.on_pay((400, {"success": False, "code": "BAD_REQUEST", "message": "9876543210"}))
    with pytest.raises(Rejected) as caught:
        scripted.pay()
    told = (
        repr([vars(record) for record in caplog.records])
        + repr(caught.value)
        + repr(caught.value.http_attempts)
    )
    for secret in (wire.TEST_SALT, "a-secret-of-ours", "a-token", "9876543210"):
        assert secret not in told
        assert base64.b64encode(secret.encode()).decode().rstrip("=") not in told
    assert caplog.records[-1].host == "phonepe.example"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_open", [True, False])
def test_phonepe_is_never_called_inside_a_transaction(scripted, is_open):
    if not is_open:
        scripted.on_pay(scripted.spoken.page)
    with (
        transaction.atomic() if is_open else nullcontext(),
        pytest.raises(InTransaction) if is_open else nullcontext(),
    ):
        scripted.pay()


def test_one_gateway_serves_a_merchant_until_the_settings_change(settings):
    first = current_gateway()
    assert current_gateway() is first
    settings.PHONEPE_API_VERSION = "v1"
    assert current_gateway() is not first
    assert gateway_for(first.merchant.identity) is first


def test_without_its_credentials_an_old_order_has_no_gateway():
    with pytest.raises(NotConfigured) as caught:
        gateway_for(Identity("v1", "PRODUCTION", "GONE", False))
    assert (caught.value.status_code, errors.error_body(caught.value)["code"]) == (
        503,
        "payment_not_configured",
    )
