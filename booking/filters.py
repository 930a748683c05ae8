"""How the catalogue is searched, narrowed and ordered."""

from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.utils import timezone
from django_filters import rest_framework as filters
from rest_framework.request import Request

from booking.models import Package, PromoCode, PujaService

LARGEST_ID = 2**63 - 1


class FiltersInUse(filters.DjangoFilterBackend):
    """Builds no form for a request without a parameter of it: that takes a quarter of the time of the catalogue."""

    def get_filterset(self, request: Request, queryset: QuerySet, view: Any) -> filters.FilterSet | None:
        filterset = self.get_filterset_class(view, queryset)
        if filterset is None or filterset.base_filters.keys().isdisjoint(request.query_params):
            return None
        return super().get_filterset(request, queryset, view)


class IdFilter(filters.NumberFilter):
    """An id that no row can have is told: SQLite takes no larger number than its own."""

    field_class = forms.IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)

    def get_max_validator(self) -> None:
        return None


class StableOrdering(filters.OrderingFilter):
    """Ends with the id: rows of equal price must not wander between pages."""

    def filter(self, qs: QuerySet, value: list[str] | None) -> QuerySet:
        ordered = super().filter(qs, value)
        return ordered.order_by(*ordered.query.order_by, "id")


class PujaServiceFilter(filters.FilterSet):
    search = filters.CharFilter(method="filter_search", max_length=100)
    category = IdFilter(field_name="category_id")
    location = filters.CharFilter(method="filter_location", max_length=100)
    language = filters.ChoiceFilter(method="filter_language", choices=Package.Language.choices)
    ordering = StableOrdering(
        fields=(
            ("title", "title"),
            ("price", "price"),
            ("duration_minutes", "duration"),
            ("created_at", "created_at"),
        )
    )

    class Meta:
        model = PujaService
        fields = ("search", "category", "type", "location", "language", "is_active", "ordering")

    def filter_search(self, services: QuerySet, name: str, text: str) -> QuerySet:
        columns = (
            "title",
            "title_hi",
            "description",
            "description_hi",
            "category__name",
            "category__name_hi",
        )
        anywhere = reduce(or_, (Q(**{f"{column}__icontains": text}) for column in columns))
        return services.filter(anywhere)

    def filter_location(self, services: QuerySet, name: str, place: str) -> QuerySet:
        sold = Package.objects.filter(is_active=True, location__icontains=place)
        return services.filter(pk__in=sold.values("puja_service"))

    def filter_language(self, services: QuerySet, name: str, language: str) -> QuerySet:
        sold = Package.objects.filter(is_active=True, language=language)
        return services.filter(pk__in=sold.values("puja_service"))


class PackageFilter(filters.FilterSet):
    puja_service = IdFilter(field_name="puja_service_id")

    class Meta:
        model = Package
        fields = ("puja_service", "location", "language", "package_type")


class PromoFilter(filters.FilterSet):
    """Of `booking.services.promos.visible_to`, in the words of the frontend."""

    search = filters.CharFilter(method="filter_search", max_length=100)
    status = filters.ChoiceFilter(
        method="filter_status", choices=[(word, word) for word in ("available", "used", "expired")]
    )
    code_type = filters.ChoiceFilter(
        method="filter_code_type", choices=[(word, word) for word in ("PUBLIC", "ASSIGNED")]
    )
    service_type = filters.ChoiceFilter(
        method="filter_service_type", choices=[(word, word) for word in ("puja", "astrology", "both")]
    )

    class Meta:
        model = PromoCode
        fields = ("search", "status", "code_type", "service_type")

    def filter_search(self, codes: QuerySet, name: str, text: str) -> QuerySet:
        return codes.filter(Q(code__icontains=text) | Q(description__icontains=text))

    def filter_status(self, codes: QuerySet, name: str, word: str) -> QuerySet:
        if word == "expired":
            return codes.filter(expires_at__lte=timezone.now())
        return codes.filter(uses__gt=0) if word == "used" else codes.filter(counts=True)

    def filter_code_type(self, codes: QuerySet, name: str, word: str) -> QuerySet:
        kind = PromoCode.CodeType
        return codes.filter(
            code_type__in=[kind.USER_SPECIFIC] if word == "ASSIGNED" else [kind.PUBLIC, kind.FIRST_ORDER]
        )

    def filter_service_type(self, codes: QuerySet, name: str, word: str) -> QuerySet:
        return codes.none() if word == "astrology" else codes  # all are for pujas


class DeskPromoFilter(PromoFilter):
    """Of all codes, for staff."""

    status = filters.ChoiceFilter(
        method="filter_status", choices=[(word, word) for word in ("active", "expired", "inactive")]
    )
    code_type = filters.ChoiceFilter(
        method="filter_code_type",
        choices=[(word, word) for word in ("PUBLIC", "PRIVATE", "ASSIGNED", "SERVICE_SPECIFIC")],
    )

    class Meta:
        model = PromoCode
        fields = ("search", "status", "discount_type", "code_type", "service_type")

    def filter_status(self, codes: QuerySet, name: str, word: str) -> QuerySet:
        if word == "inactive":
            return codes.filter(is_active=False)
        is_over = Q(expires_at__lte=timezone.now())
        return codes.filter(is_over) if word == "expired" else codes.filter(~is_over, is_active=True)

    def filter_code_type(self, codes: QuerySet, name: str, word: str) -> QuerySet:
        if word == "PRIVATE":
            return codes.filter(code_type=PromoCode.CodeType.PRIVATE)
        return codes.none() if word == "SERVICE_SPECIFIC" else super().filter_code_type(codes, name, word)


def with_price(services: QuerySet[PujaService]) -> QuerySet[PujaService]:
    """`price`: what the cheapest package on sale costs now, in paise."""
    packages = Package.objects.priced().filter(puja_service=OuterRef("pk"), is_active=True)
    return services.annotate(price=Subquery(packages.order_by("current_paise").values("current_paise")[:1]))
