"""Authentication of webhooks: before anything of one is believed or stored."""

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
