"""The catalogue and the bookings over HTTP; carts have a file of their own."""

from datetime import timedelta

import pytest
from django.utils import timezone

from booking.models import PujaCategory, PujaService, Slot
from booking.services import book
from tests.harness import builders


@pytest.fixture
def shop(db):
    ganesh = builders.make_service("Ganesh Puja", "Festivals", type="HOME", duration_minutes=60)
    builders.make_package(ganesh, 1500, location="Patna")
    builders.make_package(ganesh, 300, location="Gaya", is_active=False)
    rudra = builders.make_service("Rudrabhishek", "Temple", type="TEMPLE", duration_minutes=30)
    builders.make_package(rudra, 1100, location="Varanasi", language="SANSKRIT")
    return ganesh, rudra


def titles(api, query=""):
    answer = api().get(f"/api/puja/services/{query}")
    assert answer.status_code == 200, answer.json()
    return [row["title"] for row in answer.json()["results"]]


# --- Catalogue ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["categories/", "services/", "packages/"])
def test_a_visitor_with_a_stale_token_sees_the_catalogue(shop, api, path):
    client = api()
    client.credentials(HTTP_AUTHORIZATION="Bearer stale")
    assert client.get(f"/api/puja/{path}").status_code == 200


def test_a_service_reads_as_the_frontend_expects(shop, api):
    page = api().get("/api/puja/services/").json()
    assert (page["count"], page["next"], page["previous"]) == (2, None, None)
    assert set(page["results"][0]) == {
        *("id", "title", "image_url", "description", "category", "category_detail", "type"),
        *("duration_minutes", "is_active", "created_at", "updated_at", "title_hi", "description_hi"),
    }
    assert page["results"][0]["category_detail"]["name"] == "Festivals"
    assert api().get(f"/api/puja/services/{shop[0].pk}/").json() == page["results"][0]


def test_categories_and_packages_are_bare_arrays(shop, api):
    assert [row["name"] for row in api().get("/api/puja/categories/").json()] == ["Festivals", "Temple"]
    (package,) = api().get(f"/api/puja/packages/?puja_service={shop[1].pk}").json()
    assert set(package) == {
        *("id", "puja_service", "location", "language", "package_type", "price", "description"),
        *("includes_materials", "priest_count", "is_active", "created_at", "updated_at"),
        *("location_hi", "description_hi"),
    }
    assert (package["price"], package["language"]) == ("1100.00", "SANSKRIT")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?search=GANESH", ["Ganesh Puja"]),
        ("?search=temple", ["Rudrabhishek"]),
        ("?type=TEMPLE", ["Rudrabhishek"]),
        ("?location=patna", ["Ganesh Puja"]),
        ("?location=gaya", []),
        ("?language=SANSKRIT", ["Rudrabhishek"]),
        ("?is_active=true", ["Ganesh Puja", "Rudrabhishek"]),
        ("?is_active=false", []),
        ("?ordering=-title", ["Rudrabhishek", "Ganesh Puja"]),
        ("?ordering=price", ["Rudrabhishek", "Ganesh Puja"]),
        ("?ordering=-price", ["Ganesh Puja", "Rudrabhishek"]),
        ("?ordering=duration", ["Rudrabhishek", "Ganesh Puja"]),
        ("?ordering=-created_at", ["Rudrabhishek", "Ganesh Puja"]),
        ("?page=2&page_size=1", ["Rudrabhishek"]),
        ("?search=&category=&type=&location=&language=&ordering=", ["Ganesh Puja", "Rudrabhishek"]),
    ],
)
def test_services_are_searched_filtered_ordered_and_paged(shop, api, query, expected):
    assert titles(api, query) == expected


def test_services_are_filtered_by_category(shop, api):
    temple = PujaCategory.objects.get(name="Temple")
    assert titles(api, f"?category={temple.pk}") == ["Rudrabhishek"]


@pytest.mark.parametrize(
    "query", ["?type=CAR", "?ordering=secret", "?category=abc", "?search=%00", "?language=LATIN"]
)
def test_a_filter_that_means_nothing_is_told(shop, api, query):
    assert api().get(f"/api/puja/services/{query}").status_code == 400


def test_a_page_is_never_longer_than_a_hundred(shop, api):
    PujaService.objects.bulk_create(
        PujaService(title=f"Puja {number}", category=shop[0].category, type="HOME", duration_minutes=30)
        for number in range(110)
    )
    assert len(titles(api, "?page_size=5000")) == 100
    assert len(titles(api)) == 10


def test_what_is_not_sold_is_not_shown(shop, api):
    _, rudra = shop
    PujaService.objects.filter(pk=rudra.pk).update(is_active=False)
    assert titles(api) == ["Ganesh Puja"]
    assert api().get(f"/api/puja/services/{rudra.pk}/").status_code == 404
    assert [row["location"] for row in api().get("/api/puja/packages/").json()] == ["Patna"]


