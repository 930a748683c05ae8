"""Filters of the desk's templates; dates are those of `core.templatetags.languages`."""

import json
from typing import Any

from django import template

from backoffice.models import SavedFilter
from backoffice.views.filters import kept_query, list_query
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


@register.simple_tag(takes_context=True)
def saved_filters(context: Any, changelist: Any) -> dict[str, Any]:
    """Of the person who looks at this list of the admin. `current`: the one whose filters are chosen now."""
    request, options = context["request"], changelist.opts
    table, query = f"{options.app_label}_{options.model_name}", kept_query(request.GET.urlencode())
    rows = [
        (each, list_query(each.query)) for each in SavedFilter.objects.filter(user=request.user, table=table)
    ]
    current = next((each for each, _ in rows if query and each.query == query), None)
    return {"rows": rows, "table": table, "query": query, "current": current}
