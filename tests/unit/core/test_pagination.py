"""No list has no end: every list route there is, by a walk over the routes and by asking."""

import ast
from datetime import timedelta

import pytest
from django.apps import apps
from django.urls import URLPattern, get_resolver
from rest_framework.pagination import CursorPagination, PageNumberPagination

from accounts.models import Address
from booking.models import Booking, Cart, Package, PromoCode, PujaCategory, PujaService, Slot
from core.pagination import MAX_ROWS, BoundedArray
from payment.models import Payment, Refund
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import create_refund
from tests.harness import ROOT, builders
from tests.integration.test_access import plain
from tests.unit.payment.builders import completed, make_payment

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

VIEWS = sorted(
    path for app in ("accounts", "booking", "payment") for path in (ROOT / app).rglob("*views*/*.py")
)
VIEWS += [path for app in ("accounts", "booking") for path in (ROOT / app).glob("*views.py")]
MANY = 501
# Closing a time works on a hundred bookings a call, and answers one row for each.
BOUNDED_OTHERWISE = {"payment/views/carts.py:close"}

LISTS = {
    "/api/puja/categories/",
    "/api/puja/services/",
    "/api/puja/services/{pk}/slots/",
    "/api/puja/packages/",
    "/api/cart/carts/",
    "/api/booking/bookings/",
    "/api/auth/addresses/",
    "/api/payments/payments/",
    "/api/payments/payments/{pk}/refunds/",
    "/api/puja/public/services/",
    "/api/puja/public/puja/packages/",
    "/api/promo/user/promos/",
    "/api/promo/user/promos/history/",
}
OF_STAFF = {"/api/promo/admin/promos/", "/api/auth/users/", "/api/booking/admin/bookings/"}
OF_STAFF |= {"/api/accounts/admin/employees/", "/api/booking/admin/bookings/employees/"}
OF_SERVERS = {f"/api/server/{name}/" for name in ("bookings", "payments", "events", "webhook-endpoints")}
OF_FEW_ROWS = {"/api/booking/waiting/"}  # open entries: five for each person
ALWAYS_PAGES = {"/api/puja/services/", "/api/puja/public/services/", "/api/promo/user/promos/"}
ROWS = {"/api/puja/packages/": 500, "/api/puja/public/puja/packages/": 500}  # of an array, else a hundred


def mounted(resolver, prefix="/"):
    for entry in resolver.url_patterns:
        path = prefix + plain(str(entry.pattern))
        if isinstance(entry, URLPattern):
            yield path, entry.callback
        else:
            yield from mounted(entry, path)


def pages_of(view):
    cls = getattr(view, "cls", None)
    return (getattr(view, "initkwargs", None) or {}).get(
        "pagination_class", getattr(cls, "pagination_class", None)
    )


def test_every_list_of_the_routes_is_bounded():
    lists = {
        path: pages_of(view)
        for path, view in mounted(get_resolver())
        if (getattr(view, "actions", None) or {}).get("get") == "list"
    }
    assert lists.keys() < LISTS | OF_STAFF | OF_SERVERS | OF_FEW_ROWS
    for path, pages in lists.items():
        assert issubclass(pages, CursorPagination if path in OF_SERVERS else PageNumberPagination), path
        assert 0 < pages.page_size <= pages.max_page_size <= MAX_ROWS, path
        assert pages.page_size_query_param == "page_size", path


def test_no_view_answers_many_rows_past_the_pages():
    """`many=True` of rows that have not been cut into pages is a list without an end."""
    found = set()
    for path in VIEWS:
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                text = ast.unparse(ast.Module(function.body, []))
                if "many=True" in text and "paginate_queryset" not in text:
                    found.add(f"{path.relative_to(ROOT)}:{function.name}")
    assert found == BOUNDED_OTHERWISE


