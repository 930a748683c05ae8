"""Pictures of pujas: uploaded at the desk, drawn anew, shown by our own pages and to the frontend."""

from io import BytesIO

import pytest
from django.core.cache import caches
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from booking.models import CataloguePicture, PujaService
from booking.services import book
from tests.harness import builders

pytestmark = pytest.mark.django_db

SERVICES = "/api/puja/services/"


def a_picture(size=(1800, 1200), colour="orange", kind="PNG"):
    content = BytesIO()
    Image.new("RGB", size, colour).save(content, kind)
    return SimpleUploadedFile("puja.png", content.getvalue(), "image/png")


def upload(api, staff, service, **how):
    return api(staff).patch(f"{SERVICES}{service.pk}/", {"image": a_picture(**how)}, format="multipart")


def test_a_picture_is_drawn_anew_and_its_size_is_known(api, staff, service, settings):
    settings.PUBLIC_BASE_URL = "https://api.okpuja.com"
    answer = upload(api, staff, service)
    service.refresh_from_db()

    assert answer.status_code == 200, answer.json()
    assert (service.picture_width, service.picture_height) == (1200, 800)
    assert answer.json()["image_url"] == f"https://api.okpuja.com/api/puja/pictures/{service.picture_id}/"
    sizes = {"": (1200, 800), "?small": (640, 427)}
    for query, size in sizes.items():
        shown = api().get(f"/api/puja/pictures/{service.picture_id}/{query}")
        assert (shown.status_code, shown["Content-Type"]) == (200, "image/jpeg")
        assert shown["Cache-Control"] == "public, max-age=31536000, immutable"
        assert shown["X-Content-Type-Options"] == "nosniff"
        assert Image.open(BytesIO(shown.content)).size == size


def test_a_new_puja_may_come_with_its_picture(api, staff, service):
    fields = {"title": "Durga Puja", "description": "<p>Nine.</p>", "type": "HOME", "duration_minutes": "60"}
    fields |= {"category": f"{service.category_id}", "is_active": "true", "image": a_picture()}
    made = api(staff).post(f"{SERVICES}create/", fields, format="multipart")

    assert made.status_code == 201, made.json()
    assert PujaService.objects.get(title="Durga Puja").picture is not None


@pytest.mark.parametrize("content", [b"", b"<svg onload=alert(1)>", b"\xff\xd8\xff\xe0 not a picture"])
def test_what_is_no_picture_changes_nothing(api, staff, service, content):
    file = SimpleUploadedFile("puja.png", content, "image/png")
    answer = api(staff).patch(
        f"{SERVICES}{service.pk}/", {"image": file, "title": "Other"}, format="multipart"
    )
    service.refresh_from_db()

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["image"])
    assert answer.json()["image"][0]
    assert (service.title, service.picture_id, CataloguePicture.objects.count()) == ("Griha Pravesh", None, 0)


def test_the_same_picture_is_one_row_and_an_old_one_stays_for_bookings(api, staff, alice, package, settings):
    settings.PUBLIC_BASE_URL = "https://api.okpuja.com"
    service = package.puja_service
    for other in (service, builders.make_service()):
        upload(api, staff, other)
    assert CataloguePicture.objects.count() == 1
    before = PujaService.objects.get(pk=service.pk).picture_id
    book(builders.make_checkout(builders.make_cart(alice, package)))

    upload(api, staff, service, colour="red")
    (row,) = api(alice).get("/api/booking/bookings/").json()
    assert before in row["cart"]["puja_service"]["image_url"]
    assert api().get(f"/api/puja/pictures/{before}/").status_code == 200


def test_no_such_picture(api):
    assert api().get("/api/puja/pictures/none/").status_code == 404


def test_the_shop_shows_it_with_its_size_and_late(api, staff, package, settings, client):
    settings.STOREFRONT = True
    service = package.puja_service
    assert "<img" not in client.get(f"/pujas/{service.pk}/").content.decode()
    upload(api, staff, service)
    caches["pages"].clear()
    service.refresh_from_db()
    address = f"/api/puja/pictures/{service.picture_id}/"
    catalogue, page = client.get("/"), client.get(f"/pujas/{service.pk}/")

    assert (
        f'src="{address}?small" width="1200" height="800" alt="" loading="lazy"' in catalogue.content.decode()
    )
    assert f'src="{address}" width="1200" height="800" alt=""' in page.content.decode()
    assert "img-src 'self' data:" in page["Content-Security-Policy"]  # and so it lies on our own host


def test_a_list_of_pujas_loads_no_picture(
    api, staff, package, settings, client, django_assert_max_num_queries
):
    settings.STOREFRONT = True
    upload(api, staff, package.puja_service)
    caches["pages"].clear()
    with django_assert_max_num_queries(6) as made:
        client.get("/")
    assert not [each for each in made.captured_queries if "cataloguepicture" in each["sql"].lower()]


def test_the_order_is_the_temples_own(settings, client, api, staff):
    settings.STOREFRONT = True
    first, second = (
        builders.make_package(builders.make_service(title)).puja_service for title in ("Aarti", "Zyeshtha")
    )
    api(staff).patch(f"{SERVICES}{first.pk}/", {"position": 5})
    caches["pages"].clear()
    page = client.get("/").content.decode()

    assert page.index(second.title) < page.index(first.title)
