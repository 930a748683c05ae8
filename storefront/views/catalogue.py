"""The catalogue, one puja, its free times. Visitors without a login get the first two from memory."""

import hashlib
from collections.abc import Callable
from datetime import date
from typing import ClassVar
from urllib.parse import urlencode

from django.core.cache import caches
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers

from booking.filters import LARGEST_ID, PujaServiceFilter, with_price
from booking.models import Package, PujaCategory, PujaService
from booking.services.previews import is_preview_of
from core.dates import weekday_names
from core.texts import one_line
from core.waiting import WaitSlots
from payment.services.paying import paying_works
from payment.views.pages import SeeOther
from storefront.calendar import FreeTimes, month_beside
from storefront.forms import TimesForm
from storefront.policy import rules_in_words
from storefront.views.page import Page, address_with, may_see_demo

PUJAS_OF_PAGE = 24
LONGEST_SEARCH = 100
KEPT_SECONDS = 30  # how long a change of the catalogue may go unseen
RENDERED_WITHIN = 2  # seconds for which others wait for the page that one of them renders
rendering = WaitSlots(
    1
)  # a rush at the moment in which a page is forgotten renders it once, not two hundred times


class PublicPage(Page):
    """The same for everybody who is not signed in."""

    def answer(self, key: str, build: Callable[[], HttpResponse]) -> HttpResponse:
        """From memory if `key` is not empty. With an ETag, so that a browser that has the page loads nothing.

        What is kept is read by strangers: no page that was asked for with more than its own parameters.
        """
        if not self.request.GET.keys() <= {*self.parameters}:
            key = ""
        if self.customer:
            return build()
        content = self._remember(key, build) if key else build().content
        response = HttpResponse(content)
        response["ETag"] = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        patch_cache_control(response, public=True, max_age=KEPT_SECONDS)
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        return get_conditional_response(self.request, response["ETag"], response=response) or response

    def _remember(self, key: str, build: Callable[[], HttpResponse]) -> bytes:
        key = f"{key}:{self.language}:{may_see_demo(self.request)}"
        content: bytes | None = caches["pages"].get(key)
        if content is not None:
            return content
        with rendering.reserve(RENDERED_WITHIN):  # slower: the database hangs, and each is told so
            content = caches["pages"].get(key)
            if content is None:
                content = build().content
                caches["pages"].set(key, content, KEPT_SECONDS)
        return content


class CataloguePage(PublicPage):
    template: ClassVar[str] = "storefront/catalogue.html"
    parameters = ("q", "category", "page")

    def get(self, request: HttpRequest) -> HttpResponse:
        search = one_line(request.GET.get("q", "")[:LONGEST_SEARCH])
        category, number = (_whole_number(request.GET.get(name, "")) for name in ("category", "page"))
        key = "" if search else f"catalogue:{category}:{number}"
        return self.answer(key, lambda: self._build(search, category, number))

    def _build(self, search: str, category: int, number: int) -> HttpResponse:
        sold = Package.objects.filter(is_active=True).values("puja_service")
        pujas = with_price(PujaService.objects.filter(is_active=True, pk__in=sold))
        found = {"search": search, "category": category or ""}
        narrowed = PujaServiceFilter(found, queryset=pujas).qs
        ordered = narrowed.select_related("category").order_by(
            "category__position", "category__name", "position", "title"
        )
        page = Paginator(ordered, PUJAS_OF_PAGE).get_page(number or 1)
        categories = PujaCategory.objects.filter(services__is_active=True, services__packages__is_active=True)
        query = {"q": search, "category": category or ""}
        return self.show(
            pujas=page,
            categories=categories.distinct(),
            category=category,
            search=search,
            here=address_with(self.request.path, query | {"page": number}),
            # Links to other pages of what is shown begin with it.
            query=urlencode({name: value for name, value in query.items() if value}),
        )


class PujaPage(PublicPage):
    template: ClassVar[str] = "storefront/puja.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """With `preview`, a link of staff: also when the puja is hidden, and never from memory."""
        if is_preview_of(request.GET.get("preview", ""), pk):
            return self._build(get_object_or_404(PujaService.objects.select_related("category"), pk=pk), True)
        return self.answer(f"puja:{pk}", lambda: self._build(find_puja(pk)))

    def _build(self, puja: PujaService, is_preview: bool = False) -> HttpResponse:
        packages = Package.objects.priced().filter(puja_service=puja, is_active=True)
        packages = packages.order_by("position", "current_paise", "id")
        return self.show(puja=puja, packages=packages, rules=rules_in_words(), is_preview=is_preview)


class TimesPage(Page):
    """The month with its free days, and the times of one day. Never from memory: places go fast."""

    template: ClassVar[str] = "storefront/times.html"
    parameters = ("package", "month", "day")

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        puja, form = find_puja(pk), TimesForm(request.GET)
        fields = form.cleaned_data if form.is_valid() else {}
        package = (
            Package.objects.priced()
            .filter(pk=fields.get("package") or 0, puja_service=puja, is_active=True)
            .first()
        )
        if package is None:
            return SeeOther(reverse("shop-puja", args=[pk]))
        free, today = FreeTimes(puja), timezone.localdate()
        month: date | None = fields["month"] or (fields["day"] and fields["day"].replace(day=1))
        first_free = free.first_free_day(month or today)
        month = month or (first_free or today).replace(day=1)
        month = min(max(month, today.replace(day=1)), free.last_day.replace(day=1))
        is_here = first_free is not None and first_free.replace(day=1) == month
        day = fields["day"] or (first_free if is_here else None)
        return self.show(
            puja=puja,
            package=package,
            is_down=not paying_works(),
            month=month,
            weekdays=weekday_names(),
            weeks=free.month(month),
            day=day,
            times=free.times(day) if day else [],
            first_free=first_free,
            is_free_here=is_here,
            before=month_beside(month, -1) if month > today.replace(day=1) else None,
            after=month_beside(month, 1) if month_beside(month, 1) <= free.last_day else None,
        )


def find_puja(pk: int) -> PujaService:
    """Raises Http404."""
    if pk > LARGEST_ID:
        raise Http404
    return get_object_or_404(PujaService.objects.select_related("category"), pk=pk, is_active=True)


def _whole_number(text: str) -> int:
    """0 for what is none."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    return number if number <= LARGEST_ID else 0