@pytest.fixture
def rows(alice, service, package, slot):
    """501 rows in each list, and more."""
    builders.make_promo("TEN")
    bought = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(bought.attempts.get().pk, completed(), "worker")
    create_refund(bought.attempts.get(), 100, "a gesture", asked_by=None)
    copied(PujaCategory, name="Category {}")
    copied(PujaService, title="Puja {}")
    copied(Package, location="Town {}")
    copied(Address, is_default=False)
    copied(Cart, cart_id=None, status="CHECKED_OUT")
    slots = [
        Slot(service=service, starts_at=builders.in_days(5) + timedelta(minutes=number), capacity=1)
        for number in range(MANY)
    ]
    Slot.objects.bulk_create(slots)
    copied(Payment, checkout_id=None, reference="OKP-COPY-{}")
    copied(Refund, merchant_refund_id="OKPR-COPY-{}")
    copied(PromoCode, code="CODE{}")
    checkouts = copied(type(bought.checkout), state="RELEASED", promo_state="USED")
    first = Booking.objects.get()
    Booking.objects.bulk_create(
        Booking(**values_of(first) | {"checkout_id": checkout.pk, "book_id": f"BK-COPY-{number}"})
        for number, checkout in enumerate(checkouts)
    )
    return {"pk": bought.pk, "service": service.pk}


def values_of(row):
    left_out = {"id", "cart_id"} if isinstance(row, Cart) else {"id"}
    return {
        field.attname: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.name not in left_out
    }


def copied(model, **changes):
    first = values_of(model.objects.first())
    changes = {name: value for name, value in changes.items() if not (model is Cart and name == "cart_id")}
    made = [
        model(
            **first
            | {
                name: value.format(number) if isinstance(value, str) else value
                for name, value in changes.items()
            }
        )
        for number in range(MANY)
    ]
    return model.objects.bulk_create(made)


@pytest.mark.parametrize("model", [model for model in apps.get_models() if model._meta.ordering], ids=str)
def test_rows_that_are_equal_otherwise_do_not_wander_between_pages(model):
    """The order of every model of ours ends with what no two rows share."""
    if not model.__module__.startswith(("accounts.", "booking.", "notifications.", "payment.")):
        return
    names = tuple(name.lstrip("-").removesuffix("_id") for name in model._meta.ordering)
    together = {each.fields for each in model._meta.total_unique_constraints}

    assert names in together or names[-1] in ("id", "pk") or model._meta.get_field(names[-1]).unique


@pytest.mark.proof(every=7)  # each makes 501 rows
@pytest.mark.parametrize("route", sorted(LISTS))
def test_of_501_rows_an_answer_has_a_hundred_and_names_the_next(
    api, alice, rows, django_assert_max_num_queries, route
):
    path = route.format(pk=rows["service"] if "slots" in route else rows["pk"])
    client = api(alice)
    with django_assert_max_num_queries(12):
        bare = client.get(path)
    listed = bare.json()

    if route not in ALWAYS_PAGES:
        assert (len(listed), 'page=2>; rel="next"' in bare["Link"]) == (ROWS.get(route, MAX_ROWS), True)
    page = client.get(path, {"page_size": 7}).json()
    assert set(page) == {"count", "next", "previous", "results"}
    assert (len(page["results"]), page["count"] >= MANY, page["previous"]) == (7, True, None)
    second = client.get(path, {"page_size": 7, "page": 2}).json()
    assert not {row["id"] for row in page["results"]} & {row["id"] for row in second["results"]}
    assert len(client.get(path, {"page_size": 100_000}).json()["results"]) == MAX_ROWS
    assert client.get(path, {"page": 10**9}).status_code == 404


@pytest.mark.parametrize("asked", [{"page": "x"}, {"page": "-1"}, {"page": "9" * 30}])
def test_a_page_that_is_none_is_told(api, alice, asked):
    answer = api(alice).get("/api/auth/addresses/", asked)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("size", ["0", "-5", "x", ""])
def test_a_size_that_is_none_is_the_usual_one(api, alice, size):
    assert len(api(alice).get("/api/auth/addresses/", {"page_size": size}).json()["results"]) == 1


def test_a_short_array_is_the_whole_list_and_names_nothing(api, alice):
    answer = api(alice).get("/api/auth/addresses/")
    assert len(answer.json()) == 1
    assert "Link" not in answer


def test_an_array_begins_with_the_newest(api, alice, rows):
    listed = api(alice).get("/api/booking/bookings/").json()
    assert listed[0]["id"] == Booking.objects.latest("pk").pk


def test_the_bound_is_the_default_of_all_views_to_come(settings):
    assert (
        settings.REST_FRAMEWORK["DEFAULT_PAGINATION_CLASS"]
        == f"{BoundedArray.__module__}.{BoundedArray.__name__}"
    )
