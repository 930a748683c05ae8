"""The other faces of the diagnosis: a page for browsers, plain text for terminals. JSON is the framework's own."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.template.loader import render_to_string
from rest_framework.renderers import BaseRenderer

from diagnostics import rendering

Wire = dict[str, Any]


class TextRenderer(BaseRenderer):
    media_type = "text/plain"
    format = "text"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        return (rendering.as_text(data) if is_diagnosis(data) else f"{data['error']}\n").encode()


class PageRenderer(BaseRenderer):
    media_type = "text/html"
    format = "html"

    def render(self, data: Any, media_type: str | None = None, context: Any = None) -> bytes:
        request: HttpRequest = context["request"]._request
        if not is_diagnosis(data):
            return render_to_string("payment/trouble.html", {"sentence": data["error"]}, request).encode()
        return render_to_string("diagnostics/diagnosis.html", shown(data, request), request).encode()


def is_diagnosis(data: Wire) -> bool:
    """Refusals are rendered by the same renderers."""
    return "verdict" in data


def shown(found: Wire, request: HttpRequest) -> Wire:
    return {
        "found": found,
        "is_full": "next_action" in found,
        "is_refused": "refused" in request.GET,
        "mood": rendering.mood(found),
        "who_acts": rendering.who_acts(found),
        "checked_at": rendering.moment(found["checked_at"]),
        "since": rendering.moment(changed["since"])
        if (changed := found.get("changed_since_last_ok"))
        else "",
        "history": [{**run, "at": rendering.moment(run["checked_at"])} for run in found.get("history", [])],
        "unknown_codes": [
            {**each, "at": rendering.moment(each["last_seen"])} for each in found.get("unknown_codes", [])
        ],
        "endpoints": drawn(found["endpoints"]),
        "controls": drawn(found.get("controls", [])),
        "dependencies": rendering.dependencies(found),
        "build": settings.BUILD,
    }


def drawn(endpoints: list[Wire]) -> list[Wire]:
    return [
        {
            **endpoint,
            "name": endpoint.get("target", endpoint["endpoint"]),
            "ladders": rendering.ladders(endpoint),
        }
        for endpoint in endpoints
    ]
