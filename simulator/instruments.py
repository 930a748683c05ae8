"""What a customer can pay with on the page, and which of it a shop has asked to be shown."""

import re
from collections.abc import Iterator
from typing import Any

from simulator.transitions import INSTRUMENTS, SCANNED, Means
from simulator.wire import Json

ADDRESS = re.compile(r"[A-Za-z0-9._-]{2,60}@[A-Za-z]{2,20}")
UPI_NUMBER = re.compile(r"[0-9]{8,10}")
UPI_ID = "upi_id"
# What the page calls it, and what the wire does.
MEANS = {
    "upi_app": ("UPI app", Means("UPI_INTENT")),
    UPI_ID: ("UPI id", Means("UPI_COLLECT")),
    "upi_qr": ("QR code", SCANNED),
    "credit_card": ("Credit card", Means("CARD", "CREDIT_CARD", "")),
    "debit_card": ("Debit card", Means("CARD", "DEBIT_CARD", "")),
    "net_banking": ("Net banking", Means("NET_BANKING", "NET_BANKING", "")),
}


class BadAddress(Exception):
    """No UPI id looks like this."""


def chosen(name: str, address: str) -> Means:
    """A customer who chooses nothing scans the QR code. Raises BadAddress."""
    if name not in MEANS:
        return Means()
    means = MEANS[name][1]
    if name != UPI_ID:
        return means
    if not ADDRESS.fullmatch(address):
        raise BadAddress(address)
    return Means(means.mode, means.instrument, _masked(address))


def agreed(mode: str, address: str = "") -> Means:
    """How the shop lets its customer pay when it has a page of its own. `address`: of a collect request."""
    if mode in INSTRUMENTS:
        return Means(mode, INSTRUMENTS[mode], "")
    return Means(mode, SCANNED.instrument, _masked(address) if address else SCANNED.vpa)


def of_mode(mode: str) -> list[str]:
    """What a page shows when only this mode is left."""
    return [name for name, (_, means) in MEANS.items() if means.mode == mode]


def offered(config: Json) -> list[str]:
    """`paymentModeConfig` names modes to show or modes to hide; without it everything is shown."""
    if "enabledPaymentModes" in config:
        shown = set(_named(config["enabledPaymentModes"], bare_card=("CREDIT_CARD", "DEBIT_CARD")))
        return [name for name in MEANS if name in shown]
    hidden = set(_named(config.get("disabledPaymentModes", []), bare_card=()))
    return [name for name in MEANS if name not in hidden]


def _named(modes: list[Any], bare_card: tuple[str, ...]) -> Iterator[str]:
    """`bare_card`: what CARD without card types means. Under the hidden ones it means nothing."""
    for mode in modes:
        instruments = mode.get("cardTypes") or bare_card if mode["type"] == "CARD" else ()
        for name, (_, means) in MEANS.items():
            if means.mode == mode["type"] and (means.mode != "CARD" or means.instrument in instruments):
                yield name


def _masked(address: str) -> str:
    name, _, bank = address.partition("@")
    return f"{name[:2]}****{name[-2:]}@{bank}"
