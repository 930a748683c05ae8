import pytest

from accounts.models import User
from tests import people

NO_ADDRESSES = {"addresses-TOTAL_FORMS": 0, "addresses-INITIAL_FORMS": 0}


@pytest.fixture
def desk(staff, client):
    client.force_login(staff)
    return client


def change(desk, user, **changes):
    form = {
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "phone": user.phone or "",
        "role": user.role,
        "account_status": user.account_status,
        "language": user.language,
    }
    return desk.post(f"/admin/accounts/user/{user.pk}/change/", form | NO_ADDRESSES | changes)


def test_staff_add_a_person(desk):
    password = {"password1": people.PASSWORD, "password2": people.PASSWORD, "usable_password": "true"}
    page = desk.post("/admin/accounts/user/add/", {"email": "Asha@Example.com", **password, **NO_ADDRESSES})
    assert page.status_code == 302
    assert User.objects.get(email="asha@example.com").check_password(people.PASSWORD)


def test_staff_suspend_a_person_who_is_out_at_once(desk, alice, api):
    assert change(desk, alice, account_status="SUSPENDED").status_code == 302
    assert api(alice).get("/api/auth/addresses/").status_code == 401


def test_two_people_without_a_phone_can_be_edited(desk, charlie):
    people.make_user()
    assert change(desk, charlie, first_name="Charu").status_code == 302
    charlie.refresh_from_db()
    assert (charlie.first_name, charlie.phone) == ("Charu", None)


def test_a_suspended_member_of_staff_cannot_open_the_desk(desk, staff):
    User.objects.filter(pk=staff.pk).update(account_status="SUSPENDED")
    assert desk.get("/admin/").status_code == 302


@pytest.mark.parametrize("model", ["outstandingtoken", "blacklistedtoken"])
def test_not_even_staff_read_the_sessions_of_others(desk, model):
    assert desk.get(f"/admin/token_blacklist/{model}/").status_code == 404
