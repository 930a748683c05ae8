"""Every route by both spellings, and errors that are JSON for programs, also while DEBUG is on."""

import importlib
import re

import pytest
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import Client
from django.urls import URLPattern, get_resolver, path

from core.middleware import CATCH_ALL, matching_path
from tests.harness.builders import PASSWORD
from tests.integration.test_access import RULES, filled

# Each route there is.
pytestmark = [pytest.mark.slow, pytest.mark.proof(every=9), pytest.mark.django_db(transaction=True)]
__all__ = ["filled"]

VALUES = {
    **dict.fromkeys(("pk", "object_id", "content_type_id"), "1"),
    "token": "t",
    "ref": "BK-1",
    "cart_id": "7d6f2c0e-1111-4222-8333-444455556666",
    "merchant_order_id": "MO1",
    "slug": "a-post",
    "rest": "x/",
    "book_id": "BK-1",
    "code": "hi",
    "digest": "0" * 64,
    "event_id": f"evt_{'0' * 24}",
}


def patterns(resolver, prefix=""):
    """Every address that is mounted, with something in its holes."""
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if not isinstance(entry, URLPattern):
            yield from patterns(entry, route)
        elif not route.endswith(CATCH_ALL):
            yield "/" + some(route)


def some(route):
    route = re.sub(r"\(\?P<app_label>([^|)]*)[^)]*\)", r"\1", route)
    route = re.sub(
        r"\(\?P<(\w+)>(?:[^()]|\([^)]*\))*\)|<(?:\w+:)?(\w+)>", lambda hole: value(hole[1] or hole[2]), route
    )
    return route.replace("^", "").replace("$", "").replace(r"\.", ".").replace("/?", "/")


def value(name):
    return VALUES.get(name, "1")


HOST = "http://testserver"  # without it, the test client takes what follows two slashes for a host
EVERY = sorted({*patterns(get_resolver())} - {"/"})  # which has one spelling


def test_the_walk_finds_routes_of_every_kind():
    assert {
        "/healthz",
        "/admin/login/",
        "/pay/t/",
        "/api/cart/carts/1/",
        "/simulator/",
        "/api/schema/",
    } <= set(EVERY)
    assert len(EVERY) > 100


@pytest.mark.parametrize("route", EVERY)
def test_every_route_is_found_by_either_spelling(route):
    bare = route.rstrip("/")
    assert matching_path(route) == route
    if not route.startswith(("/simulator/apis/", "/simulator/control/")):  # these match whatever follows
        assert {matching_path(bare).rstrip("/"), matching_path(f"{bare}/").rstrip("/")} == {bare}
        assert {resolved(matching_path(bare)), resolved(matching_path(f"{bare}/"))} == {resolved(route)}


def resolved(route):
    found = get_resolver().resolve(route)
    return found.func, str(found.kwargs)


@pytest.mark.parametrize("row", sorted(RULES.keys() - {"{root} get"}))
def test_without_the_last_slash_the_answer_is_the_same(api, row):
    route, method = row.split()
    route = "/" + route.format(**VALUES)
    other = route.rstrip("/") if route.endswith("/") else f"{route}/"

    answers = [getattr(api(), method)(each) for each in (route, other)]

    assert len({answer.status_code for answer in answers}) == 1
    assert answers[1].status_code not in (301, 308, 405, 500)


@pytest.mark.parametrize("row", sorted(row for row in RULES if row.split()[1] != "get"))
def test_what_is_posted_without_the_last_slash_arrives(api, alice, filled, row):
    route, method = row.split()
    answer = getattr(api(alice), method)(filled(route).rstrip("/"), {"x": 1})
    found = answer.status_code not in (301, 302, 308, 404, 405, 500)
    assert found or {"token", "door", "book-with-payment"} & set(re.findall(r"[a-z-]+", route))


def test_a_login_is_read_by_either_spelling(api, alice):
    said = {"email": alice.email, "password": "wrong"}
    assert [api().post(f"/api/auth/login{slashes}", said).status_code for slashes in ("/", "", "//")] == [
        400
    ] * 3


@pytest.mark.parametrize("row", sorted(row for row in RULES if row.startswith("api/")))
def test_with_doubled_slashes_the_answer_is_the_same(api, row):
    """A base address with a last slash, and an id with one: both come from the frontends."""
    route, method = row.split()
    route = "/" + route.format(**VALUES)

    doubled = (f"{HOST}/{route}", HOST + route.replace("/", "//"))
    answers = [getattr(api(), method)(each) for each in (route, *doubled)]

    assert len({answer.status_code for answer in answers}) == 1


def test_what_is_posted_with_doubled_slashes_arrives(api, alice):
    said = {"email": alice.email, "password": PASSWORD}
    answers = [
        api().post(HOST + path, said)
        for path in ("//api/auth/login/", "/api//auth//login", "/api/auth/login///")
    ]

    assert [answer.json()["email"] for answer in answers] == [alice.email] * 3


