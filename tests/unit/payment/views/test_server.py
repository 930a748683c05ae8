"""What a server of the business does for customers, by its API key."""

import uuid

import pytest
from django.utils import timezone

from accounts.models import ApiKey, User
from booking.models import Booking, Cart
from payment.models import Payment, Refund
from payment.services.outcomes import apply_status
from payment.services.refunds.requests import SamePerson, approve_refund
from tests.harness import builders
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db(transaction=True)

PAYMENTS, BOOKINGS = "/api/server/payments/", "/api/server/bookings/"
HOME = {"address_line1": "1 Ghat Road", "city": "Varanasi", "state": "UP", "postal_code": "221001"}


def order(package, slot, **more):
    start = timezone.localtime(slot.starts_at)
    return {
        "customer": {"email": "new@example.com", "name": "Radha", "phone": "98765 43210"},
        "puja_service": package.puja_service_id,
        "package_id": package.pk,
        "selected_date": f"{start:%Y-%m-%d}",
        "selected_time": f"{start:%H:%M}",
        "address": HOME,
        **more,
    }


def send(client, path, body, key=None):
    return client.post(path, body, headers={"Idempotency-Key": key or uuid.uuid4().hex})


def test_from_an_order_to_a_booking(server, package, slot, phonepe):
    client = server()
    opened = send(client, PAYMENTS, order(package, slot, reference="CRM-1", expected_total="1100.00"))
    said = opened.json()
    assert (opened.status_code, said["status"], said["amount"]) == (201, "PENDING", "1100.00")
    assert said["payment_url"].startswith("http")
    assert "/pay/" in said["status_url"]
    assert (said["reference"], said["booking"]) == ("CRM-1", None)

    paid = client.post(f"{PAYMENTS}{said['id']}/simulate/", {}).json()
    assert paid["status"] == "SUCCESS"
    booking = client.get(f"{BOOKINGS}{paid['booking']['book_id']}/").json()
    assert (booking["status"], booking["payment_id"], booking["reference"]) == (
        "CONFIRMED",
        said["id"],
        "CRM-1",
    )
    assert booking["customer"] == {"email": "new@example.com", "name": "Radha", "phone": "9876543210"}
    guest = User.objects.get(email="new@example.com")
    assert not guest.has_usable_password()
    assert Payment.objects.get().api_key == ApiKey.objects.get()


def test_the_same_key_and_body_open_one_payment(server, package, slot, phonepe):
    client, key = server(), uuid.uuid4().hex
    first, again = (send(client, PAYMENTS, order(package, slot), key) for _ in range(2))

    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"
    assert Payment.objects.count() == 1
    other = send(client, PAYMENTS, order(package, slot, reference="another"), key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


@pytest.mark.parametrize("path", [PAYMENTS, f"{PAYMENTS}1/refunds/"])
def test_money_needs_an_idempotency_key(server, path):
    said = server().post(path, {})

    assert (said.status_code, said.json()["code"]) == (400, "idempotency_key_missing")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"address": None}, "address"),
        ({"customer": {"email": "no"}}, "customer"),
        ({"customer": {}}, "customer"),
        ({"puja_service": 999_999}, "puja_service"),
        ({"selected_time": "03:13"}, "selected_time"),
        ({"promo_code": "NONE"}, "promo_code"),
        ({"reference": "x" * 65}, "reference"),
    ],
)
def test_a_wrong_order_does_nothing_at_all(server, package, slot, change, field):
    said = send(server(), PAYMENTS, order(package, slot, **change))

    assert said.status_code == 400
    assert field in said.json()["fields"]
    assert not User.objects.exists()
    assert not Cart.objects.exists()


def test_a_higher_price_is_not_taken(server, package, slot):
    said = send(server(), PAYMENTS, order(package, slot, expected_total="1000.00"))

    assert (said.status_code, said.json()["code"]) == (409, "price_changed")
    assert not Payment.objects.exists()


def test_the_account_of_a_customer_is_not_changed(server, alice, package, slot, phonepe):
    said = send(
        server(),
        PAYMENTS,
        order(
            package, slot, customer={"email": "ALICE@example.com", "name": "Mallory", "phone": "9000000000"}
        ),
    )

    before = alice.get_session_auth_hash()
    alice.refresh_from_db()
    assert said.status_code == 201
    assert (alice.first_name, alice.phone) == ("Alice", "+919876500001")
    assert alice.get_session_auth_hash() == before
    assert Payment.objects.get().user == alice
    assert alice.addresses.get(is_default=True).address_line1 == "12 Temple Road"


def test_no_server_books_for_staff(server, staff, package, slot):
    said = send(server(), PAYMENTS, order(package, slot, customer={"email": staff.email}))

    assert (said.status_code, said.json()["code"]) == (409, "not_a_customer")
    assert not Cart.objects.exists()


def test_all_customers_of_a_server_share_no_limit_of_a_network(server, package, service, phonepe, settings):
    settings.HOLDS_PER_NETWORK = 2
    client, big = server(), builders.make_slot(service, capacity=50)
    codes = [
        send(client, PAYMENTS, order(package, big, customer={"email": f"guest{n}@example.com"})).status_code
        for n in range(5)
    ]

    assert codes == [201] * 5


