"""The page of the admin that shows a new secret, once."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.cache import add_never_cache_headers


def shown_once(desk: Any, request: HttpRequest, made: list[tuple[str, str]]) -> HttpResponse:
    """`made`: labels with their secrets; `desk`: the ModelAdmin. No browser keeps the page."""
    opts = desk.opts
    back = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    context = {**desk.admin_site.each_context(request), "title": f"New {opts.verbose_name}", "opts": opts}
    page = TemplateResponse(request, "core/shown_once.html", {**context, "made": made, "back": back})
    add_never_cache_headers(page)
    return page
