"""Payment instruments on the page, and which of them the merchant has enabled."""

import re
from collections.abc import Iterator
from typing import Any

from simulator.transitions import INSTRUMENT_TYPES, QR_CODE, PaymentInstrument
from simulator.wire import Json

VPA = re.compile(r"[A-Za-z0-9._-]{2,60}@[A-Za-z]{2,20}")
UPI_NUMBER = re.compile(r"[0-9]{8,10}")
UPI_ID = "upi_id"
# name: label on the page, instrument in the API.
INSTRUMENTS = {
    "upi_app": ("UPI app", PaymentInstrument("UPI_INTENT")),
    UPI_ID: ("UPI id", PaymentInstrument("UPI_COLLECT")),
    "upi_qr": ("QR code", QR_CODE),
    "credit_card": ("Credit card", PaymentInstrument("CARD", "CREDIT_CARD", "")),
    "debit_card": ("Debit card", PaymentInstrument("CARD", "DEBIT_CARD", "")),
    "net_banking": ("Net banking", PaymentInstrument("NET_BANKING", "NET_BANKING", "")),
}


class InvalidVpa(Exception):
    """Not a valid UPI id."""


def parse_choice(name: str, address: str) -> PaymentInstrument:
    """The default is the QR code. Raises InvalidVpa."""
    if name not in INSTRUMENTS:
        return PaymentInstrument()
    instrument = INSTRUMENTS[name][1]
    if name != UPI_ID:
        return instrument
    if not VPA.fullmatch(address):
        raise InvalidVpa(address)
    return PaymentInstrument(instrument.mode, instrument.instrument, _mask_vpa(address))


def from_mode(mode: str, address: str = "") -> PaymentInstrument:
    """The instrument of a mode that the merchant has chosen. `address`: the UPI id of a collect request."""
    if mode in INSTRUMENT_TYPES:
        return PaymentInstrument(mode, INSTRUMENT_TYPES[mode], "")
    return PaymentInstrument(mode, QR_CODE.instrument, _mask_vpa(address) if address else QR_CODE.vpa)


def names_of_mode(mode: str) -> list[str]:
    """What the page shows when the mode is fixed."""
    return [name for name, (_, instrument) in INSTRUMENTS.items() if instrument.mode == mode]


def enabled_names(config: Json) -> list[str]:
    """`paymentModeConfig` lists modes to show or modes to hide; without it all are shown."""
    if "enabledPaymentModes" in config:
        enabled = set(_match_modes(config["enabledPaymentModes"], bare_card=("CREDIT_CARD", "DEBIT_CARD")))
        return [name for name in INSTRUMENTS if name in enabled]
    hidden = set(_match_modes(config.get("disabledPaymentModes", []), bare_card=()))
    return [name for name in INSTRUMENTS if name not in hidden]


def _match_modes(modes: list[Any], bare_card: tuple[str, ...]) -> Iterator[str]:
    """`bare_card`: the card types of CARD without `cardTypes`. To hide bare CARD hides nothing."""
    for mode in modes:
        instruments = mode.get("cardTypes") or bare_card if mode["type"] == "CARD" else ()
        for name, (_, instrument) in INSTRUMENTS.items():
            if instrument.mode == mode["type"] and (
                instrument.mode != "CARD" or instrument.instrument in instruments
            ):
                yield name


def _mask_vpa(address: str) -> str:
    name, _, bank = address.partition("@")
    return f"{name[:2]}****{name[-2:]}@{bank}"
