"""Every word that PhonePe is known to say has a row, and every row tells everybody what they need."""

import re

import pytest
from django.utils import translation

from payment.phonepe import v1, v2
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.response_codes import MEANINGS, WITHOUT_CODE, Actor, meaning

DEVANAGARI = re.compile(r"[\u0900-\u097f]")

# By where PhonePe says them; written down apart from the table that is tested.
PAYMENTS_V1 = """
    PAYMENT_INITIATED SUCCESS PAYMENT_SUCCESS PAYMENT_PENDING INTERNAL_SERVER_ERROR PAYMENT_ERROR PAYMENT_DECLINED
    PAYMENT_CANCELLED TIMED_OUT TRANSACTION_NOT_FOUND BAD_REQUEST AUTHORIZATION_FAILED 400 401 404 KEY_NOT_CONFIGURED
    INVALID_TRANSACTION_ID INVALID_VPA TOO_MANY_REQUESTS INTERNAL_SECURITY_BLOCK INTERNAL_SECURITY_BLOCK_1
    INTERNAL_SECURITY_BLOCK_2 INTERNAL_SECURITY_BLOCK_3 INTERNAL_SECURITY_BLOCK_4 INTERNAL_SECURITY_BLOCK_5
    INTERNAL_SECURITY_BLOCK_6 EXCESS_REFUND_AMOUNT DUPLICATE_TXN_REQUEST USER_BLOCKED PAYMENT_FAILED
"""
TOKENS = "INVALID_CLIENT OIM000 OIM004 401 PR004"
ORDERS_V2 = """
    BAD_REQUEST INVALID_MERCHANT_ORDER_ID AUTHORIZATION_FAILED FORBIDDEN ORDER_NOT_FOUND ORDER_ALREADY_EXISTS
    MERCHANT_ORDER_MAPPING_NOT_FOUND INVALID_TRANSACTION_ID TRANSACTION_LIMIT_EXCEEDED TOO_MANY_REQUESTS
    INTERNAL_SERVER_ERROR R999 REFUND_AMOUNT_EXCEEDS_ORIGINAL REFUND_NOT_FOUND INVALID_MERCHANT_REFUND_ID
"""
BANKS = """
    TXN_AUTO_FAILED TXN_NOT_COMPLETED Z9 INSUFFICIENT_BALANCE ZM INVALID_MPIN U90 UT U28 BANK_TECHNICAL_ISSUE
    AUTHORIZATION_ERROR PAYMENT_ERROR UPI_BACKBONE_ERROR PG_BACKBONE_ERROR INVALID_SPLIT_DETAILS
    SPLIT_SETTLEMENT_NOT_ENABLED INVALID_OTP_TOKEN NOTIFICATION_ATTEMPTS_BREACHED INVALID_EXPIRY OTHERS 500 Z6 Z7 Z8
    ZA ZH B3 K1 YE XH NO ORDER_EXPIRED ORDER_CANCELLED_BY_USER TXN_STATUS_AWAITED U69 REQUEST_DECLINE_BY_REQUESTEE
"""
KNOWN = sorted(set(f"{PAYMENTS_V1} {TOKENS} {ORDERS_V2} {BANKS}".split()))
DECIDED_BY = {*v1.STATUS_CODES, *v1.DUPLICATE_ID_CODES, *v1.REJECTED_CODES, *v1.PAGE_REJECTED_CODES} | {
    *v2.NOT_FOUND_CODES,
    *v2.DUPLICATE_ID_CODES,
}


def in_hindi(sentence):
    with translation.override("hi"):
        return str(sentence)


@pytest.mark.parametrize("code", KNOWN)
def test_every_published_code_is_explained_to_staff_and_customer(code):
    found = meaning(code)

    assert found.actor in Actor
    assert found.cause
    assert str(found.sentence).isascii()
    assert DEVANAGARI.search(in_hindi(found.sentence))


def test_no_code_is_explained_that_nobody_has_ever_seen():
    assert set(MEANINGS) == set(KNOWN)


def test_every_word_by_which_something_is_decided_is_explained():
    assert set(MEANINGS) >= DECIDED_BY


@pytest.mark.parametrize("category", ErrorCategory.values)
def test_what_carries_no_code_is_explained_by_where_it_broke(category):
    found = meaning("", category)

    assert found.cause
    assert DEVANAGARI.search(in_hindi(found.sentence))


def test_an_unknown_code_stays_unknown():
    assert meaning("SOMETHING_NEW") is None
    assert meaning("") is None


def test_a_code_says_more_than_where_it_broke():
    assert meaning("KEY_NOT_CONFIGURED", ErrorCategory.AUTHENTICATION) is MEANINGS["KEY_NOT_CONFIGURED"]
    assert meaning("SOMETHING_NEW", ErrorCategory.GATEWAY_5XX) is WITHOUT_CODE[ErrorCategory.GATEWAY_5XX]


@pytest.mark.parametrize("code", KNOWN)
def test_whoever_must_act_in_the_dashboard_is_told_where(code):
    found = MEANINGS[code]
    assert found.where or found.actor is not Actor.OWNER


@pytest.mark.parametrize(
    "category", ["READ_TIMEOUT", "GATEWAY_5XX", "BLOCKED_RESPONSE", "BAD_RESPONSE", "CONNECTION_RESET"]
)
def test_who_may_have_paid_is_never_told_to_pay_again(category):
    found = meaning("", category)

    assert not found.customer_may_retry
    assert "do not pay again" in str(found.sentence)


@pytest.mark.parametrize("found", [*MEANINGS.values(), *WITHOUT_CODE.values()])
def test_no_sentence_claims_that_nothing_was_charged(found):
    """A code is open text: where the money is follows from the payment's state alone."""
    assert "charged" not in str(found.sentence)


def test_phonepe_is_not_blamed_for_a_closed_way():
    for category in (
        "DNS_ERROR",
        "CONNECTION_REFUSED",
        "CONNECTION_TIMEOUT",
        "NETWORK_UNREACHABLE",
        "PROXY_ERROR",
    ):
        assert meaning("", category).actor is Actor.HOSTING
