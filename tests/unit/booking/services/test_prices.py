"""A price has a moment from which it counts, everywhere at once."""

from datetime import timedelta

import pytest
from django.core.cache import caches
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from booking.models import Cart, Package, PackagePrice
from booking.pricing import calculate_price, with_package_price
from booking.services import PriceChanged, book
from booking.services.prices import cancel_price, change_price, plan_price, planned_prices
from tests.harness import builders

pytestmark = pytest.mark.django_db


def an_hour(ago=0, ahead=0):
    return (timezone.now() + timedelta(hours=ahead - ago)).replace(second=0, microsecond=0)


def in_force(package, rupees, ago=1):
    """Planned before, and its moment has come."""
    return PackagePrice.objects.create(package=package, price_paise=rupees * 100, valid_from=an_hour(ago=ago))


def prices(api, package):
    """What customers read: the package, the cheapest of its puja, the order by price."""
    service = package.puja_service_id
    (listed,) = api().get(f"/api/puja/packages/?puja_service={service}").json()
    one = api().get(f"/api/puja/packages/{package.pk}/").json()
    page = api().get(f"/pujas/{service}/").content.decode()
    catalogue = api().get("/").content.decode()
    return listed["price"], one["price"], "₹1,500" in page, "₹1,500" in catalogue


def test_a_planned_price_counts_from_its_moment_everywhere(api, alice, package, settings):
    settings.STOREFRONT = True
    plan_price(package, 150_000, an_hour(ahead=2))
    assert prices(api, package) == ("1100.00", "1100.00", False, False)
    cart = builders.make_cart(alice, package)
    assert calculate_price(cart).total_paise == 110_000

    PackagePrice.objects.update(valid_from=an_hour(ago=1))
    caches["pages"].clear()
    assert prices(api, package) == ("1500.00", "1500.00", True, True)
    shown = api(alice).get("/api/cart/carts/active/").json()
    assert (shown["total_price"], shown["package"]["price"]) == ("1500.00", "1500.00")
    checkout = builders.make_checkout(cart)
    assert (checkout.price_paise, checkout.total_paise) == (150_000, 150_000)


def test_the_newest_of_the_prices_in_force_counts(package):
    in_force(package, 1500, ago=5)
    in_force(package, 1800, ago=1)
    in_force(package, 1300, ago=9)

    assert Package.objects.get().price_now == Package.objects.priced().get().price_now == 180_000


def test_pujas_are_ordered_by_the_price_of_now(api):
    cheap, dear = (builders.make_package(builders.make_service(), rupees) for rupees in (500, 900))
    in_force(cheap, 2000)
    rows = api().get("/api/puja/services/?ordering=price").json()["results"]

    assert [row["id"] for row in rows] == [dear.puja_service_id, cheap.puja_service_id]


def test_a_cart_is_not_made_dearer_than_its_owner_has_seen(api, alice, package):
    cart = builders.make_cart(alice, package)
    api(alice).get("/api/cart/carts/active/")
    in_force(package, 1500)
    with pytest.raises(PriceChanged):
        builders.make_checkout(cart)

    PackagePrice.objects.update(price_paise=90_000)  # cheaper is taken without a question
    assert builders.make_checkout(cart).total_paise == 90_000


def test_what_was_agreed_stays(alice, package, api):
    booking = book(builders.make_checkout(builders.make_cart(alice, package)))
    in_force(package, 1500)

    assert booking.checkout.agreed_package.price_now == 110_000
    (row,) = api(alice).get("/api/booking/bookings/").json()
    assert row["cart"]["package"]["price"] == "1100.00"


def test_a_percentage_is_taken_of_the_price_of_now(api, alice, package):
    builders.make_promo("TEN")
    in_force(package, 2000)
    builders.make_cart(alice, package, promo_code="TEN")
    verdict = api(alice).get("/api/promo/promos/validate/?code=TEN").json()

    assert (verdict["valid"], verdict["discount_amount"]) == (True, 200.0)


def test_the_price_of_now_is_changed_until_the_next_planned_one(package):
    in_force(package, 1500)
    later = plan_price(package, 180_000, an_hour(ahead=5))
    change_price(package, 120_000)

    assert Package.objects.get().price_now == package.price_now == 120_000
    assert [*planned_prices()] == [later]
    PackagePrice.objects.update(valid_from=an_hour(ago=1))
    assert Package.objects.get().price_now == 180_000


def test_two_prices_of_one_moment_cannot_be(package):
    moment = an_hour(ahead=3)
    plan_price(package, 150_000, moment)
    with pytest.raises(ValidationError, match="from this moment already"):
        plan_price(package, 160_000, moment)
    with pytest.raises(IntegrityError), transaction.atomic():
        PackagePrice.objects.create(package=package, price_paise=160_000, valid_from=moment)


@pytest.mark.parametrize(("paise", "ahead"), [(99, 3), (0, 3), (150_000, -1)])
def test_a_price_that_nobody_can_pay_or_of_the_past_is_refused(package, paise, ahead):
    with pytest.raises(ValidationError):
        plan_price(package, paise, an_hour() + timedelta(hours=ahead))


def test_a_planned_price_is_cancelled_and_one_in_force_is_not(package):
    later, now = plan_price(package, 150_000, an_hour(ahead=3)), in_force(package, 1800)

    assert [cancel_price(later), cancel_price(now), cancel_price(later)] == [True, False, False]
    assert Package.objects.get().price_now == 180_000


def test_a_price_of_the_desk_counts_from_now_on(api, staff, package):
    in_force(package, 1500)
    answer = api(staff).patch(f"/api/puja/packages/{package.pk}/", {"price": "1250"})

    assert (answer.status_code, answer.json()["price"]) == (200, "1250.00")
    assert Package.objects.get().price_now == 125_000
    assert not PackagePrice.objects.exists()


def test_the_form_of_the_admin_shows_and_changes_the_price_of_now(client, staff, package):
    in_force(package, 1500)
    client.force_login(staff)
    page = f"/admin/booking/package/{package.pk}/change/"
    form = client.get(page).context["adminform"].form
    assert form["price_paise"].value() == "1500.00"
    fields = {name: form[name].value() for name in form.fields if form[name].value() or name == "position"}

    assert client.post(page, fields).status_code == 302
    assert Package.objects.get().price_now == 150_000
    client.post(page, fields | {"price_paise": "1600.00"})
    assert Package.objects.get().price_now == 160_000


def test_the_price_costs_a_cart_no_query(alice, package, django_assert_num_queries):
    builders.make_cart(alice, package)
    with django_assert_num_queries(1):
        calculate_price(with_package_price(Cart.objects.select_related("package", "promo_code")).get())
