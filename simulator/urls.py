from collections.abc import Callable, Iterator

from django.http import HttpResponse
from django.urls import URLPattern, path

from simulator import overview, pages, views

app_name = "simulator"


def either(route: str, view: Callable[..., HttpResponse], name: str = "") -> Iterator[URLPattern]:
    """With and without the trailing slash: a redirect would lose the body of a POST."""
    yield path(route, view, name=name) if name else path(route, view)
    yield path(route.removesuffix("/"), view)


urlpatterns = [
    path("", overview.overview, name="overview"),
    *either("sign-in/", overview.sign_in, name="sign_in"),
    path("apis/<path:rest>", views.api),
    *either("control/openapi.json/", views.description),
    path("control/<path:rest>", views.control),
    *either("transact/<str:token>/", pages.page, name="page"),
]
