import base64
import json
import math
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment.phonepe import schemas, v1, v2
from payment.phonepe.enums import ProviderStatus
from tests.unit.payment import wire

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    *(
        "code",
        "errorCode",
        "success",
        "message",
        "data",
        "state",
        "amount",
        "orderId",
        "expireAt",
        "redirectUrl",
    ),
    *(
        "paymentDetails",
        "errorContext",
        "splitInstruments",
        "rail",
        "utr",
        "transactionId",
        "merchantId",
        "payload",
    ),
)
ANSWERS = st.dictionaries(
    st.sampled_from(MEMBERS), JSON | st.fixed_dictionaries({"data": JSON, "rail": JSON})
)


@given(ANSWERS)
def test_whatever_phonepe_sends_is_read_without_falling(answer):
    """Nothing it can say crashes us, and no sum of money comes out that is not whole paise."""
    for dialect in (v1, v2):
        for read in (dialect.read_order_status, dialect.read_refund_status):
            status = read(answer)
            assert isinstance(status.state, ProviderStatus)
            assert status.amount_paise is None or type(status.amount_paise) is int
            f"{status.message}{status.code}{status.utr}".encode()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b'"text"']
)
def test_what_is_not_a_json_object_is_none(body):
    assert schemas.json_object(body) is None


WHOLE = [(149900, 149900), ("149900", 149900), (0, 0), (149900.0, 149900), (1.5e5, 150000), (10**15, 10**15)]
NO_AMOUNT = [
    *("1499.00", "149900.0", "1,499", " 149900", "+149900", "1e5", "१४९९", "", "9" * 17, "NaN"),
    *(1499.5, -1, -150000.0, 10**16, 1e16, 1e300, math.nan, math.inf, -math.inf),
    *(True, False, None, [149900], {"value": 149900}),
]
AMOUNTS = [*WHOLE, *((value, None) for value in NO_AMOUNT)]


@pytest.mark.parametrize(("value", "expected"), WHOLE)
def test_whole_paise_are_taken(value, expected):
    assert schemas.paise(value) == expected


@pytest.mark.parametrize("value", NO_AMOUNT, ids=repr)
def test_nothing_else_is_an_amount(value):
    assert schemas.paise(value) is None


def v1_callback(amount):
    answer = json.dumps({"code": "PAYMENT_SUCCESS", "data": {"amount": amount}}).encode()
    return json.dumps({"response": base64.b64encode(answer).decode()}).encode()


def v2_webhook(name, amount):
    return json.dumps({"event": "any", "payload": {name: "X1", "amount": amount}}).encode()


V1, V2 = wire.merchant("v1"), wire.merchant("v2")
READERS = {
    "V1 order": lambda amount: v1.read_order_status({"data": {"amount": amount}}),
    "V1 refund": lambda amount: v1.read_refund_status({"data": {"amount": amount}}),
    "V1 callback": lambda amount: v1.read_callback(V1, v1_callback(amount)),
    "V2 order": lambda amount: v2.read_order_status({"amount": amount}),
    "V2 refund": lambda amount: v2.read_refund_status({"amount": amount}),
    "V2 webhook": lambda amount: v2.read_webhook(V2, "hmac", v2_webhook("merchantOrderId", amount)),
    "V2 refund webhook": lambda amount: v2.read_webhook(V2, "hmac", v2_webhook("merchantRefundId", amount)),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("amount", "expected"), AMOUNTS, ids=repr)
def test_an_amount_means_the_same_wherever_phonepe_tells_it(reader, amount, expected):
    found = READERS[reader](amount).amount_paise
    assert (found, type(found)) == (expected, type(expected))


def test_milliseconds_become_an_aware_moment():
    assert schemas.moment(1781153854567) == datetime(2026, 6, 11, 4, 57, 34, tzinfo=timezone.utc)


@pytest.mark.parametrize("seconds", [1781153854, 1781153854.0])
def test_seconds_become_the_same_moment(seconds):
    assert schemas.moment(seconds) == schemas.moment(1781153854567)


@pytest.mark.parametrize("value", [None, "1781153854567", 0, -5, 10**20, True, 1.5, math.nan, math.inf])
def test_a_moment_that_cannot_be_is_none(value):
    assert schemas.moment(value) is None


def test_text_from_outside_can_be_stored_by_any_database():
    assert schemas.words("a\0b\ud800c" + "x" * 500, 6) == "ab?cxx"


def test_the_precise_code_of_a_token_refusal_is_the_one_told():
    assert schemas.code({"code": "INVALID_CLIENT", "errorCode": "OIM004"}) == "OIM004"
    assert schemas.code({"code": 401}) == "401"
    assert schemas.code({"code": ["x"]}) == ""


def test_the_fine_moment_keeps_the_milliseconds():
    assert schemas.fine_moment(1781153854567) == datetime(2026, 6, 11, 4, 57, 34, 567000, tzinfo=timezone.utc)
