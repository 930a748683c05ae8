"""Who sent this? A webhook proves to come from PhonePe before a word of it is believed or kept."""

from collections.abc import Mapping
from dataclasses import replace

from core.errors import Refusal
from payment.phonepe import credentials, v1, v2
from payment.phonepe.credentials import Merchant
from payment.phonepe.enums import ErrorCategory
from payment.phonepe.schemas import Unreadable, WebhookClaim


class NotAuthentic(Refusal):
    status_code = 401
    default_code = "not_authentic"
    default_detail = "This call does not prove to come from PhonePe."
    error_category = ErrorCategory.AUTHENTICATION


def authenticate_webhook(headers: Mapping[str, str], raw_body: bytes) -> WebhookClaim:
    """What an authentic webhook claims, checked against every merchant we know. Raises NotAuthentic.

    A scheme whose secret is not set is off: an empty secret is a key that everyone has.
    An authentic call that cannot be read is a claim with the event "unreadable".
    """
    by_name = {name.lower(): value for name, value in headers.items()}
    proofs = [(merchant, _scheme(merchant, by_name, raw_body)) for merchant in credentials.known()]
    proofs = [(merchant, scheme) for merchant, scheme in proofs if scheme]
    if not proofs:
        raise NotAuthentic()
    identities = tuple(merchant.identity for merchant, _ in proofs)
    return replace(_claim(*proofs[0], raw_body), identities=identities)


def _scheme(merchant: Merchant, headers: Mapping[str, str], raw_body: bytes) -> str:
    if v1.callback_is_authentic(merchant, headers, raw_body):
        return v1.SCHEME
    return v2.webhook_scheme(merchant, headers, raw_body)


def _claim(merchant: Merchant, scheme: str, raw_body: bytes) -> WebhookClaim:
    try:
        if scheme == v1.SCHEME:
            return v1.read_callback(merchant, raw_body)
        return v2.read_webhook(merchant, scheme, raw_body)
    except Unreadable:
        return WebhookClaim(merchant.identity, scheme, "unreadable", unclear="its body cannot be read")
