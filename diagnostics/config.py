"""The configuration as staff may see it: ids by their first and last two characters, secrets only as "set"."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.crypto import salted_hmac

from payment.phonepe.credentials import Merchant

Json = dict[str, Any]

# Masked: a changed value may look the same, so each gets a fingerprint.
HIDDEN = (
    "PHONEPE_MERCHANT_ID",
    "PHONEPE_SALT_KEY",
    "PHONEPE_CLIENT_ID",
    "PHONEPE_CLIENT_SECRET",
    "PHONEPE_WEBHOOK_USERNAME",
    "PHONEPE_WEBHOOK_PASSWORD",
    "PHONEPE_WEBHOOK_SECRET",
    "PHONEPE_PROXY_URL",
    "PHONEPE_FALLBACK_BASE_URLS",
    "PHONEPE_PREVIOUS",
    "DATABASE_URL",
    "CACHE_URL",
    "EMAIL_URL",
    "BROKER_URL",
)


def masked(merchant: Merchant | None) -> Json:
    """`merchant` None: nothing usable is configured."""
    return {
        "environment": settings.PHONEPE_ENV,
        "simulation": settings.PHONEPE_SIMULATION_MODE,
        "payments_enabled": settings.PAYMENT_ENABLED,
        "api_version": merchant.identity.generation if merchant else settings.PHONEPE_API_VERSION,
        "endpoints": [
            {
                "base_url": endpoint.base_url,
                "token_base_url": endpoint.auth_base_url,
                "proxy": endpoint.proxy_name,
                "is_page_host": not endpoint.signs,
            }
            for endpoint in (merchant.endpoints if merchant else ())
        ],
        "merchant_id": mask(settings.PHONEPE_MERCHANT_ID),
        "salt_key": is_set(settings.PHONEPE_SALT_KEY),
        "salt_index": settings.PHONEPE_SALT_INDEX,
        "client_id": mask(settings.PHONEPE_CLIENT_ID),
        "client_secret": is_set(settings.PHONEPE_CLIENT_SECRET),
        "client_version": settings.PHONEPE_CLIENT_VERSION,
        "webhook_username": mask(settings.PHONEPE_WEBHOOK_USERNAME),
        "webhook_password": is_set(settings.PHONEPE_WEBHOOK_PASSWORD),
        "webhook_secret": is_set(settings.PHONEPE_WEBHOOK_SECRET),
        "former_credentials": len(settings.PHONEPE_PREVIOUS),
        "tls_verified": settings.PHONEPE_SSL_VERIFY,
        "ca_bundle": is_set(settings.PHONEPE_CA_BUNDLE),
        "deadline_seconds": settings.PHONEPE_DEADLINE,
        "connect_timeout_seconds": settings.PHONEPE_CONNECT_TIMEOUT,
        "read_timeout_seconds": settings.PHONEPE_READ_TIMEOUT,
        "public_base_url": settings.PUBLIC_BASE_URL,
        "control_hosts": [urlsplit(url).netloc for url in settings.DIAGNOSIS_CONTROL_URLS],
    }


def hidden_fingerprints() -> dict[str, str]:
    """Of each hidden setting: another one after a change, and of no use to anybody without SECRET_KEY."""
    values = {name: getattr(settings, name) for name in HIDDEN}
    return {
        name: salted_hmac(f"payment.diagnosis.{name}", str(value)).hexdigest()[:8] if value else "not set"
        for name, value in values.items()
    }


def mask(value: str) -> str:
    """Enough to recognise an id, too little to use it."""
    if not value:
        return "not set"
    return f"{value[:2]}…{value[-2:]}" if len(value) >= 8 else "set"


def is_set(secret: str) -> str:
    return "set" if secret else "not set"
