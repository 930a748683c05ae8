"""Our own knock at the webhook door: it proves who it is as PhonePe would, and leaves nothing behind.

A ticket that only this installation can sign says that it is ours. The door then checks the authentication of the call
as ever, and answers with a proof over the very bytes that arrived, so that a proxy which rewrites bodies shows.
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


def ticket() -> str:
    return _signer.sign(secrets.token_urlsafe(12))


def is_ours(offered: str) -> bool:
    """Signed by this installation within the last minute."""
    try:
        _signer.unsign(offered, max_age=VALID_SECONDS)
    except BadSignature:
        return False
    return True


def proof(of_ticket: str, raw_body: bytes) -> str:
    """What only this installation can say about these bytes."""
    return salted_hmac("payment.webhook-self-test.proof", of_ticket.encode() + raw_body).hexdigest()


def proves(answer: object, of_ticket: str, raw_body: bytes) -> bool:
    given = answer.get("proof") if isinstance(answer, dict) else None
    return isinstance(given, str) and constant_time_compare(given, proof(of_ticket, raw_body))


def body() -> bytes:
    """Bytes that no parser would write again in the same way. Means nothing to anybody."""
    nonce = base64.b64encode(json.dumps({"selfTest": secrets.token_hex(8)}).encode()).decode()
    return f'{{ "response" :"{nonce}",\n\t"type":"SELF\\u005fTEST" }}\r\n'.encode()


def signed(merchant: Merchant, raw_body: bytes) -> dict[str, str]:
    """Headers by which `merchant` would know PhonePe; {} when no scheme has its secret."""
    if merchant.webhook_authorization:
        return {"Authorization": merchant.webhook_authorization}
    if merchant.webhook_secret:
        made = hmac.new(merchant.webhook_secret.encode(), raw_body, hashlib.sha256).hexdigest()
        return {"X-PhonePe-Checksum-Signature": made}
    if merchant.identity.generation == Generation.V1 and (key := merchant.salt_keys.get(merchant.salt_index)):
        said = json.loads(raw_body)["response"]
        made = hashlib.sha256((said + key).encode()).hexdigest()
        return {"X-VERIFY": f"{made}###{merchant.salt_index}"}
    return {}
