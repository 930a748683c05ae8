"""What staff do with the accounts of others, as today's admin pages ask for it."""

import pytest
from django.contrib.auth.models import Permission

from accounts.models import Session, User
from accounts.people import LastSuperuser, change_status
from accounts.sessions import open_session
from tests.harness import builders

pytestmark = pytest.mark.django_db

PEOPLE = "/api/auth/users/"


@pytest.fixture
def clerk(db):
    """May see people and change customers."""
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename__in=("view_user", "change_user")))
    return clerk


@pytest.fixture
def desk(api, clerk):
    return api(clerk)


def test_a_row_has_what_the_page_calls_functions_on(desk, alice, clerk):
    User.objects.filter(pk=alice.pk).update(first_name="", last_name="", account_status="DEACTIVATED")
    rows = desk.get(PEOPLE).json()

    assert [row["id"] for row in rows] == [alice.pk, clerk.pk]  # the newest first
    row = rows[0]
    assert (row["username"], row["email"], row["phone"]) == ("alice", "alice@example.com", "9876500001")
    assert (row["role"], row["account_status"]) == ("USER", "INACTIVE")
    assert row["date_joined"]


def test_the_list_ends_and_costs_the_same_for_many(desk, django_assert_max_num_queries):
    User.objects.bulk_create([User(email=f"many{number}@example.com") for number in range(1_005)])
    with django_assert_max_num_queries(6):  # the session, its rate, the rights, the rows
        answer = desk.get(PEOPLE)

    assert len(answer.json()) == 1_000
    assert 'rel="next"' in answer["Link"]


def test_a_customer_is_suspended_with_their_sessions_and_let_in_again(desk, alice):
    open_session(alice)
    assert desk.patch(f"{PEOPLE}{alice.pk}/", {"account_status": "SUSPENDED"}).status_code == 200
    alice.refresh_from_db()
    assert (alice.account_status, alice.is_active) == ("SUSPENDED", False)
    assert not Session.objects.filter(user=alice, ended_at=None).exists()

    assert (
        desk.patch(f"{PEOPLE}{alice.pk}/", {"account_status": "ACTIVE"}).json()["account_status"] == "ACTIVE"
    )


def test_delete_closes_and_erases_nothing(desk, alice):
    assert desk.delete(f"{PEOPLE}{alice.pk}/").status_code == 204
    alice.refresh_from_db()

    assert (alice.account_status, alice.email) == ("DEACTIVATED", "alice@example.com")


@pytest.mark.parametrize(
    "body", [{"account_status": "DEACTIVATED"}, {}, {"account_status": "ACTIVE", "role": "ADMIN"}]
)
def test_nothing_else_is_changed(desk, alice, body):
    assert desk.patch(f"{PEOPLE}{alice.pk}/", body).status_code == 400
    alice.refresh_from_db()
    assert (alice.role, alice.account_status) == ("USER", "ACTIVE")


def test_nobody_closes_themselves(desk, clerk):
    answer = desk.delete(f"{PEOPLE}{clerk.pk}/")

    assert (answer.status_code, answer.json()["code"]) == (400, "not_yourself")


def test_accounts_of_staff_are_for_superusers(desk, api, staff, clerk):
    refused = desk.delete(f"{PEOPLE}{staff.pk}/")
    assert (refused.status_code, refused.json()["code"]) == (403, "only_superusers")

    assert api(staff).delete(f"{PEOPLE}{clerk.pk}/").status_code == 204


def test_two_superusers_who_close_each_other_leave_one(staff):
    other = builders.make_superuser()
    change_status(other, User.AccountStatus.DEACTIVATED, by=staff)

    with pytest.raises(LastSuperuser):  # the request of the other one was on its way
        change_status(staff, User.AccountStatus.DEACTIVATED, by=other)
    staff.refresh_from_db()
    assert staff.is_active


def test_only_who_has_the_right_sees_people(api, alice):
    calls = [("get", ""), ("patch", "1/"), ("delete", "1/")]
    for client, code in ((api(alice), 403), (api(), 401)):
        assert {getattr(client, method)(PEOPLE + path).status_code for method, path in calls} == {code}


# --- Employees ---------------------------------------------------------------------------------

EMPLOYEE = {
    "username": "Ramesh Shastri",
    "email": "Ramesh@example.com",
    "phone": "98765 00077",
    "password": builders.PASSWORD,
    "role": "EMPLOYEE",
    "employee_code": "E7",
}


def test_staff_make_the_account_of_an_employee_without_any_right(api, staff):
    answer = api(staff).post("/api/auth/register/", EMPLOYEE)

    assert answer.status_code == 201, answer.json()
    made = User.objects.get(email="ramesh@example.com")
    assert (made.role, made.first_name, made.phone) == ("EMPLOYEE", "Ramesh Shastri", "+919876500077")
    assert (made.is_staff, made.is_superuser, made.user_permissions.count()) == (False, False, 0)
    assert made.check_password(builders.PASSWORD)
    assert api(staff).post("/api/auth/register/", EMPLOYEE).json()["email"]  # taken


@pytest.mark.parametrize("who", ["stranger", "customer", "stale token"])
def test_nobody_else_becomes_an_employee(api, alice, who):
    client = api(alice if who == "customer" else None)
    headers = {"HTTP_AUTHORIZATION": "Bearer ended"} if who == "stale token" else {}
    answer = client.post("/api/auth/register/", EMPLOYEE | {"password2": builders.PASSWORD}, **headers)

    assert (answer.status_code, [*answer.json()["fields"]]) == (
        400,
        ["role", "employee_registration_code"][:1],
    )
    assert not User.objects.filter(role="EMPLOYEE").exists()


def test_a_weak_password_is_refused(api, staff):
    answer = api(staff).post("/api/auth/register/", EMPLOYEE | {"password": "12345678"})

    assert (answer.status_code, [*answer.json()["fields"]]) == (400, ["password"])
