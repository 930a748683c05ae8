"""Filters of the desk's templates; dates are those of `core.templatetags.languages`."""

from django import template

from core.money import grouped

register = template.Library()


@register.filter
def money(paise: int | None) -> str:
    """14990000 -> ₹1,49,900.00; nothing where nothing is known."""
    return "" if paise is None else f"₹{grouped(paise)}"
