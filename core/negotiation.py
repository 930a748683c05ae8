"""Which renderer answers a route that sends files."""

from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request


class IgnoreAcceptHeader(DefaultContentNegotiation):
    """A file is a file whatever the caller accepts, and its errors are JSON."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        return renderers[0], renderers[0].media_type
