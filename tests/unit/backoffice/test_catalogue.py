"""The pages of the catalogue: what customers will see, and the prices from a moment on."""

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from booking.models import Package, PackagePrice, PujaService
from booking.services import book
from tests.harness import builders

pytestmark = pytest.mark.django_db


def picture():
    content = BytesIO()
    Image.new("RGB", (900, 600), "orange").save(content, "PNG")
    return SimpleUploadedFile("puja.png", content.getvalue(), "image/png")


@pytest.fixture
def page(package):
    return reverse("desk:catalogue-puja", args=[package.puja_service_id])


def test_the_list_shows_what_is_missing(desk, package):
    PujaService.objects.filter(pk=builders.make_service("Aarti").pk).update(is_active=False)
    text = desk("Manager").get(reverse("desk:catalogue")).content.decode()

    assert text.index("Aarti") < text.index("Griha Pravesh")
    assert "hidden" in text
    assert "₹1,100.00" in text
    assert "not all" in text  # of it is written in Hindi


def test_the_list_costs_the_same_for_ten_and_for_a_hundred(desk, django_assert_num_queries):
    client = desk("Manager")

    def grow(number):
        for _ in range(number):
            builders.make_package(builders.make_service())

    grow(10)
    client.get(reverse("desk:catalogue"))
    with django_assert_num_queries(6) as few:
        client.get(reverse("desk:catalogue"))
    grow(90)
    with django_assert_num_queries(len(few.captured_queries)):
        client.get(reverse("desk:catalogue"))


def test_a_puja_costs_the_same_for_many_packages_and_prices(desk, package, page, django_assert_num_queries):
    client = desk("Manager")
    client.get(page)
    with django_assert_num_queries(8) as few:
        client.get(page)
    for number in range(30):
        other = builders.make_package(package.puja_service, 500 + number)
        PackagePrice.objects.create(package=other, price_paise=70_000, valid_from=builders.in_days(9))
    with django_assert_num_queries(len(few.captured_queries)):
        client.get(page)


def test_a_picture_is_uploaded_and_what_is_none_is_refused_with_a_sentence(desk, package, page):
    client, service = desk("Manager"), package.puja_service
    assert client.post(page, {"action": "picture", "picture": picture()}).status_code == 302
    service.refresh_from_db()
    assert (service.picture_width, service.picture_height) == (900, 600)
    before = service.picture_id

    wrong = SimpleUploadedFile("puja.png", b"<svg>", "image/png")
    answer = client.post(page, {"action": "picture", "picture": wrong})
    service.refresh_from_db()
    assert (answer.status_code, service.picture_id) == (200, before)
    assert "Please choose a picture" in answer.content.decode()


def test_a_puja_is_hidden_shown_and_put_in_its_place(desk, package, page):
    client = desk("Manager")
    for action, is_active in (("hide", False), ("show", True)):
        client.post(page, {"action": action, "sure": "1"})
        assert PujaService.objects.get().is_active is is_active
    client.post(page, {"action": "position", "position": "7"})
    assert PujaService.objects.get().position == 7
    client.post(page, {"action": "position", "position": ""})
    assert PujaService.objects.get().position == 0
    assert "errorlist" in client.post(page, {"action": "position", "position": "-1"}).content.decode()


def test_support_looks_and_changes_nothing(desk, package, page):
    client = desk("Support")
    text = client.get(page).content.decode()

    assert "Hide from customers" not in text
    assert "desk:package-price" not in text
    assert client.post(page, {"action": "hide"}).status_code == 403
    assert PujaService.objects.get().is_active
    assert client.get(reverse("desk:package-price", args=[package.pk])).status_code == 403


def test_a_preview_shows_a_hidden_puja_to_who_has_the_link(desk, package, page, settings):
    settings.STOREFRONT = True
    PujaService.objects.update(is_active=False)
    address = f"/pujas/{package.puja_service_id}/"
    link = re.search(rf'href="({address}\?preview=[^"]+)"', desk("Manager").get(page).content.decode())[1]
    shown = Client().get(link)

    assert shown.status_code == 200
    assert "this puja is hidden" in shown.content.decode()
    assert shown["Cache-Control"] == "no-store"
    caches["pages"].clear()
    for other in (address, f"{address}?preview=1:abc:def", link.replace(address, "/pujas/999/")):
        assert Client().get(other).status_code == 404


def test_a_price_is_planned_and_cancelled(desk, package):
    client, page = desk("Manager"), reverse("desk:package-price", args=[package.pk])
    moment = builders.in_days(3)
    planned = {"price": "1500.50", "valid_from": f"{moment:%Y-%m-%dT%H:%M}"}
    assert client.post(page, planned).status_code == 302
    price = PackagePrice.objects.get()
    assert (price.price_paise, price.valid_from) == (150_050, moment)
    assert Package.objects.get().price_now == 110_000

    assert client.post(page, planned).status_code == 302  # a second click
    another = client.post(page, planned | {"price": "1600"})
    assert "from this moment already" in another.content.decode()
    assert PackagePrice.objects.count() == 1
    assert client.post(page, {"cancel": f"{price.pk}", "sure": "1"}).status_code == 302
    assert not PackagePrice.objects.exists()
    assert (
        "not planned any more" in client.post(page, {"cancel": f"{price.pk}"}, follow=True).content.decode()
    )
    assert client.post(page, {"cancel": "x"}).status_code == 302


def test_a_price_from_midnight_counts_from_midnight_in_india(desk, package):
    day = timezone.localdate() + timedelta(days=30)
    address = reverse("desk:package-price", args=[package.pk])
    desk("Manager").post(address, {"price": "1500", "valid_from": f"{day}T00:00"})
    begins = PackagePrice.objects.get().valid_from.astimezone(UTC)

    assert begins == datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=5, minutes=30)


def test_a_price_without_a_moment_counts_from_now(desk, package):
    client, page = desk("Manager"), reverse("desk:package-price", args=[package.pk])
    assert client.post(page, {"price": "1250"}).status_code == 302
    assert Package.objects.get().price_now == 125_000
    for wrong in (
        {"price": "0.50"},
        {"price": ""},
        {"price": "99999999"},
        {"price": "900", "valid_from": "2020-01-01T10:00"},
    ):
        assert "errorlist" in client.post(page, wrong).content.decode()
    assert Package.objects.get().price_now == 125_000


def test_promo_codes_with_what_they_have_given(desk, alice, package, django_assert_num_queries):
    builders.make_promo("TEN", expires_at=timezone.now() + timedelta(days=9))
    book(builders.make_checkout(builders.make_cart(alice, package, promo_code="TEN")))
    client, page = desk("Accountant"), reverse("desk:promo-codes")
    text = client.get(page).content.decode()
    assert "₹110.00" in text
    assert "₹990.00" in text
    with django_assert_num_queries(8) as few:
        client.get(page)
    for number in range(50):
        builders.make_promo(f"CODE{number}")
    with django_assert_num_queries(len(few.captured_queries)):
        client.get(page)