@pytest.mark.parametrize(("path", "queries"), [("services/", 2), ("packages/", 1), ("categories/", 1)])
def test_a_longer_catalogue_needs_no_more_queries(shop, api, django_assert_num_queries, path, queries):
    for number in range(8):
        builders.make_package(builders.make_service(category=f"Category {number}"))
    with django_assert_num_queries(queries):
        api().get(f"/api/puja/{path}")


# --- Slots -------------------------------------------------------------------------------------


def test_slots_say_how_many_places_are_left(service, slot, api):
    Slot.objects.update(booked=1)
    assert api().get(f"/api/puja/services/{service.pk}/slots/").json() == [
        {
            "id": slot.pk,
            "starts_at": timezone.localtime(slot.starts_at).isoformat(),
            "date": builders.in_days(3).date().isoformat(),
            "time": "10:00",
            "capacity": 2,
            "available": 1,
        }
    ]


def test_slots_of_the_past_closed_ones_and_strange_ones_are_not_shown(service, slot, api):
    Slot.objects.create(service=service, starts_at=timezone.now() - timedelta(minutes=1))
    builders.make_slot(service, days=4, is_open=False)
    builders.make_slot(builders.make_service(), days=4)
    assert [row["id"] for row in api().get(f"/api/puja/services/{service.pk}/slots/").json()] == [slot.pk]


def test_slots_are_shown_for_the_days_asked_for_both_included(service, api):
    for days in (1, 2, 3, 4):
        builders.make_slot(service, days=days, hour=23)
    first, last = (builders.in_days(days).date().isoformat() for days in (2, 3))
    rows = api().get(f"/api/puja/services/{service.pk}/slots/?from={first}&to={last}").json()
    assert [row["date"] for row in rows] == [first, last]


@pytest.mark.parametrize(
    "query",
    ["from=tomorrow", "to=2026-02-30", "from=9999-12-31", "to=0001-01-01", "from=2026-01-01&to=9999-12-31"],
)
def test_days_that_cannot_be_asked_for_are_told(service, api, query):
    assert api().get(f"/api/puja/services/{service.pk}/slots/?{query}").status_code == 400


def test_an_unknown_service_has_no_slots(db, api):
    assert api().get("/api/puja/services/999/slots/").status_code == 404
    assert api().get(f"/api/puja/services/{'9' * 30}/").status_code == 404


# --- The description of all this ---------------------------------------------------------------


def test_promo_codes_are_listed_nowhere(db, api, staff):
    builders.make_promo("SECRET50", code_type="PRIVATE")
    for path in (
        "/api/promo/promos/",
        "/api/promo/user/promos/",
        "/api/puja/services/",
        "/api/schema/?format=json",
    ):
        assert "SECRET50" not in api(staff).get(path).content.decode()


@pytest.mark.parametrize("address", ["", "http://ik.imagekit.io/a.jpg", "/media/a.jpg"])
def test_an_address_that_no_browser_can_load_is_null_everywhere(api, alice, package, address):
    """In the catalogue, in carts and in what was booked."""
    PujaService.objects.update(image_url=address)
    cart = builders.make_cart(alice, package)
    listed = api().get("/api/puja/services/").json()["results"][0]
    in_cart = api(alice).get("/api/cart/carts/active/").json()["puja_service"]
    book(builders.make_checkout(cart))
    booked = api(alice).get("/api/booking/bookings/").json()[0]["cart"]["puja_service"]

    assert [each["image_url"] for each in (listed, in_cart, booked)] == [None] * 3


def test_the_fallback_routes_answer_as_the_first_ones(api, package):
    """Asked after any error of these, without a token."""
    service = package.puja_service_id
    for path in (
        "services/?page=1&page_size=10&is_active=true&ordering=-price",
        f"services/{service}/",
    ):
        first = api().get(f"/api/puja/{path}")
        assert first.status_code == 200
        assert api().get(f"/api/puja/public/{path}").json() == first.json()
    packages = api().get(f"/api/puja/packages/?puja_service={service}").json()
    assert [each["id"] for each in packages] == [package.pk]
    assert api().get(f"/api/puja/public/puja/packages/?puja_service={service}").json() == packages


def test_the_slider_of_the_home_page_gets_pages_also_without_a_query(api, package):
    """It would make blank cards of an array with our names; with pages it keeps its own ones."""
    answer = api().get("/api/puja/services/", HTTP_AUTHORIZATION="Bearer ended").json()
    assert (answer["count"], len(answer["results"])) == (1, 1)


def test_what_is_not_sold_any_more_is_hidden_whatever_is_asked(api, package):
    PujaService.objects.update(is_active=False)
    for query in ("", "?is_active=true", "?is_active=false"):
        assert api().get(f"/api/puja/services/{query}").json()["count"] == 0
