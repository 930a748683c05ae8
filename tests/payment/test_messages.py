from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment import messages, phonepe_v1, phonepe_v2
from payment.states import Verdict

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
    for dialect in (phonepe_v1, phonepe_v2):
        for read in (dialect.read_order_status, dialect.read_refund_status):
            status = read(answer)
            assert isinstance(status.verdict, Verdict)
            assert status.amount_paise is None or type(status.amount_paise) is int
            f"{status.message}{status.code}{status.utr}".encode()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b'"text"']
)
def test_what_is_not_a_json_object_is_none(body):
    assert messages.json_object(body) is None


@pytest.mark.parametrize(("value", "expected"), [(149900, 149900), ("149900", 149900), (0, 0)])
def test_whole_paise_are_taken(value, expected):
    assert messages.paise(value) == expected


@pytest.mark.parametrize("value", [1499.0, "1499.0", "१४९९", True, -1, None, "", "9" * 17, 10**16])
def test_nothing_else_is_an_amount(value):
    assert messages.paise(value) is None


def test_milliseconds_become_an_aware_moment():
    assert messages.moment(1781153854567) == datetime(2026, 6, 11, 4, 57, 34, tzinfo=timezone.utc)


@pytest.mark.parametrize("value", [None, "1781153854567", 0, -5, 10**20, True, 1.5])
def test_a_moment_that_cannot_be_is_none(value):
    assert messages.moment(value) is None


def test_text_from_outside_can_be_stored_by_any_database():
    assert messages.words("a\0b\ud800c" + "x" * 500, 6) == "ab?cxx"


def test_the_precise_code_of_a_token_refusal_is_the_one_told():
    assert messages.code({"code": "INVALID_CLIENT", "errorCode": "OIM004"}) == "OIM004"
    assert messages.code({"code": 401}) == "401"
    assert messages.code({"code": ["x"]}) == ""
