"""The response when the merchant has chosen the payment mode: a UPI intent link, a QR code, or a bank's page."""

import base64
import struct
import zlib
from urllib.parse import quote, urlencode

from simulator import orders
from simulator.models import Order
from simulator.wire import Json

MERCHANT_CATEGORY = "5311"
COLLECT = "UPI_COLLECT"
INTENTS = ("UPI_INTENT", "PPE_INTENT")
QR = "UPI_QR"
PIXELS_A_SIDE = 41  # of the QR code


def v2_response(order: Order, mode: str) -> Json:
    """Members of the V2 response. A collect request needs none: it appears in the customer's app."""
    if mode == COLLECT:
        return {}
    if mode in INTENTS:
        return {"intentUrl": intent_url(order)}
    if mode == QR:
        return {"intentUrl": intent_url(order), "qrData": draw_qr(intent_url(order))}
    return {"redirectUrl": orders.page_url(order)}


def v1_response(order: Order, kind: str) -> Json:
    """The same as V1's `instrumentResponse`."""
    if kind == COLLECT:
        return {"type": kind}
    if kind in INTENTS:
        return {"type": kind, "intentUrl": intent_url(order)}
    if kind == QR:
        return {"type": kind, "qrData": draw_qr(intent_url(order)), "intentUrl": intent_url(order)}
    return {"type": kind, "redirectInfo": {"url": orders.page_url(order), "method": "GET"}}


def intent_url(order: Order) -> str:
    """In the format of UPI apps; amounts are rupees only here."""
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


def draw_qr(text: str) -> str:
    """A PNG in base64, different for every text. It is not a real QR code and cannot be scanned."""
    data, side = text.encode(), range(PIXELS_A_SIDE)
    bits = [data[bit // 8 % len(data)] >> bit % 8 & 1 for bit in range(PIXELS_A_SIDE * PIXELS_A_SIDE)]
    rows = [bits[row * PIXELS_A_SIDE : (row + 1) * PIXELS_A_SIDE] for row in side]
    pixels = b"".join(b"\x00" + bytes(255 if bit else 0 for bit in row) for row in rows)
    header = struct.pack(">IIBBBBB", PIXELS_A_SIDE, PIXELS_A_SIDE, 8, 0, 0, 0, 0)  # eight bits of grey
    png = b"\x89PNG\r\n\x1a\n"
    for name, content in (b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""):
        checksum = struct.pack(">I", zlib.crc32(name + content))
        png += struct.pack(">I", len(content)) + name + content + checksum
    return base64.b64encode(png).decode()
