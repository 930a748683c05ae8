"""The catalogue as today's admin pages change it, on the routes that customers read."""

import pytest
from django.contrib.auth.models import Permission

from booking.models import Package, PujaCategory, PujaService
from tests.harness import builders

pytestmark = pytest.mark.django_db

SERVICES, PACKAGES, CATEGORIES = (f"/api/puja/{name}/" for name in ("services", "packages", "categories"))
RIGHTS = (
    "view_pujaservice",
    "add_pujaservice",
    "change_pujaservice",
    "view_package",
    "add_package",
    "change_package",
)


@pytest.fixture
def keeper(db):
    """Staff who keep the catalogue."""
    keeper = builders.make_user("keeper@example.com", is_staff=True)
    keeper.user_permissions.set(Permission.objects.filter(codename__in=RIGHTS))
    return keeper


@pytest.fixture
def desk(api, keeper):
    return api(keeper)


def a_service(category, **more):
    fields = {"title": "Durga Puja", "description": "<p>Nine nights.</p><script>x</script>", "type": "TEMPLE"}
    return fields | {"category": category.pk, "duration_minutes": 120, "is_active": True} | more


def a_package(service, **more):
    fields = {"puja_service": service.pk, "location": "Patna", "language": "HINDI", "package_type": "PREMIUM"}
    fields |= {"price": 2100.5, "description": "<p>All.</p>", "includes_materials": True, "priest_count": 2}
    return fields | {"is_active": True} | more


def test_a_puja_is_made_as_a_form_sends_it(desk, service):
    sent = a_service(service.category, is_active="true", duration_minutes="120", image_url="")
    answer = desk.post(f"{SERVICES}create/", sent, format="multipart")

    assert answer.status_code == 201, answer.json()
    made = PujaService.objects.get(title="Durga Puja")
    assert (made.description, made.duration_minutes, made.is_active) == ("<p>Nine nights.</p>", 120, True)
    assert answer.json()["category"] == service.category_id
    assert answer.json()["image_url"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", ""),
        ("title", "Griha Pravesh"),
        ("type", "NEVER"),
        ("duration_minutes", 0),
        ("category", 10**30),
    ],
)
def test_a_puja_that_nobody_could_book_is_refused_at_its_field(desk, service, field, value):
    answer = desk.post(f"{SERVICES}create/", a_service(service.category) | {field: value}, format="json")

    assert answer.status_code == 400
    assert answer.json()["fields"].keys() == {field}
    assert answer.json()["detail"] == answer.json()[field][0]


def test_a_puja_is_changed_in_part(desk, service):
    answer = desk.patch(f"{SERVICES}{service.pk}/", {"is_active": "false"}, format="multipart")
    service.refresh_from_db()

    assert (answer.status_code, service.is_active, service.title) == (200, False, "Griha Pravesh")


def test_hidden_rows_are_shown_to_staff_alone(desk, api, alice, service, package):
    PujaService.objects.filter(pk=service.pk).update(is_active=False)

    def seen(client):
        services = client.get(SERVICES).json()["results"]
        packages = client.get(f"{PACKAGES}?puja_service={service.pk}").json()
        return (len(services), len(packages), client.get(f"{SERVICES}{service.pk}/").status_code)

    assert seen(desk) == (1, 1, 200)
    assert seen(api(alice)) == seen(api()) == (0, 0, 404)
    assert desk.get(f"{SERVICES}?is_active=true").json()["count"] == 0


def test_a_stale_token_reads_the_catalogue_as_a_stranger(api, service):
    answer = api().get(SERVICES, HTTP_AUTHORIZATION="Bearer ended")

    assert (answer.status_code, answer.json()["count"]) == (200, 1)
    assert api().patch(f"{SERVICES}{service.pk}/", {}, HTTP_AUTHORIZATION="Bearer ended").status_code == 401


def test_a_package_has_its_price_in_rupees(desk, service):
    made = desk.post(f"{PACKAGES}create/", a_package(service))

    assert (made.status_code, made.json()["price"]) == (201, "2100.50")
    package = Package.objects.get(pk=made.json()["id"])
    assert package.price_paise == 210_050
    changed = desk.patch(f"{PACKAGES}{package.pk}/", a_package(service, price="1500", location="Gaya"))
    package.refresh_from_db()
    assert (changed.status_code, package.price_paise, package.location) == (200, 150_000, "Gaya")


@pytest.mark.parametrize("price", [0, 0.5, -1, "free", "1.001", 10**12, None])
def test_a_price_that_nobody_can_pay_is_refused(desk, service, price):
    answer = desk.post(f"{PACKAGES}create/", a_package(service, price=price), format="json")

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["price"])


def test_what_was_wanted_is_hidden_and_never_lost(desk, cart, package, service):
    assert desk.delete(f"{PACKAGES}{package.pk}/").status_code == 204
    assert desk.delete(f"{SERVICES}{service.pk}/").status_code == 204

    assert not Package.objects.get(pk=package.pk).is_active
    assert not PujaService.objects.get(pk=service.pk).is_active
    assert service.slots.count() == 1


def test_what_nobody_wanted_is_deleted_with_its_times(desk, package, service, slot):
    assert desk.delete(f"{SERVICES}{service.pk}/").status_code == 204

    assert not PujaService.objects.exists()
    assert not Package.objects.exists()


def test_categories(desk, service):
    made = desk.post(f"{CATEGORIES}create/", {"name": "Ancestors"})
    assert made.status_code == 201
    path = f"{CATEGORIES}{made.json()['id']}/"
    assert desk.patch(path, {"name": "Pitru"}).json()["name"] == "Pitru"
    assert desk.delete(path).status_code == 204

    in_use = desk.delete(f"{CATEGORIES}{service.category_id}/")
    assert (in_use.status_code, in_use.json()["code"]) == (409, "category_in_use")
    assert [row.name for row in PujaCategory.objects.all()] == ["Festivals"]


@pytest.mark.parametrize("is_known", [True, False])
def test_only_who_has_the_right_writes(api, alice, service, package, is_known):
    client, code = (api(alice), 403) if is_known else (api(), 401)
    calls = [
        *(client.post(f"{each}create/", {}) for each in (SERVICES, PACKAGES, CATEGORIES)),
        *(client.patch(f"{each}1/", {}) for each in (SERVICES, PACKAGES, CATEGORIES)),
        *(client.delete(f"{each}1/") for each in (SERVICES, PACKAGES, CATEGORIES)),
    ]

    assert {answer.status_code for answer in calls} == {code}


def test_the_public_copies_of_these_routes_are_for_reading(desk, service):
    assert desk.patch(f"/api/puja/public/services/{service.pk}/", {"title": "Other"}).status_code == 405


def test_a_customer_costs_one_query_more_than_a_stranger(api, alice, service, django_assert_max_num_queries):
    client = api(alice)
    with django_assert_max_num_queries(3):  # the session, the count, the rows
        client.get(SERVICES)