@pytest.fixture
def booked(alice, package, slot, phonepe):
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    return Booking.objects.get()


def test_contacts_need_a_scope_of_their_own(server, booked):
    path = f"{BOOKINGS}{booked.book_id}/"

    assert server("bookings:read").get(path).json()["customer"] is None
    assert (
        server("bookings:read", "customers:read").get(path).json()["customer"]["email"] == "alice@example.com"
    )
    assert server("bookings:read").get(PAYMENTS).json()["results"][0]["customer"] is None


def test_a_server_cancels_by_the_policy(server, booked):
    said = server().post(f"{BOOKINGS}{booked.book_id}/cancel/", {"reason": "asked by phone"}).json()

    assert said["booking"]["status"] == "CANCELLED"
    assert said["refund"]["amount"] == "1100.00"
    again = server().post(f"{BOOKINGS}{booked.book_id}/cancel/", {"reason": "twice"})
    assert (again.status_code, again.json()["code"]) == (409, "not_confirmed")


def test_a_server_moves_a_booking(server, booked, service):
    other = builders.make_slot(service, days=5)
    said = server().post(f"{BOOKINGS}{booked.book_id}/move/", {"slot": other.pk})

    assert said.status_code == 200
    booked.refresh_from_db()
    assert booked.starts_at == other.starts_at


def refund(client, booked, **body):
    path = f"{PAYMENTS}{booked.checkout.payment.pk}/refunds/"
    return send(client, path, {"reason": "a gesture", **body})


def test_a_server_refunds_with_its_scope(server, booked):
    assert refund(server("bookings:read", "bookings:write"), booked).status_code == 403
    said = refund(server("refunds:write"), booked, amount="100.00")

    assert (said.status_code, said.json()["amount"], said.json()["waits_for"]) == (201, "100.00", "")
    assert Refund.objects.get().asked_by_key is not None
    assert Refund.objects.get().asked_by is None


def test_refunds_of_a_key_add_up_and_wait_for_a_person(server, booked, settings, staff):
    settings.REFUND_SECOND_PERSON_ABOVE = 150
    client = server()
    assert refund(client, booked, amount="100.00").json()["waits_for"] == ""
    assert refund(client, booked, amount="100.00").json()["waits_for"] == "SECOND_PERSON"

    waiting = Refund.objects.get(held_because="SECOND_PERSON")
    ApiKey.objects.update(made_by=staff)
    with pytest.raises(SamePerson):
        approve_refund(waiting.pk, staff)
    other = builders.make_superuser()
    assert approve_refund(waiting.pk, other).approved_by == other


def test_rotation_does_not_begin_the_sum_anew(server, booked, settings):
    from accounts.api_keys import rotate_key  # noqa: PLC0415

    settings.REFUND_SECOND_PERSON_ABOVE = 150
    client = server()
    refund(client, booked, amount="100.00")
    _, raw = rotate_key(ApiKey.objects.get())
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {raw}")

    assert refund(client, booked, amount="100.00").json()["waits_for"] == "SECOND_PERSON"


@pytest.mark.parametrize("path", [PAYMENTS, BOOKINGS])
def test_lists_have_pages_by_cursor(server, service, package, slot, path, django_assert_max_num_queries):
    big = builders.make_slot(service, days=7, capacity=50)
    for _ in range(5):
        checkout = builders.make_checkout(builders.make_cart(builders.make_user(), package, big.starts_at))
        apply_status(make_payment(checkout).attempts.get().pk, completed(), "worker")
    client, found, url = server(), [], f"{path}?page_size=2"
    while url:
        with django_assert_max_num_queries(8):
            page = client.get(url).json()
        found += [row.get("id") or row["book_id"] for row in page["results"]]
        url = page["next"]

    assert len(found) == len(set(found)) == 5


def test_filters(server, booked, package, slot, phonepe):
    client = server()
    send(client, PAYMENTS, order(package, slot, reference="CRM-9"))

    def count(url):
        return len(client.get(url).json()["results"])

    assert count(f"{PAYMENTS}?reference=CRM-9") == 1
    assert count(f"{PAYMENTS}?status=SUCCESS") == 1
    assert count(f"{PAYMENTS}?status=FAILED") == 0
    start = timezone.localtime(booked.starts_at)
    assert count(f"{BOOKINGS}?starts_from={start:%Y-%m-%d}T00:00:00%2B05:30") == 1
    assert count(f"{BOOKINGS}?starts_until={start:%Y-%m-%d}T00:00:00%2B05:30") == 0
    assert client.get(f"{PAYMENTS}?status=PAID").status_code == 400


def test_simulation_is_not_there_with_real_money(server, booked, settings):
    settings.PHONEPE_SIMULATION_MODE = False
    assert server().post(f"{PAYMENTS}{booked.checkout.payment.pk}/simulate/", {}).status_code == 404


def test_a_closed_account_is_refused(server, alice, package, slot):
    User.objects.filter(pk=alice.pk).update(account_status="SUSPENDED")
    said = send(server(), PAYMENTS, order(package, slot, customer={"email": alice.email}))

    assert (said.status_code, said.json()["code"]) == (409, "account_closed")
