"""Nobody grants what they do not hold: what the right to change users opens, and what it does not."""

import pytest
from django.contrib.auth.models import Permission

from accounts.admin import UserAdmin
from accounts.models import Session, User
from accounts.sessions import open_session
from tests.harness import builders

pytestmark = pytest.mark.django_db

RIGHTS = {"role": "ADMIN", "is_staff": "on", "is_superuser": "on"} | {
    "email_confirmed_at_0": "2026-11-27",
    "email_confirmed_at_1": "10:00",
}
NO_ADDRESSES = {"addresses-TOTAL_FORMS": 0, "addresses-INITIAL_FORMS": 0}
GUARDED = ("email", "role", "is_staff", "is_superuser", "email_confirmed_at", "password")


@pytest.fixture
def clerk(db):
    """May add, change, view and delete users, and nothing else."""
    clerk = builders.make_user("clerk@example.com", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(content_type__model="user"))
    return clerk


@pytest.fixture
def desk(clerk, client):
    client.force_login(clerk)
    return client


def form(user, **changes):
    fields = ("email", "phone", "first_name", "last_name", "role", "account_status", "language")
    return {name: getattr(user, name) or "" for name in fields} | NO_ADDRESSES | changes


def row(user):
    return User.objects.values().get(pk=user.pk) | {"rights": {*user.user_permissions.all()}}


def path(user, page="change"):
    return f"/admin/accounts/user/{user.pk}/{page}/"


def test_a_clerk_edits_name_phone_and_status_of_a_customer(desk, alice):
    wishes = {"first_name": "Alisha", "phone": "98765 43210", "account_status": "SUSPENDED"}

    assert desk.post(path(alice), form(alice, **wishes)).status_code == 302

    alice.refresh_from_db()
    assert (alice.first_name, alice.phone, alice.account_status) == ("Alisha", "+919876543210", "SUSPENDED")


def test_a_clerk_gives_a_customer_neither_rights_nor_an_address_to_log_in_with(desk, alice):
    before = row(alice)
    every_right = list(Permission.objects.values_list("pk", flat=True))
    wishes = RIGHTS | {"email": "clerks-own@example.com", "user_permissions": every_right, "password": "x"}

    page = desk.post(path(alice), form(alice, **wishes))

    assert page.status_code == 302
    alice.refresh_from_db()
    assert row(alice) == before


@pytest.mark.parametrize(
    "fields",
    [{"is_staff": True}, {"is_superuser": True}, {"role": "EMPLOYEE"}, {"role": "ADMIN"}],
    ids=lambda fields: next(iter(fields)),
)
def test_a_clerk_edits_no_account_of_staff(desk, fields):
    colleague = builders.make_user("colleague@example.com", **fields)
    before = row(colleague)

    changed = desk.post(path(colleague), form(colleague, first_name="X", account_status="SUSPENDED"))
    deleted = desk.post(path(colleague, "delete"), {"post": "yes"})
    selected = {"action": "delete_selected", "_selected_action": [colleague.pk], "post": "yes"}
    together = desk.post("/admin/accounts/user/", selected)

    assert [page.status_code for page in (changed, deleted, together)] == [403, 403, 403]
    assert row(colleague) == before


def test_a_clerk_does_not_edit_the_own_account_either(desk, clerk):
    page = desk.post(path(clerk), form(clerk, **RIGHTS))

    clerk.refresh_from_db()
    assert (page.status_code, clerk.is_superuser, clerk.role) == (403, False, "USER")


@pytest.mark.parametrize("whose", ["alice", "staff", "clerk"])
def test_a_clerk_sets_no_password(desk, request, whose):
    user = request.getfixturevalue(whose)
    before = user.password
    passwords = {"password1": "a-new-Pass-9", "password2": "a-new-Pass-9", "usable_password": "true"}

    answers = [desk.get(path(user, "password")), desk.post(path(user, "password"), passwords)]

    user.refresh_from_db()
    assert ([page.status_code for page in answers], user.password) == ([403, 403], before)


def test_a_clerk_reads_no_digest_of_a_password(desk, alice, staff):
    for user in (alice, staff):
        page = desk.get(path(user)).content.decode()
        assert user.password.rpartition("$")[2][:8] not in page
        assert path(user, "password") not in page


def test_a_person_whom_a_clerk_adds_is_a_customer(desk):
    passwords = {"password1": "a-new-Pass-9", "password2": "a-new-Pass-9", "usable_password": "true"}
    wishes = {"email": "new@example.com", **passwords, **RIGHTS, **NO_ADDRESSES}

    assert desk.post("/admin/accounts/user/add/", wishes).status_code == 302

    assert User.objects.get(email="new@example.com").is_customer


def test_rights_that_were_taken_away_meanwhile_stay_away(client, staff):
    """Two superusers have the same page open: the second one saves only what they changed."""
    client.force_login(staff)
    colleague = builders.make_user("colleague@example.com", is_staff=True)
    page = form(colleague, is_staff="on", first_name="Ravi")
    get_object = UserAdmin.get_object

    def demoted_after_reading(self, *args, **kwargs):
        found = get_object(self, *args, **kwargs)
        User.objects.filter(pk=found.pk).update(is_staff=False)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UserAdmin, "get_object", demoted_after_reading)
        assert client.post(path(colleague), page).status_code == 302

    colleague.refresh_from_db()
    assert (colleague.first_name, colleague.is_staff) == ("Ravi", False)


def test_a_clerk_ends_the_sessions_of_customers_only(desk, clerk, alice, staff):
    clerk.user_permissions.set(Permission.objects.filter(content_type__model="session"))
    open_session(alice), open_session(staff)
    every = [*Session.objects.values_list("pk", flat=True)]

    desk.post("/admin/accounts/session/", {"action": "end_now", "_selected_action": every})

    assert [*Session.objects.filter(ended_at=None).values_list("user", flat=True)] == [staff.pk]


def test_a_superuser_still_edits_everything(client, staff, alice):
    client.force_login(staff)
    right = Permission.objects.get(codename="view_payment")
    wishes = RIGHTS | {"email": "priest@example.com", "user_permissions": [right.pk]}

    assert client.post(path(alice), form(alice, **wishes)).status_code == 302

    alice.refresh_from_db()
    assert [getattr(alice, name) for name in GUARDED[:4]] == ["priest@example.com", "ADMIN", True, True]
    assert alice.user_permissions.get() == right
    assert client.get(path(alice, "password")).status_code == 200
