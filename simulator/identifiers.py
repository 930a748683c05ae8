"""Ids in the format of the real ones: prefix, Indian time to the millisecond, seven digits.

`OMO` order, `OM` attempt, `OMR` refund; in V1 `T` payment, `P` refund. Clients treat them as opaque.
"""

import secrets
from datetime import datetime, timedelta, timezone

INDIA = timezone(timedelta(hours=5, minutes=30))


def provider_id(prefix: str, moment: datetime) -> str:
    local = moment.astimezone(INDIA)
    return f"{prefix}{local:%y%m%d%H%M%S}{local.microsecond // 1000:03}{digits(7)}"


def utr(moment: datetime) -> str:
    """A bank's reference: last digit of the year, day of the year, eight digits."""
    local = moment.astimezone(INDIA)
    return f"{local.year % 10}{local:%j}{digits(8)}"


def upi_transaction_id() -> str:
    return "YBL" + secrets.token_hex(16).upper()


def digits(length: int) -> str:
    return f"{secrets.randbelow(10**length):0{length}}"
