import pytest

from accounts.codes import is_over, issue
from accounts.models import OneTimeCode, User
from accounts.phones import UNREADABLE
from booking.services import book
from tests.harness import builders

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
    password = {"password1": builders.PASSWORD, "password2": builders.PASSWORD, "usable_password": "true"}
    page = desk.post("/admin/accounts/user/add/", {"email": "Asha@Example.com", **password, **NO_ADDRESSES})
    assert page.status_code == 302
    assert User.objects.get(email="asha@example.com").check_password(builders.PASSWORD)


def test_staff_suspend_a_person_who_is_out_at_once(desk, alice, api):
    assert change(desk, alice, account_status="SUSPENDED").status_code == 302
    assert api(alice).get("/api/auth/addresses/").status_code == 401


def test_two_people_without_a_phone_can_be_edited(desk, charlie):
    builders.make_user()
    assert change(desk, charlie, first_name="Charu").status_code == 302
    charlie.refresh_from_db()
    assert (charlie.first_name, charlie.phone) == ("Charu", None)


@pytest.mark.parametrize("spelling", ["+91 98765 43210", "098765-43210", "९८७६५ ४३२१०", "(+91) 98765.43210"])
def test_staff_write_and_find_a_phone_in_any_spelling(desk, charlie, alice, spelling):
    assert change(desk, charlie, phone=spelling).status_code == 302
    charlie.refresh_from_db()
    assert charlie.phone == "+919876543210"
    page = desk.get("/admin/accounts/user/", {"q": spelling}).content.decode()
    assert charlie.email in page
    assert alice.email not in page


@pytest.mark.parametrize("typed", ["98765 43", "+91 987654", "९८७६५४", "charlie@", "43210"])
def test_staff_find_a_person_by_a_part(desk, charlie, alice, typed):
    User.objects.filter(pk=charlie.pk).update(phone="98765 43210")
    page = desk.get("/admin/accounts/user/", {"q": typed}).content.decode()
    assert charlie.email in page
    assert alice.email not in page


@pytest.mark.parametrize("model", ["cart", "checkout", "booking"])
def test_staff_find_what_a_person_wants_by_the_phone(desk, alice, package, model):
    booking = book(builders.make_checkout(builders.make_cart(alice, package)))
    other = builders.make_user("dina@example.com", phone="+44 7911 123456")
    book(builders.make_checkout(builders.make_cart(other, package)))
    rows = desk.get(f"/admin/booking/{model}/", {"q": "098765 00001"}).context["cl"].result_list
    assert [row.user for row in rows] == [booking.user]


@pytest.mark.parametrize("model", ["cart", "checkout", "booking"])
@pytest.mark.parametrize("typed", ["98765 43211", "9876543210/9876543211"])
def test_staff_find_what_a_person_wants_by_a_number_kept_as_text(desk, alice, package, model, typed):
    book(builders.make_checkout(builders.make_cart(alice, package)))
    other = builders.make_user("dina@example.com", phone="9876543210/9876543211")
    book(builders.make_checkout(builders.make_cart(other, package)))
    page = desk.get(f"/admin/booking/{model}/", {"q": typed}).content.decode()
    assert other.email in page
    assert alice.email not in page


def test_staff_cannot_write_a_phone_that_nobody_can_call(desk, charlie):
    assert str(UNREADABLE) in change(desk, charlie, phone="12345").content.decode()


def test_an_old_phone_that_cannot_be_read_does_not_keep_its_owner_from_being_suspended(desk, charlie):
    User.objects.filter(pk=charlie.pk).update(phone="ask at temple")
    charlie.refresh_from_db()
    assert change(desk, charlie, account_status="SUSPENDED").status_code == 302
    charlie.refresh_from_db()
    assert (charlie.phone, charlie.account_status) == ("ask at temple", "SUSPENDED")


def test_a_suspended_member_of_staff_cannot_open_the_desk(desk, staff):
    User.objects.filter(pk=staff.pk).update(account_status="SUSPENDED")
    assert desk.get("/admin/").status_code == 302


@pytest.mark.parametrize("model", ["outstandingtoken", "blacklistedtoken"])
def test_not_even_staff_read_the_sessions_of_others(desk, model):
    assert desk.get(f"/admin/token_blacklist/{model}/").status_code == 404


def test_a_new_role_ends_every_session_of_its_owner(desk, alice, api):
    phone = api(alice)
    assert change(desk, alice, role="EMPLOYEE").status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401
    assert alice.sessions.get().ended_because == "ACCOUNT"


def test_a_new_email_address_ends_every_session_and_code_of_its_owner(desk, alice, api):
    phone, code = api(alice), issue(alice, OneTimeCode.Purpose.RESET)
    assert change(desk, alice, email="new@example.com").status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401
    code.refresh_from_db()
    assert is_over(code)


def test_a_password_that_is_set_in_the_admin_ends_every_session_in_the_list_too(desk, staff, alice, api):
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    staff.refresh_from_db()
    desk.force_login(staff)
    phone, code = api(alice), issue(alice, OneTimeCode.Purpose.RESET)
    new = {
        "password1": "temple-river-81-lotus",
        "password2": "temple-river-81-lotus",
        "usable_password": "true",
    }
    assert desk.post(f"/admin/accounts/user/{alice.pk}/password/", new).status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401
    assert alice.sessions.get().ended_because == "PASSWORD"
    code.refresh_from_db()
    assert is_over(code)


def test_an_own_password_that_is_changed_in_the_admin_ends_every_other_session(desk, staff, api):
    phone = api(staff)
    new = {"new_password1": "temple-river-81-lotus", "new_password2": "temple-river-81-lotus"}
    change = desk.post("/admin/password_change/", {"old_password": builders.PASSWORD, **new})
    assert change.status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401
    assert staff.sessions.get().ended_because == "PASSWORD"
    assert desk.get("/admin/").status_code == 200


def test_an_account_that_is_opened_again_has_no_old_sessions(desk, alice, api):
    phone = api(alice)
    assert change(desk, alice, account_status="SUSPENDED").status_code == 302
    alice.refresh_from_db()
    assert change(desk, alice, account_status="ACTIVE").status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401


def test_a_new_name_ends_no_session(desk, alice, api):
    phone = api(alice)
    assert change(desk, alice, first_name="Alisha").status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 200


def test_staff_see_a_session_without_its_digests_and_end_it(desk, alice, api):
    phone, session = api(alice), alice.sessions.get()
    page = desk.get(f"/admin/accounts/session/{session.pk}/change/").content.decode()
    assert session.refresh_digest not in page
    assert session.user_hash not in page
    assert desk.get("/admin/accounts/session/add/").status_code == 403
    assert desk.post(f"/admin/accounts/session/{session.pk}/delete/").status_code == 403
    action = {"action": "end_now", "_selected_action": [session.pk]}
    assert desk.post("/admin/accounts/session/", action).status_code == 302
    assert phone.get("/api/auth/addresses/").status_code == 401
