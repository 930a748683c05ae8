"""The merchants and their credentials. The published ones stand in docs/simulator.md and protect nothing; a site that
sets SIMULATOR_CREDENTIALS has keys of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db.models import Exists

from simulator.models import Merchant
from simulator.validation import is_reference

PUBLISHED: dict[str, dict[str, Any]] = {
    Merchant.Generation.V1: {
        "merchant_id": "PGTESTPAYUAT",
        "salt_key": "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399",
        "salt_index": 1,
    },
    Merchant.Generation.V2: {
        "merchant_id": "SIMMERCHANT",
        "client_id": "SIM-CLIENT",
        "client_secret": "sim-secret",
        "client_version": 1,
        "webhook_username": "sim_hook",
        "webhook_password": "Sim-pass-9",
        "webhook_secret": "sim-hmac-secret",
        "webhook_key_id": "CF-SIMULATOR",
    },
}


def find_by_merchant_id(generation: str, merchant_id: str, **annotations: Exists) -> Merchant | None:
    """`annotations` are set on the merchant as attributes."""
    return _find(generation, "merchant_id", merchant_id, annotations)


def find_by_client_id(client_id: str) -> Merchant | None:
    return _find(Merchant.Generation.V2, "client_id", client_id)


def ensure_merchants(webhook_url: str = "", more: Iterable[Sequence[str]] = ()) -> list[Merchant]:
    """Creates the missing merchants, and sets `webhook_url` on all of them.

    `more`: (v1, id, salt key, index) or (v2, id, client id, client secret, version).
    """
    merchants = [_create_published(generation) for generation in PUBLISHED] + [
        _register(*fields) for fields in more
    ]
    Merchant.objects.update(webhook_url=webhook_url)
    return merchants


def _register(generation: str, merchant_id: str, *credentials: str) -> Merchant:
    if generation == Merchant.Generation.V1:
        salt_key, salt_index = credentials
        known: dict[str, Any] = {"salt_key": salt_key, "salt_index": int(salt_index)}
    else:
        client_id, client_secret, client_version = credentials
        webhook = {name: value for name, value in PUBLISHED["v2"].items() if name.startswith("webhook_")}
        known = webhook | {"client_id": client_id, "client_secret": client_secret}
        known["client_version"] = int(client_version)
    merchant: Merchant
    merchant, _ = Merchant.objects.update_or_create(
        generation=generation,
        merchant_id=merchant_id,
        defaults=known | {"name": f"{merchant_id} (simulated)"},
    )
    return merchant


def _find(
    generation: str, field: str, value: str, annotations: Mapping[str, Exists] = MappingProxyType({})
) -> Merchant | None:
    if not is_reference(value, 80):
        return None
    known = Merchant.objects.filter(generation=generation, **{field: value})
    found: Merchant | None = known.annotate(**annotations).first()
    if found is None and PUBLISHED[generation].get(field) == value:
        return _create_published(generation)
    return found


def _create_published(generation: str) -> Merchant:
    known = PUBLISHED[generation] | getattr(settings, "SIMULATOR_CREDENTIALS", {}).get(generation, {})
    merchant: Merchant
    merchant, _ = Merchant.objects.get_or_create(
        generation=generation,
        merchant_id=known.pop("merchant_id"),
        defaults=known | {"name": "OkPuja (simulated)"},
    )
    return merchant
