"""How a customer gets to pay when the shop has no page of ours: a link into their UPI app, a picture, a bank's page."""

import base64
import struct
import zlib
from urllib.parse import quote, urlencode

from simulator import orders
from simulator.models import Order
from simulator.wire import Json

MERCHANT_CATEGORY = "5311"
BY_COLLECT = "UPI_COLLECT"
BY_INTENT = ("UPI_INTENT", "PPE_INTENT")
BY_PICTURE = "UPI_QR"
SIDE = 41  # pixels of a picture


def way_to_pay(order: Order, mode: str) -> Json:
    """V2's members for it. A collect request comes to the customer's app by itself."""
    if mode == BY_COLLECT:
        return {}
    if mode in BY_INTENT:
        return {"intentUrl": intent_url(order)}
    if mode == BY_PICTURE:
        return {"intentUrl": intent_url(order), "qrData": picture(intent_url(order))}
    return {"redirectUrl": orders.page_url(order)}


def instrument_response(order: Order, kind: str) -> Json:
    """V1's words for the same."""
    if kind == BY_COLLECT:
        return {"type": kind}
    if kind in BY_INTENT:
        return {"type": kind, "intentUrl": intent_url(order)}
    if kind == BY_PICTURE:
        return {"type": kind, "qrData": picture(intent_url(order)), "intentUrl": intent_url(order)}
    return {"type": kind, "redirectInfo": {"url": orders.page_url(order), "method": "GET"}}


def intent_url(order: Order) -> str:
    """As UPI apps read it; rupees here, unlike everywhere else."""
    rupees = f"{order.amount_paise // 100}.{order.amount_paise % 100:02}"
    merchant_id, reference = order.merchant.merchant_id, order.merchant_order_id
    members = {
        "pa": f"{merchant_id}@simulator",
        "pn": order.merchant.name,
        "am": rupees,
        "mam": rupees,
        "tr": reference,
        "tn": f"Payment for {reference}",
        "mc": MERCHANT_CATEGORY,
        "mode": "04",
        "purpose": "00",
        "utm_campaign": "B2B_PG",
        "utm_medium": merchant_id,
        "utm_source": reference,
    }
    return "upi://pay?" + urlencode(members, quote_via=quote, safe="@")


def picture(text: str) -> str:
    """A PNG in base64, different for every text. Nobody can scan it: there is no money behind it."""
    bits = _bits(text.encode(), SIDE * SIDE)
    rows = [bits[start : start + SIDE] for start in range(0, SIDE * SIDE, SIDE)]
    pixels = b"".join(b"\x00" + bytes(255 if bit else 0 for bit in row) for row in rows)
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)  # eight bits of grey
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)).decode()


def _bits(text: bytes, count: int) -> list[int]:
    return [text[bit // 8 % len(text)] >> bit % 8 & 1 for bit in range(count)]


def _chunk(name: bytes, content: bytes) -> bytes:
    checked = name + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))
