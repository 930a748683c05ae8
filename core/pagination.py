"""No list without an end. The frontend reads bare arrays, so these stay, with the first hundred rows."""

from typing import Any

from rest_framework.pagination import CursorPagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

MAX_ROWS = 100  # rows of one answer


class Pages(PageNumberPagination):
    page_size = 10
    page_size_query_param = "page_size"
    max_page_size = MAX_ROWS


class LimitedPages(Pages):
    """`limit` is another name for `page_size`: the pages of promo codes use it."""

    def get_page_size(self, request: Request) -> int | None:
        if "limit" in request.query_params:
            self.page_size_query_param = "limit"
        return super().get_page_size(request)


class BoundedArray(Pages):
    """A bare array; `{count, next, previous, results}` for a request with `page` or `page_size`.

    Where an array ends before the rows do, its `Link` header names the next page.
    """

    page_size = MAX_ROWS
    most_rows = MAX_ROWS  # of the array

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        self.is_array = not {self.page_query_param, self.page_size_query_param} & request.query_params.keys()
        if not self.is_array:
            return super().paginate_queryset(queryset, request, view)
        rows = list(queryset[: self.most_rows + 1])
        self.next_url = replace_query_param(request.build_absolute_uri(), self.page_query_param, 2)
        self.has_more = len(rows) > self.most_rows
        return rows[: self.most_rows]

    def get_paginated_response(self, data: Any) -> Response:
        if not self.is_array:
            return super().get_paginated_response(data)
        return Response(data, headers={"Link": f'<{self.next_url}>; rel="next"'} if self.has_more else None)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        bounded = schema | {"maxItems": self.most_rows}
        return {"oneOf": [bounded, super().get_paginated_response_schema(bounded)]}


class Cursor(CursorPagination):
    """`{next, previous, results}`, the newest first: a page costs the same wherever it is, and no row is met twice."""

    ordering = "-id"
    page_size = 20
    page_size_query_param = "page_size"
    max_page_size = MAX_ROWS
