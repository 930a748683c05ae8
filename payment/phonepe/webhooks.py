"""Authentication of webhooks, before anything of one is believed or stored, and the self-test of the webhook.

The diagnosis makes the self-test: it calls the webhook with PhonePe's credentials, and nothing is stored. A token that
only this installation can sign marks the call as ours. The webhook authenticates the call as any other and answers with
a proof over the bytes that arrived, so that a proxy which changes bodies is found.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace

from django.core.signing import BadSignature, TimestampSigner
from django.utils.crypto import constant_time_compare, salted_hmac

from core.errors import Refusal
from payment.phonepe import credentials, v1, v2
from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import ErrorCategory, Generation
from payment.phonepe.schemas import Unreadable, WebhookClaim

SELF_TEST_HEADER = "X-Self-Test"
SELF_TEST_SECONDS = 60
_signer = TimestampSigner(salt="payment.webhook-self-test")


class NotAuthentic(Refusal):
    status_code = 401
    default_code = "not_authentic"
    default_detail = "This call does not prove to come from PhonePe."
    error_category = ErrorCategory.AUTHENTICATION


def authenticate_webhook(headers: Mapping[str, str], raw_body: bytes) -> WebhookClaim:
    """What an authentic webhook claims, checked against every merchant we know. Raises NotAuthentic.

    A scheme whose secret is not set is off: everybody could sign with an empty secret.
    An authentic call that cannot be read is a claim with the event "unreadable".
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    proofs: list[tuple[Merchant, str]] = []
    for merchant in credentials.known_merchants():
        is_v1 = v1.callback_is_authentic(merchant, by_name, raw_body)
        scheme = v1.SCHEME if is_v1 else v2.webhook_scheme(merchant, by_name, raw_body)
        if scheme:
            proofs.append((merchant, scheme))
    if not proofs:
        raise NotAuthentic()
    merchant, scheme = proofs[0]
    try:
        if scheme == v1.SCHEME:
            claim = v1.read_callback(merchant, raw_body)
        else:
            claim = v2.read_webhook(merchant, scheme, raw_body)
    except Unreadable:
        claim = WebhookClaim(merchant.identity, scheme, "unreadable", unclear="its body cannot be read")
    return replace(claim, identities=tuple(merchant.identity for merchant, _ in proofs))


def create_self_test_token() -> str:
    return _signer.sign(secrets.token_urlsafe(12))


def is_self_test(offered: str) -> bool:
    """Signed by this installation within the last minute."""
    try:
        _signer.unsign(offered, max_age=SELF_TEST_SECONDS)
    except BadSignature:
        return False
    return True


def self_test_proof(token: str, raw_body: bytes) -> str:
    """Only this installation can compute it for these bytes."""
    return salted_hmac("payment.webhook-self-test.proof", token.encode() + raw_body).hexdigest()


def proves_self_test(answer: object, token: str, raw_body: bytes) -> bool:
    proof = answer.get("proof") if isinstance(answer, dict) else None
    return isinstance(proof, str) and constant_time_compare(proof, self_test_proof(token, raw_body))


def self_test_body(padding: int = 0) -> bytes:
    """JSON that no serializer would write in the same way, with so many bytes more. It names no order."""
    nonce = base64.b64encode(json.dumps({"selfTest": secrets.token_hex(8)}).encode()).decode()
    return f'{{ "response" :"{nonce}",\n\t"type":"SELF\\u005fTEST" }}{" " * padding}\r\n'.encode()


def sign_self_test(merchant: Merchant, raw_body: bytes) -> dict[str, str]:
    """Headers that authenticate PhonePe to `merchant`; {} when no scheme has its secret."""
    if merchant.webhook_authorization:
        return {"Authorization": merchant.webhook_authorization}
    if merchant.webhook_secret:
        signature = hmac.new(merchant.webhook_secret.encode(), raw_body, hashlib.sha256).hexdigest()
        return {"X-PhonePe-Checksum-Signature": signature}
    if merchant.identity.generation == Generation.V1 and (key := merchant.salt_keys.get(merchant.salt_index)):
        response = json.loads(raw_body)["response"]
        checksum = hashlib.sha256((response + key).encode()).hexdigest()
        return {"X-VERIFY": f"{checksum}###{merchant.salt_index}"}
    return {}
