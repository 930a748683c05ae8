import re
from datetime import timedelta
from typing import ClassVar

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle

from accounts.models import Address, Session, User
from accounts.phones import UNREADABLE
from accounts.serializers import CUSTOMERS_ONLY, REGISTERED, ProfileChangeSerializer
from notifications.models import Notification
from tests.harness import builders
from tests.harness.registration import registration_code
from worker.jobs import run_due

NEW = {"email": "asha@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD}
HOME = {"address_line1": "3 Ghat Road", "city": "Varanasi", "state": "UP", "postal_code": "221001"}


def log_in(client, email="alice@example.com", password=builders.PASSWORD):
    return client.post("/api/auth/login/", {"email": email, "password": password})


def refresh(client, token):
    return client.post("/api/auth/refresh/", {"refresh": token})


def wait_out_the_grace():
    """The clock of the row is moved instead of the test's."""
    Session.objects.update(rotated_at=timezone.now() - timedelta(seconds=11))


def test_an_account_that_staff_made_pending_is_not_told_of_a_code_that_never_comes(api, db):
    user = builders.make_user("asha@example.com", account_status="PENDING")
    said = log_in(api(), user.email, builders.PASSWORD).json()
    assert (said["code"], said["account_status"]) == ("account_not_active", "PENDING")
    assert "code" not in said["detail"]


# --- Registration ------------------------------------------------------------------------------


@pytest.fixture
def by_code(settings):
    settings.REGISTRATION_BY_CODE = True


def register(api, **fields):
    """The account, and what the registration answered."""
    body = NEW | fields
    answer = api().post("/api/auth/register/", body, format="json")
    assert answer.status_code == 201
    return answer.json(), User.objects.filter(email=body["email"].lower()).first()


def enter_code(api, email: str) -> None:
    answer = api().post("/api/auth/otp/verify/", {"email": email, "otp": registration_code(email)})
    assert (answer.status_code, answer.json()["success"]) == (200, True)


def test_a_new_person_may_log_in_at_once(db, api):
    said, user = register(api, phone="+91 98765 43210")
    assert (said["id"], said["account_status"], said["phone"]) == (user.pk, "ACTIVE", "9876543210")
    assert "password" not in said
    assert log_in(api(), NEW["email"]).json()["email_verified"] is False
    enter_code(api, NEW["email"])
    assert log_in(api(), NEW["email"]).json()["email_verified"] is True


def test_by_code_a_new_person_has_an_account_after_the_code(db, api, by_code):
    said, user = register(api, phone="+91 98765 43210")
    assert (said["id"], said["account_status"], said["phone"], user) == (None, "PENDING", "9876543210", None)
    enter_code(api, NEW["email"])
    session = log_in(api(), NEW["email"]).json()
    assert (session["phone"], session["account_status"]) == ("9876543210", "ACTIVE")
    assert session["email_verified"]


def test_before_the_code_a_login_says_so_and_opens_nothing(db, api, by_code):
    api().post("/api/auth/register/", NEW)
    answer = log_in(api(), NEW["email"])
    said = answer.json()
    assert (answer.status_code, said["account_status"], said["success"]) == (200, "PENDING", False)
    assert said["access"] is said["refresh"] is None
    assert said["code"] == "email_not_confirmed"
    assert not User.objects.exists()
    assert not Session.objects.exists()
    assert log_in(api(), NEW["email"], "wrong").status_code == 400


def test_nobody_registers_as_an_admin(db, api):
    wishes = {"is_staff": True, "is_superuser": True, "email_confirmed_at": timezone.now().isoformat()}
    assert api().post("/api/auth/register/", NEW | wishes | {"role": "ADMIN"}).json()["role"]
    assert not User.objects.exists()
    _, user = register(api, **wishes)
    assert (user.role, user.is_staff, user.is_superuser, user.email_verified) == ("USER", False, False, False)


def test_the_form_for_employees_is_told_who_makes_their_accounts(db, api):
    answer = api().post("/api/auth/register/", NEW | {"role": "EMPLOYEE", "employee_registration_code": "x"})
    assert (answer.status_code, answer.json()["detail"]) == (400, CUSTOMERS_ONLY)


def test_two_people_may_leave_the_phone_empty(db, api):
    for email in ("one@example.com", "two@example.com"):
        register(api, email=email, phone="")
    assert User.objects.filter(phone=None).count() == 2


def test_an_email_is_taken_in_any_spelling(alice, api):
    answer = api().post("/api/auth/register/", NEW | {"email": "ALICE@Example.com"})
    assert answer.status_code == 400
    assert answer.json()["email"] == ["An account with this email already exists."]
    assert answer.json()["error"] == "An account with this email already exists."


@pytest.mark.parametrize("email", ["ALICE@Example.com", "nobody@example.com"])
def test_by_code_a_registration_tells_nobody_who_has_an_account(alice, api, by_code, email):
    """Neither does the login after it, nor a code that is not there."""
    chosen = {"password": "a-new-lotus-pond-48", "password2": "a-new-lotus-pond-48"}
    with CaptureQueriesContext(connection) as queries:
        answer = api().post("/api/auth/register/", NEW | chosen | {"email": email})
    assert (answer.status_code, answer.json()["email"]) == (201, email.lower())
    assert answer.json() | {"email": "", "username": ""} == {
        "success": True,
        "message": str(REGISTERED),
        "detail": str(REGISTERED),
        "id": None,
        "email": "",
        "username": "",
        "full_name": "",
        "first_name": "",
        "last_name": "",
        "phone": None,
        "language": "en",
        "role": "USER",
        "account_status": "PENDING",
        "email_verified": False,
        "avatar": None,
    }
    assert not any("accounts_user" in query["sql"] for query in queries)
    run_due(["registrations"])
    assert log_in(api(), email, chosen["password"]).json()["account_status"] == "PENDING"
    assert api().post("/api/auth/otp/request/", {"email": email, "via": "email"}).status_code == 200
    wrong = api().post("/api/auth/otp/verify/", {"email": email, "otp": "nonsense"})
    assert wrong.json()["code"] == "invalid_code"
    assert User.objects.count() == 1


def test_the_owner_of_an_account_hears_once_a_day_that_somebody_registers_with_it(
    alice, api, by_code, mailoutbox
):
    for _ in range(3):
        api().post("/api/auth/register/", NEW | {"email": "ALICE@Example.com"})
    run_due(["registrations", "notifications"])
    (mail,) = mailoutbox
    assert (mail.to, "account" in mail.subject) == (["alice@example.com"], True)
    assert not re.search(r"\d{6}", mail.body)
    assert log_in(api(), "alice@example.com", builders.PASSWORD).json()["access"]


@pytest.mark.parametrize("spelling", ["+919876500001", "98765 00001", 9876500001])
def test_a_phone_tells_no_stranger_who_is_registered(alice, api, spelling):
    known = api().post("/api/auth/register/", NEW | {"phone": spelling})
    User.objects.filter(email=NEW["email"]).delete()
    alice.delete()
    unknown = api().post("/api/auth/register/", NEW | {"phone": spelling})
    assert known.status_code == unknown.status_code == 201
    assert known.json() | {"id": 0} == unknown.json() | {"id": 0}


@pytest.mark.parametrize(
    ("phone", "kept", "shown"),
    [
        ("(+91) 98765-43210", "+919876543210", "9876543210"),
        ("०९८७६५ ४३२१०", "+919876543210", "9876543210"),
        (9876543210, "+919876543210", "9876543210"),
        ("+44 7911 123456", "+447911123456", "+447911123456"),
        (None, None, None),
        ("", None, None),
        (" - ", None, None),
    ],
)
def test_a_phone_is_taken_as_people_write_it(db, api, phone, kept, shown):
    said, user = register(api, phone=phone)
    assert (said["phone"], user.phone) == (shown, kept)
    assert log_in(api(), NEW["email"]).json()["phone"] == shown


@pytest.mark.parametrize(
    "phone", ["98765", "98765 4321O", [], {}, True, "9" * 300, "98765 43210, 98765 43211"]
)
def test_a_phone_that_cannot_be_read_is_refused_with_a_sentence(db, api, phone):
    answer = api().post("/api/auth/register/", NEW | {"phone": phone}, format="json")
    assert (answer.status_code, answer.json()["phone"]) == (400, [UNREADABLE])
    assert answer.json()["error"] == UNREADABLE


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"email": "nonsense"}, "email"),
        ({"phone": "12345"}, "phone"),
        ({"password2": "something-else-81"}, "password2"),
        ({"password": "12345678", "password2": "12345678"}, "password"),
        ({"password": "asha@example.com", "password2": "asha@example.com"}, "password"),
    ],
)
def test_a_mistake_is_told_at_its_field(db, api, wrong, field):
    answer = api().post("/api/auth/register/", NEW | wrong)
    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    assert not User.objects.exists()


