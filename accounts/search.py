"""How staff find people by telephone."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from accounts.phones import searched_digits


class PhoneSearch:
    """For a ModelAdmin: the search also finds numbers that were typed in another spelling, or in part."""

    phone_fields: tuple[str, ...] = ("phone",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, may_repeat = super().get_search_results(request, queryset, search_term)  # type: ignore[misc]
        digits = searched_digits(search_term)
        if not digits:
            return found, may_repeat
        by_phone = Q()
        for name in self.phone_fields:
            by_phone |= Q(**{f"{name}__contains": digits})
        return queryset.filter(Q(pk__in=found.order_by().values("pk")) | by_phone), False
