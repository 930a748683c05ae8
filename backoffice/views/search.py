"""The search: a page, and unfold's command palette."""

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from unfold.dataclasses import SearchResult

from backoffice.navigation import entries_of
from backoffice.pages import desk_page, show
from backoffice.search import search

PALETTE, DROPDOWN = "unfold/helpers/command_results.html", "unfold/helpers/search_results.html"


@desk_page()
def results(request: HttpRequest) -> HttpResponse:
    """`?q=`: what was found, and with a single hit the hit itself."""
    text = request.GET.get("q", "").strip()
    hits = search(request, text)
    if len(hits) == 1:
        return redirect(hits[0].address)
    return show(request, "backoffice/search.html", _("Search"), search_text=text, hits=hits)


def palette(request: HttpRequest) -> HttpResponse:
    """In place of unfold's own search, which keeps names and phones that it found in the cache for five minutes."""
    text = request.GET.get("s", "").strip()
    if not text:
        return HttpResponse()
    lowered = text.lower()
    results = [
        SearchResult(str(entry.title), _("page"), reverse(entry.page), entry.icon)
        for entry in entries_of(request)
        if lowered in str(entry.title).lower()
    ]
    results += [
        SearchResult(str(model["name"]), _("table"), model["admin_url"], "table_view")
        for app in admin.site.get_app_list(request)
        for model in app["models"]
        if lowered in str(model["name"]).lower()
    ]
    results += [SearchResult(hit.title, hit.detail, hit.address, hit.icon) for hit in search(request, text)]
    pages = Paginator(results, max(len(results), 1))
    context = {"page_obj": pages, "results": pages.page(1), "page_counter": 0, "execution_time": 0}
    template = PALETTE if "extended" in request.GET else DROPDOWN
    return TemplateResponse(request, template, context, headers={"HX-Trigger": "search"})