# --- Login -------------------------------------------------------------------------------------


def test_a_login_answers_everything_the_frontend_reads(alice, api):
    answer = log_in(api(), "Alice@Example.com").json()
    assert set(answer) == {
        *("access", "refresh", "id", "email", "username", "full_name", "first_name", "last_name"),
        *("phone", "language", "role", "account_status", "email_verified", "avatar"),
    }
    assert (answer["id"], answer["full_name"], answer["avatar"]) == (alice.pk, "Alice Devi", None)
    alice.refresh_from_db()
    assert alice.last_login is not None


def test_wrong_password_and_unknown_email_sound_the_same(alice, api):
    wrong, unknown = log_in(api(), password="wrong"), log_in(api(), "nobody@example.com")
    assert wrong.status_code == unknown.status_code == 400
    assert wrong.json()["error"] == unknown.json()["error"] == "Invalid email or password."


class CountingHasher(PBKDF2PasswordHasher):
    """What takes the time of a login is done once for each password that is compared."""

    iterations = 1
    encoded: ClassVar[list[str]] = []

    def encode(self, password, salt, iterations=None):
        self.encoded.append(password)
        return super().encode(password, salt, iterations)


def test_an_unknown_email_costs_as_many_hashes_as_a_wrong_password(alice, api, settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    alice.set_password(builders.PASSWORD)
    alice.save()
    for email in ("alice@example.com", "nobody@example.com"):
        CountingHasher.encoded.clear()
        log_in(api(), email, "wrong")
        assert CountingHasher.encoded == ["wrong"], email


def test_a_suspended_person_is_shut_out_everywhere(alice, api):
    session = log_in(api()).json()
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {session['access']}")
    assert client.get("/api/auth/addresses/").status_code == 200
    User.objects.update(account_status="SUSPENDED")
    assert client.get("/api/auth/addresses/").status_code == 401
    assert refresh(api(), session["refresh"]).status_code == 401
    answer = log_in(api())
    said = answer.json()
    assert (answer.status_code, said["account_status"], said["success"]) == (200, "SUSPENDED", False)
    assert (said["code"], said["access"], said["refresh"]) == ("account_not_active", None, None)


def test_only_the_right_password_learns_that_an_account_is_suspended(alice, api):
    User.objects.update(account_status="SUSPENDED")
    assert log_in(api(), password="wrong").json()["code"] == "invalid_credentials"


def test_guessing_passwords_is_slowed_down(alice, api, monkeypatch):
    monkeypatch.setitem(SimpleRateThrottle.THROTTLE_RATES, "login", "3/min")
    client = api()
    client.defaults["REMOTE_ADDR"] = "198.51.100.7"
    codes = [log_in(client, password="wrong").status_code for _ in range(5)]
    assert codes == [400, 400, 400, 429, 429]


def test_a_stale_token_does_not_stand_in_the_way_of_a_login(alice, api):
    client = api()
    client.credentials(HTTP_AUTHORIZATION="Bearer stale")
    assert log_in(client).status_code == 200


def test_a_stale_token_is_told_to_log_in_again(api, db):
    client = api()
    client.credentials(HTTP_AUTHORIZATION="Bearer stale")
    answer = client.get("/api/auth/addresses/")
    assert answer.status_code == 401
    assert answer.json()["error"] == "Your session has ended. Please log in again."


# --- Refresh and logout ------------------------------------------------------------------------


def test_a_refresh_gives_a_new_pair(alice, api):
    first = log_in(api()).json()
    second = refresh(api(), first["refresh"]).json()
    assert set(second) == {"access", "refresh"}
    assert second["refresh"] != first["refresh"]
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {second['access']}")
    assert client.get("/api/auth/addresses/").status_code == 200


def test_two_tabs_may_refresh_with_the_same_token(alice, api):
    token = log_in(api()).json()["refresh"]
    assert [refresh(api(), token).status_code for _ in range(2)] == [200, 200]


def test_a_rotated_token_is_worthless_after_the_grace(alice, api):
    token = log_in(api()).json()["refresh"]
    refresh(api(), token)
    wait_out_the_grace()
    assert refresh(api(), token).status_code == 401


def test_a_logout_ends_the_session_at_once_and_may_be_repeated(alice, api):
    token = log_in(api()).json()["refresh"]
    codes = [api().post("/api/auth/logout/", {"refresh": token}).status_code for _ in range(2)]
    assert codes == [205, 205]
    assert refresh(api(), token).status_code == 401


def test_a_logout_just_after_a_rotation_takes_the_grace_away(alice, api):
    token = log_in(api()).json()["refresh"]
    refresh(api(), token)
    api().post("/api/auth/logout/", {"refresh": token})
    assert refresh(api(), token).status_code == 401


@pytest.mark.parametrize("junk", ["nonsense", "a.b.c", "ü.é.ñ"])
def test_junk_is_no_session(db, api, junk):
    assert refresh(api(), junk).status_code == 401
    assert api().post("/api/auth/logout/", {"refresh": junk}).status_code == 205


def test_an_access_token_cannot_refresh(alice, api):
    assert refresh(api(), log_in(api()).json()["access"]).status_code == 401


def test_a_changed_password_ends_every_session(alice, api):
    session = log_in(api()).json()
    alice.set_password("another-lotus-pond-48")
    alice.save()
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {session['access']}")
    assert client.get("/api/auth/addresses/").status_code == 401
    assert refresh(api(), session["refresh"]).status_code == 401


# --- Addresses ---------------------------------------------------------------------------------


def test_addresses_are_a_bare_array_of_what_the_frontend_reads(alice, api):
    (address,) = api(alice).get("/api/auth/addresses/").json()
    assert set(address) == {
        *("id", "address_line1", "address_line2", "city", "state", "postal_code", "country"),
        *("is_default", "created_at", "updated_at"),
    }


def test_the_first_address_becomes_the_default(charlie, api):
    answer = api(charlie).post("/api/auth/addresses/", HOME | {"is_default": False})
    assert answer.status_code == 201
    assert answer.json()["is_default"] is True
    assert answer.json()["country"] == "India"


def test_another_default_moves_it(alice, api):
    made = api(alice).post("/api/auth/addresses/", HOME | {"is_default": True}).json()
    assert list(alice.addresses.filter(is_default=True).values_list("pk", flat=True)) == [made["id"]]


def test_the_default_moves_by_choosing_another_not_by_dropping_it(alice, api):
    (old,) = alice.addresses.all()
    answer = api(alice).patch(f"/api/auth/addresses/{old.pk}/", {"is_default": False})
    assert answer.status_code == 400
    other = api(alice).post("/api/auth/addresses/", HOME).json()
    assert api(alice).patch(f"/api/auth/addresses/{other['id']}/", {"is_default": True}).status_code == 200
    old.refresh_from_db()
    assert not old.is_default


def test_deleting_the_default_promotes_the_latest(alice, api):
    default = alice.addresses.get()
    api(alice).post("/api/auth/addresses/", HOME)
    latest = api(alice).post("/api/auth/addresses/", HOME).json()
    assert api(alice).delete(f"/api/auth/addresses/{default.pk}/").status_code == 204
    assert alice.addresses.get(is_default=True).pk == latest["id"]


def test_a_stranger_cannot_see_change_or_delete_anothers_address(alice, charlie, api):
    url = f"/api/auth/addresses/{alice.addresses.get().pk}/"
    assert api(charlie).get("/api/auth/addresses/").json() == []
    assert api(charlie).get(url).status_code == 404
    assert api(charlie).patch(url, {"city": "Gaya"}).status_code == 404
    assert api(charlie).delete(url).status_code == 404
    assert Address.objects.get().city == "Patna"


def test_nobody_gets_addresses_without_a_login(db, api):
    assert api().get("/api/auth/addresses/").status_code == 401


@pytest.mark.parametrize("code", ["12345", "80000a", "8000000"])
def test_an_indian_pin_code_has_six_digits(alice, api, code):
    answer = api(alice).post("/api/auth/addresses/", HOME | {"postal_code": code})
    assert answer.status_code == 400
    assert answer.json()["postal_code"] == ["Give the PIN code as six digits."]


@pytest.mark.parametrize("code", ["800 001", "800\u00a0001", "८००००१", "PIN code: 800 001", 800001])
def test_a_pin_code_is_read_as_people_write_it(charlie, api, code):
    made = api(charlie).post("/api/auth/addresses/", HOME | {"postal_code": code}, format="json")
    assert (made.status_code, made.json()["postal_code"]) == (201, "800001")
    url = f"/api/auth/addresses/{made.json()['id']}/"
    assert api(charlie).patch(url, {"postal_code": "221 001"}).json()["postal_code"] == "221001"


def test_an_old_address_with_a_strange_code_can_still_be_made_the_default(alice, api):
    old = builders.make_address(alice, postal_code="unknown", is_default=False)
    answer = api(alice).patch(f"/api/auth/addresses/{old.pk}/", {"is_default": True})
    assert (answer.status_code, answer.json()["postal_code"]) == (200, "unknown")
    assert api(alice).patch(f"/api/auth/addresses/{old.pk}/", {"country": "India"}).status_code == 400


def test_other_countries_have_other_postal_codes(alice, api):
    abroad = HOME | {"country": "United Kingdom", "postal_code": "SW1A 1AA"}
    assert api(alice).post("/api/auth/addresses/", abroad).status_code == 201


def test_too_many_addresses_are_refused(alice, api):
    for _ in range(19):
        builders.make_address(alice, is_default=False)
    answer = api(alice).post("/api/auth/addresses/", HOME)
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many_addresses")


def test_a_person_chooses_the_language_of_our_mails(alice, api):
    answer = api(alice).patch("/api/auth/profile/", {"language": "hi"})

    assert (answer.status_code, answer.json()["language"]) == (200, "hi")
    alice.refresh_from_db()
    assert alice.language == "hi"
    assert api(alice).get("/api/auth/profile/").json()["language"] == "hi"


def test_people_correct_their_own_phone(alice, charlie, api):
    answer = api(charlie).patch("/api/auth/profile/", {"phone": "098765 00001"})
    assert (answer.status_code, answer.json()["phone"]) == (200, "9876500001")  # alice's, too
    assert api(charlie).patch("/api/auth/profile/", {"phone": "12"}).json()["phone"] == [UNREADABLE]
    assert api(charlie).patch("/api/auth/profile/", {"first_name": "Charu"}).json()["phone"] == "9876500001"
    assert api(charlie).patch("/api/auth/profile/", {"phone": None}, format="json").json()["phone"] is None


def test_a_change_of_the_profile_keeps_what_happened_to_the_account_meanwhile(alice):
    incoming = ProfileChangeSerializer(User.objects.get(), data={"language": "hi"}, partial=True)
    incoming.is_valid(raise_exception=True)
    User.objects.update(account_status="SUSPENDED", password="another one")

    incoming.save()

    alice.refresh_from_db()
    assert (alice.language, alice.account_status, alice.password) == ("hi", "SUSPENDED", "another one")


def test_a_language_we_do_not_write_is_refused(alice, api):
    assert api(alice).patch("/api/auth/profile/", {"language": "ta"}).json()["language"]


PROFILE = {"first_name": "Alice", "last_name": "Devi", "dob": "1990-02-28"}


def test_a_change_of_the_profile_answers_all_that_its_page_shows(alice, api):
    answer = api(alice).patch("/api/auth/profile/", PROFILE)
    assert answer.status_code == 200
    assert answer.json() | PROFILE == answer.json() == api(alice).get("/api/auth/profile/").json()
    joined, changed = answer.json()["created_at"], answer.json()["updated_at"]
    assert joined < changed
    assert api(alice).patch("/api/auth/profile/", {"dob": None}, format="json").json()["dob"] is None
    assert api(alice).patch("/api/auth/profile/", {"dob": ""}).json()["dob"] is None


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        (-1, "The date of birth lies in the future."),
        (13 * 365, "You must be at least 13 years old."),
        (140 * 366, "Please check the year of the date of birth."),
    ],
)
def test_a_date_of_birth_that_cannot_be_is_told_where_the_page_reads_it(alice, api, days, sentence):
    born = timezone.localdate() - timedelta(days=days)
    answer = api(alice).patch("/api/auth/profile/", PROFILE | {"dob": born.isoformat()})
    said = answer.json()
    assert (answer.status_code, said["dob"]) == (400, [sentence])
    assert said["error"] == said["detail"] == said["message"] == sentence
    alice.refresh_from_db()
    assert alice.dob is None


