"""What a visitor finds: pujas, packages, free times; and what these pages cost."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.signals import template_rendered
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from booking.models import Slot
from payment.services import paying
from tests.harness import builders
from tests.harness.races import at_once

WRONG_DAYS = ("month=13", "day=1999-01-01", "month=9999-12", "day=9999-12-31")
pytestmark = pytest.mark.django_db(transaction=True)


def public_pages(package):
    puja = f"/pujas/{package.puja_service_id}/"
    return "/", puja, f"{puja}times/?package={package.pk}"


def cost(path, client=None):
    caches["pages"].clear()
    with CaptureQueriesContext(connection) as queries:
        assert (client or Client()).get(path).status_code == 200
    return len(queries)


def test_without_the_shop_the_root_answers_as_it_did(settings, package):
    settings.STOREFRONT = False
    for path in ("/", f"/pujas/{package.puja_service_id}/", "/book/", "/login/", "/bookings/", "/outbox/"):
        answer = Client().get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_the_catalogue_names_what_is_sold_and_its_lowest_price(visitor, package):
    builders.make_package(package.puja_service, rupees=250_000)
    unsold = builders.make_service("Without a package")
    hidden = builders.make_package(builders.make_service("Not offered", is_active=False))
    visitor.get("/")

    assert "Griha Pravesh" in visitor.text
    assert "from ₹1,100" in visitor.text
    assert unsold.title not in visitor.text
    assert hidden.puja_service.title not in visitor.text
    visitor.get(f"/pujas/{package.puja_service_id}/")
    assert "₹2,50,000" in visitor.text
    assert visitor.get(f"/pujas/{unsold.pk}/").status_code == 200
    assert visitor.get(f"/pujas/{hidden.puja_service_id}/").status_code == 404


def test_it_is_searched_and_narrowed_in_both_languages(visitor):
    ganesh = builders.make_service("Ganesh Puja", category="Festivals", title_hi="गणेश पूजा")
    shiva = builders.make_service("Rudrabhishek", category="Temple")
    for puja in (ganesh, shiva):
        builders.make_package(puja)

    assert ganesh.title in visitor.get("/?q=ganesh").content.decode()
    assert shiva.title not in visitor.text
    assert ganesh.title in visitor.get("/?q=गणेश").content.decode()
    assert shiva.title in visitor.get(f"/?category={shiva.category_id}").content.decode()
    assert ganesh.title not in visitor.text
    assert "गणेश पूजा" in visitor.get("/", headers={"Accept-Language": "hi"}).content.decode()


@pytest.mark.parametrize(
    "query", ["category=x", f"category={10**30}", "page=0", "page=99999", "q=%00", "q=" + "x" * 5000]
)
def test_a_made_up_address_is_a_page_all_the_same(visitor, package, query):
    assert visitor.get(f"/?{query}").status_code == 200


def test_texts_of_staff_run_nothing_and_load_nothing(visitor):
    evil = "<script>alert(1)</script><p>Kind</p><img src='https://elsewhere.example/x'><h1>Big</h1>"
    package = builders.make_package(
        builders.make_service("A <b>bold</b> name", description=evil), description=evil
    )
    for path in (
        "/",
        f"/pujas/{package.puja_service_id}/",
        f"/pujas/{package.puja_service_id}/times/?package={package.pk}",
    ):
        text = visitor.get(path).content.decode()
        assert "alert(1)" not in text
        assert "elsewhere.example" not in text
        assert "<b>bold" not in text
        assert text.count("<h1") == 1


def test_what_the_pages_ask_of_the_database_does_not_grow(service, package, monkeypatch):
    monkeypatch.setattr(
        paying, "KEPT_SECONDS", 0.0
    )  # whether PhonePe answers is asked on every page that needs it
    monkeypatch.setattr(paying.cached, "until", 0.0)
    builders.make_slot(service)
    paths = ["/", "/?q=puja", f"/pujas/{service.pk}/", f"/pujas/{service.pk}/times/?package={package.pk}"]
    for number in range(2):
        builders.make_package(builders.make_service(category=f"Category {number}"))
    few = {path: cost(path) for path in paths}
    for number in range(27):
        builders.make_package(builders.make_service(category=f"Category {number}"))
        builders.make_package(service, rupees=900 + number)
        builders.make_slot(service, days=1 + number, hour=11)

    assert {path: cost(path) for path in paths} == few
    assert max(few.values()) <= 7


def test_a_visitor_gets_the_catalogue_from_memory_and_loads_it_once(package):
    first = Client().get("/")
    with CaptureQueriesContext(connection) as queries:
        again = Client().get("/")
        known = Client().get("/", headers={"If-None-Match": first["ETag"]})

    assert len(queries) == 0
    assert again.content == first.content
    assert (known.status_code, known.content) == (304, b"")
    assert first["Cache-Control"] == "public, max-age=30"
    assert {"Accept-Language", "Cookie"} <= set(first["Vary"].split(", "))


def test_two_hundred_visitors_at_once_cost_one_page(package):
    Client().get("/")

    def visit():
        with CaptureQueriesContext(connection) as queries:
            answer = Client().get("/")
        return answer.status_code, len(queries)

    assert set(at_once(*[visit] * 200)) == {(200, 0)}


@pytest.mark.parametrize("path", ["/", "/pujas/{pk}/"])
def test_a_rush_that_meets_an_empty_memory_renders_the_page_once(package, path):
    """Each half minute the page is forgotten, and somebody is the first."""
    path, rendered = path.format(pk=package.puja_service_id), []

    def note(template, **_):
        if template.name in ("storefront/catalogue.html", "storefront/puja.html"):
            rendered.append(template.name)

    template_rendered.connect(note)
    try:
        answers = at_once(*[lambda: Client().get(path)] * 50)
    finally:
        template_rendered.disconnect(note)

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer["ETag"] for answer in answers}) == 1
    assert len(rendered) == 1


def test_a_change_of_the_catalogue_is_seen_soon(package):
    Client().get("/")
    package.puja_service.title = "Another name"
    package.puja_service.save()
    caches["pages"].clear()  # half a minute later

    assert "Another name" in Client().get("/").content.decode()


def test_the_first_page_is_small(package):
    for _ in range(23):
        builders.make_package(builders.make_service())
    page = Client().get("/")
    parts = [
        page,
        *(
            Client().get(path)
            for path in re.findall(r'(?:href|src)="(/(?:static|brand)/[^"]+)"', page.content.decode())
        ),
    ]
    sizes = [len(b"".join(part.streaming_content) if part.streaming else part.content) for part in parts]

    assert len(parts) >= 5
    assert sum(sizes) < 50_000, sizes


def test_no_page_keeps_a_cookie_of_somebody_who_only_looks(package):
    client = Client()
    for path in (
        "/",
        f"/pujas/{package.puja_service_id}/",
        f"/pujas/{package.puja_service_id}/times/?package={package.pk}",
    ):
        client.get(path)

    assert client.cookies.keys() == set()


def test_the_calendar_shows_free_days_and_the_times_of_one(visitor, service, package):
    near, later = (
        builders.make_slot(service, days=3, hour=8, capacity=1),
        builders.make_slot(service, days=3, hour=18),
    )
    Slot.objects.filter(pk=near.pk).update(booked=1)
    visitor.get(f"/pujas/{service.pk}/times/?package={package.pk}")
    start = timezone.localtime(later.starts_at)

    assert f"day={start:%Y-%m-%d}" in visitor.text
    assert f"date={start:%Y-%m-%d}&amp;time=18:00" in visitor.text
    assert "time=08:00" not in visitor.text
    assert "booked out" in visitor.text


def test_a_month_without_free_days_names_the_next_one(visitor, service, package):
    slot = builders.make_slot(service, days=70)
    visitor.get(f"/pujas/{service.pk}/times/?package={package.pk}&month={timezone.localdate():%Y-%m}")

    assert "No time is free in this month." in visitor.text
    assert f"day={timezone.localdate(slot.starts_at).isoformat()}" in visitor.text


def test_a_puja_without_slots_is_free_whenever_we_are_open(visitor, slotless_service):
    package = slotless_service.packages.get()
    day = timezone.localdate() + timedelta(days=2)
    visitor.get(f"/pujas/{slotless_service.pk}/times/?package={package.pk}&day={day}")

    assert "time=06:00" in visitor.text
    assert "time=21:00" in visitor.text
    assert "time=21:30" not in visitor.text


@pytest.mark.parametrize(
    "query", ["", "package=1x", "package=999999", *(f"package={{pk}}&{wrong}" for wrong in WRONG_DAYS)]
)
def test_a_made_up_calendar_is_no_crash(visitor, service, package, query):
    assert visitor.get(f"/pujas/{service.pk}/times/?{query.format(pk=package.pk)}").status_code in (200, 303)


@pytest.mark.parametrize("path", ["/", "/pujas/{puja}/"])
def test_a_page_from_memory_holds_nothing_of_what_another_visitor_asked(package, path):
    path = path.format(puja=package.puja_service_id)
    for query in ("email=victim@example.com&utm=s3cret", "page=s3cret", "category=s3cret", "q=&s3cret=1"):
        asked = Client().get(f"{path}?{query}")
        assert "s3cret" not in asked.content.decode()
        assert "s3cret" not in Client().get(path).content.decode()
    assert f'href="/language/hi/?next={path}"' in Client().get(path).content.decode()


def test_the_language_is_changed_where_the_reader_stands(package):
    text = Client().get("/", {"q": "griha", "category": package.puja_service.category_id}).content.decode()

    query = quote(f"q=griha&category={package.puja_service.category_id}")
    assert f'href="/language/hi/?next=/%3F{query}"' in text
