"""The self-test of the webhook: the diagnosis calls it with PhonePe's credentials, and nothing is stored.

A token that only this installation can sign marks the call as ours. The webhook authenticates the call as any other
and answers with a proof over the bytes that arrived, so that a proxy which changes bodies is found.
"""

import base64
import hashlib
import hmac
import json
import secrets

from django.core.signing import BadSignature, TimestampSigner
from django.utils.crypto import constant_time_compare, salted_hmac

from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import Generation

HEADER = "X-Self-Test"
VALID_SECONDS = 60
_signer = TimestampSigner(salt="payment.webhook-self-test")


def create_token() -> str:
    return _signer.sign(secrets.token_urlsafe(12))


def is_ours(offered: str) -> bool:
    """Signed by this installation within the last minute."""
    try:
        _signer.unsign(offered, max_age=VALID_SECONDS)
    except BadSignature:
        return False
    return True


def proof(token: str, raw_body: bytes) -> str:
    """Only this installation can compute it for these bytes."""
    return salted_hmac("payment.webhook-self-test.proof", token.encode() + raw_body).hexdigest()


def proves(answer: object, token: str, raw_body: bytes) -> bool:
    given = answer.get("proof") if isinstance(answer, dict) else None
    return isinstance(given, str) and constant_time_compare(given, proof(token, raw_body))


def body(padding: int = 0) -> bytes:
    """JSON that no serializer would write in the same way, with so many bytes more. It names no order."""
    nonce = base64.b64encode(json.dumps({"selfTest": secrets.token_hex(8)}).encode()).decode()
    return f'{{ "response" :"{nonce}",\n\t"type":"SELF\\u005fTEST" }}{" " * padding}\r\n'.encode()


def sign(merchant: Merchant, raw_body: bytes) -> dict[str, str]:
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