def test_a_thirteenth_birthday_is_enough(alice, api):
    today = timezone.localdate()
    leap_day = (today.month, today.day) == (2, 29)  # the year of birth had none
    born = today.replace(year=today.year - 13, day=28 if leap_day else today.day).isoformat()
    assert api(alice).patch("/api/auth/profile/", {"dob": born}).json()["dob"] == born


def test_names_have_the_length_that_the_form_lets_one_type(alice, api):
    assert api(alice).patch("/api/auth/profile/", {"first_name": "A" * 100}).status_code == 200
    assert api(alice).patch("/api/auth/profile/", {"first_name": "A" * 101}).json()["first_name"]
    assert (
        api(alice).patch("/api/auth/profile/", {"last_name": None}, format="json").json()["last_name"] == ""
    )


def test_an_address_has_the_lengths_that_the_form_lets_one_type(charlie, api):
    longest = {"address_line1": "A" * 255, "address_line2": "B" * 255, "city": "C" * 100, "state": "D" * 100}
    longest |= {"country": "Bharat", "postal_code": "221 001", "is_default": True}
    added = api(charlie).post("/api/auth/addresses/", longest)
    assert (added.status_code, added.json()["postal_code"]) == (201, "221001")
    for name in ("address_line1", "address_line2", "city", "state"):
        too_long = api(charlie).patch(f"/api/auth/addresses/{added.json()['id']}/", {name: "x" * 256})
        assert too_long.status_code == 400
        assert too_long.json()["detail"] == too_long.json()[name][0]


def test_a_page_that_sends_null_for_an_empty_line_is_understood(charlie, api):
    added = api(charlie).post("/api/auth/addresses/", HOME | {"address_line2": None}, format="json")
    assert (added.status_code, added.json()["address_line2"]) == (201, "")


def test_nobody_makes_themselves_staff_by_their_profile(alice, api):
    api(alice).patch("/api/auth/profile/", {"role": "ADMIN", "is_staff": True, "email": "x@example.com"})

    alice.refresh_from_db()
    assert (alice.role, alice.is_staff, alice.email) == ("USER", False, "alice@example.com")


def test_the_language_can_be_chosen_at_registration(db, api):
    person = {"email": "h@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD}
    assert api().post("/api/auth/register/", {**person, "language": "hi"}).json()["language"] == "hi"
    run_due(["code_requests", "codes"])
    assert Notification.objects.get().language == "hi"
