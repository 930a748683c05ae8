"""Filters of the desk's templates; dates are those of `core.templatetags.languages`."""

import json
from typing import Any

from django import template

from core.money import in_rupees

register = template.Library()


@register.filter
def money(paise: int | None) -> str:
    """14990000 -> ₹1,49,900.00; nothing where nothing is known."""
    return "" if paise is None else in_rupees(paise)


@register.filter
def whatsapp(phone: Any) -> str:
    """The address that opens a chat with this number."""
    return f"https://wa.me/{''.join(filter(str.isdigit, str(phone)))}"


@register.filter
def pretty(value: Any) -> str:
    """JSON for a person to read."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
