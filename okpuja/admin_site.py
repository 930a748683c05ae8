"""The site of the admin. It loads the admin of all apps when somebody looks at it: workers and commands rarely do."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin.apps import SimpleAdminConfig
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import autodiscover_modules, import_string
from unfold.sites import UnfoldAdminSite


class DeskSite(UnfoldAdminSite):
    _is_loaded = False
    start_page = "backoffice.views.today.start"  # by dotted path: this module is loaded before any model
    second_step = "accounts.second_factor.has_passed"
    palette = "backoffice.views.search.palette"

    def has_login(self, request: HttpRequest) -> bool:
        """The password was right; the second factor may be missing."""
        return super().has_permission(request)

    def has_permission(self, request: HttpRequest) -> bool:
        has_passed: Callable[[HttpRequest], bool] = import_string(self.second_step)
        return self.has_login(request) and has_passed(request)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        start: Callable[[HttpRequest], HttpResponse] = import_string(self.start_page)
        return start(request)

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        palette: Callable[[HttpRequest], HttpResponse] = import_string(self.palette)
        return palette(request)

    @property
    def _registry(self) -> dict[Any, Any]:
        """Of Django's site. Whoever reads it or registers a model finds all models."""
        if not self._is_loaded:
            self._is_loaded = True
            autodiscover_modules("admin")
        return self._models

    @_registry.setter
    def _registry(self, models: dict[Any, Any]) -> None:
        self._models = models


class DeskConfig(SimpleAdminConfig):
    default_site = "okpuja.admin_site.DeskSite"