def test_a_booking_is_found_by_an_id_with_a_last_slash(api, alice, filled):
    path = filled("api/booking/bookings/by-id/{ref}/")
    assert api(alice).get(f"{path}/").json() == api(alice).get(path).json()


@pytest.mark.parametrize(
    "path",
    [
        "//admin/",
        "/admin//login/",
        "//simulator/",
        "/simulator//control/reset/",
        "//healthz",
        "//example.com/api/",
    ],
)
def test_elsewhere_doubled_slashes_are_no_route(client, staff, path):
    """Neither past the rules of a proxy, nor to another host."""
    client.force_login(staff)
    assert client.get(HOST + path).status_code == 404


def test_doubled_slashes_in_the_api_lead_to_no_other_host_and_to_no_admin(client, staff):
    client.force_login(staff)
    for route in ("/api//admin/", "/api//../admin/", "//api//example.com/", "/api//example.com"):
        answer = client.get(HOST + route)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_form_of_the_admin_is_read_without_the_last_slash(client, staff):
    client.force_login(staff)
    said = {"name": "Without a slash"}

    answer = client.post("/admin/booking/pujacategory/add", said)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/booking/pujacategory/")


def test_a_page_of_the_admin_is_shown_at_its_own_address(client, staff):
    """Its links are relative to it."""
    client.force_login(staff)
    answer = client.get("/admin/booking/pujacategory?q=x")
    assert (answer.status_code, answer["Location"]) == (301, "/admin/booking/pujacategory/?q=x")


def test_a_preflight_asks_by_either_spelling():
    headers = {"origin": "http://frontend.example", "access-control-request-method": "POST"}
    answers = [Client().options(f"/api/auth/login{slash}", headers=headers) for slash in ("/", "")]
    assert [answer.status_code for answer in answers] == [200, 200]


def test_what_is_no_route_is_no_route_by_any_spelling(api):
    for route in ("/api/nothing", "/api/nothing/", "/api", "/api/"):
        assert api().post(route).status_code == 404


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (KeyError("x"), 500, "internal_error"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (SuspiciousOperation(), 400, "bad_request"),
        (BadRequest(), 400, "bad_request"),
    ],
)
def test_errors_under_api_are_json_also_in_debug(settings, urls, debug, error, status, code):
    settings.DEBUG = debug

    answer = failing(urls, error).post("/api/fails/")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "Traceback" not in answer.content.decode()


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_an_unknown_route_is_json_also_in_debug(settings, method):
    settings.DEBUG = True
    for route in ("/api/nothing", "/api/nothing/", "/api/auth/login/nothing", "/api"):
        answer = getattr(Client(), method)(route)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_wrong_host_is_told_in_json_also_in_debug(settings):
    settings.DEBUG = True
    answer = Client().get("/api/puja/categories/", headers={"host": "evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


def test_the_stack_of_a_crash_is_in_the_log_of_debug(settings, urls, caplog):
    settings.DEBUG = True
    failing(urls, KeyError("the culprit")).get("/api/fails/")
    assert any(record.exc_info and "the culprit" in str(record.exc_info[1]) for record in caplog.records)


def test_elsewhere_debug_shows_what_django_shows(settings, urls):
    settings.DEBUG = True
    assert b"<html" in failing(urls, KeyError("x")).get("/fails/").content


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Via"])
def test_a_stranger_sees_no_stack_while_debug_is_on(settings, urls, header):
    settings.DEBUG = True
    client = failing(urls, KeyError("the culprit"))
    said = client.get("/fails/", headers={header: "203.0.113.9"}).content
    assert b"Traceback" not in said
    assert b"the culprit" not in said
    assert b"SECRET_KEY" not in said
    ops = {"X-Ops-Token": settings.OPS_TOKEN}
    assert b"the culprit" in client.get("/fails/", headers={header: "203.0.113.9", **ops}).content


@pytest.mark.parametrize("reader", ["a program", "a person"])
def test_without_a_database_no_page_calls_itself_broken(urls, reader):
    client = failing(urls, OperationalError("connection refused"))
    headers = {"Accept": "text/html"} if reader == "a person" else {}
    answer = client.get("/fails/", headers=headers)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    assert "Our database does not answer." in answer.content.decode()
    if reader == "a person":
        assert "<h1>A moment, please</h1>" in answer.content.decode()
    else:
        assert answer.json()["code"] == "database_down"


@pytest.fixture
def urls(settings):
    module = importlib.import_module("tests.unit.core.failing_urls")
    settings.ROOT_URLCONF = module.__name__
    return module


def failing(module, error):
    def view(request):
        raise error

    view.csrf_exempt = True
    module.urlpatterns[:] = [path("api/fails/", view), path("fails/", view)]
    return Client(raise_request_exception=False)
