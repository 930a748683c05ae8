"""The second step of a login of staff: set up, asked for, lost."""

import time
from binascii import unhexlify
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Session, User
from accounts.second_factor import Enrolment, confirm, is_right, new_secret, seconds_to_wait
from accounts.staff_roles import RoleRefused, assign_role
from tests.harness import builders
from tests.harness.builders import PASSWORD
from tests.harness.races import while_uncommitted

pytestmark = pytest.mark.django_db
LOGIN, STEP, SETUP = "/admin/login/", "/admin/desk/second-factor/", "/admin/desk/second-factor/setup/"


class Clock:
    """Half a minute later at each code of an app, so that none is used twice."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    for module in ("accounts.second_factor", "django_otp.plugins.otp_totp.models"):
        monkeypatch.setattr(f"{module}.time", CLOCK)


@pytest.fixture
def support(db):
    return builders.make_staff("Support", email="support@example.com")


def log_in(person: User, following: str = "") -> Client:
    client = Client()
    answer = client.post(f"{LOGIN}{following}", {"username": person.email, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def code(secret: str) -> str:
    CLOCK.now += 30
    totp = TOTP(unhexlify(secret))
    totp.time = CLOCK.now
    return f"{totp.token():06}"


def enrol(client: Client, former: str = "") -> tuple[str, list[str]]:
    """The secret and the recovery codes. `former`: a code of the second factor that is replaced."""
    client.get(SETUP)
    secret = client.session["second_factor_pending"]
    answer = client.post(SETUP, {"code": code(secret), "former": former})
    return secret, answer.context["codes"]


def test_who_has_none_logs_in_as_before(support):
    assert log_in(support).get("/admin/desk/").status_code == 200


def test_the_setup_shows_a_qr_code_without_any_other_host_and_the_secret_in_letters(support):
    page = log_in(support).get(SETUP)

    assert 'src="data:image/svg+xml' in page.content.decode()
    assert len(page.context["typed"].replace("-", "")) == 32


def test_a_wrong_code_sets_nothing_up(support):
    client = log_in(support)
    client.get(SETUP)
    for wrong in ("000000", "", "abc", "1" * 41):
        assert client.post(SETUP, {"code": wrong}).status_code == 200
    assert not TOTPDevice.objects.exists()


def test_who_has_one_is_asked_for_it_and_comes_to_where_they_wanted(support):
    secret, _ = enrol(log_in(support))
    client = log_in(support, "?next=/admin/desk/tables/")
    closed = client.get("/admin/desk/tables/", follow=True)

    assert closed.redirect_chain[-1][0] == f"{STEP}?next=%2Fadmin%2Fdesk%2Ftables%2F"
    assert "All tables" not in closed.content.decode()
    answer = client.post(f"{STEP}?next=/admin/desk/tables/", {"code": code(secret)})
    assert answer.url == "/admin/desk/tables/"
    assert client.get("/admin/desk/tables/").status_code == 200


def test_it_leads_to_no_other_site(support):
    secret, _ = enrol(log_in(support))
    client = log_in(support)
    assert client.post(f"{STEP}?next=https://evil.example/", {"code": code(secret)}).url == "/admin/"


@pytest.mark.parametrize(
    "page", ["/admin/", "/admin/payment/payment/", "/admin/desk/search/", "/admin/search/?s=a"]
)
def test_the_password_alone_opens_no_page(support, page):
    enrol(log_in(support))
    answer = log_in(support).get(page)

    assert answer.status_code == 302
    assert answer.url.startswith(LOGIN)


def test_the_password_alone_opens_no_diagnosis_in_full(support):
    enrol(log_in(support))
    page = reverse("debug-connectivity")
    assert "dependencies" not in log_in(support).get(page, {"format": "json"}).json()


def test_whoever_has_only_the_password_sets_up_no_second_one(support):
    enrol(log_in(support))
    assert log_in(support).get(SETUP).url == STEP


def test_a_code_works_once(support):
    secret, _ = enrol(log_in(support))
    used = code(secret)
    assert log_in(support).post(STEP, {"code": used}).status_code == 302
    assert log_in(support).post(STEP, {"code": used}).status_code == 200


def test_after_a_wrong_code_the_right_one_must_wait(support, monkeypatch):
    secret, _ = enrol(log_in(support))
    client = log_in(support)
    client.post(STEP, {"code": "000000"})
    page = client.post(STEP, {"code": code(secret)})

    assert page.status_code == 200
    assert "Wait" in page.content.decode()


def test_a_recovery_code_logs_in_once_in_any_spelling_and_is_not_stored(support):
    _, codes = enrol(log_in(support))
    assert len(codes) == len(set(codes)) == 8
    stored = set(StaticToken.objects.values_list("token", flat=True))
    assert not stored & {each.replace("-", "") for each in codes}
    assert log_in(support).post(STEP, {"code": codes[0].lower().replace("-", " ")}).status_code == 302
    assert log_in(support).post(STEP, {"code": codes[0]}).status_code == 200


def test_a_new_phone_replaces_the_old_one_and_its_recovery_codes(support):
    client = log_in(support)
    first, old_codes = enrol(client)
    second, _ = enrol(client, former=code(first))

    assert log_in(support).post(STEP, {"code": code(first)}).status_code == 200
    TOTPDevice.objects.get().throttle_reset()
    assert log_in(support).post(STEP, {"code": old_codes[0]}).status_code == 200
    assert TOTPDevice.objects.get().key == second


def test_a_browser_that_was_left_open_does_not_replace_it(support):
    client = log_in(support)
    secret, codes = enrol(client)
    for former in ({}, {"former": ""}, {"former": "000000"}, {"former": codes[0][:-1]}):
        client.get(SETUP)
        sent = {"code": code(client.session["second_factor_pending"]), **former}
        assert "errorlist" in client.post(SETUP, sent).content.decode()
    assert TOTPDevice.objects.get().key == secret
    StaticDevice.objects.get().throttle_reset()
    mistyped = client.post(SETUP, {"code": "000000", "former": codes[0]})
    assert "not the code of this secret" in mistyped.content.decode()
    enrol(client, former=codes[0])  # the phone is lost, and the code is not used up yet
    assert TOTPDevice.objects.get().key != secret


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_leave_one_device_whose_recovery_codes_are_those_of_the_second(support):
    secret = new_secret()

    def click() -> list[str]:
        return confirm(Enrolment(User.objects.get(pk=support.pk), secret), 1)

    codes = while_uncommitted(click, click)
    assert (TOTPDevice.objects.count(), StaticDevice.objects.count()) == (1, 1)
    assert is_right(support, codes[0])


def test_what_a_password_alone_had_opened_ends_when_a_second_factor_is_set_up(support, api):
    """Somebody else may know the password."""
    strange, phone, own = log_in(support), api(support), log_in(support)
    enrol(own)

    assert strange.get("/admin/desk/").status_code == 302
    assert phone.get("/api/auth/profile/").status_code == 401
    assert own.get("/admin/desk/").status_code == 200


def test_a_wrong_recovery_code_says_how_long_the_right_one_waits(support):
    _, codes = enrol(log_in(support))
    client = log_in(support)
    for typed in ("wrong", codes[0]):
        assert "Wait 1 s" in client.post(STEP, {"code": typed}).content.decode()
    assert StaticToken.objects.count() == 8


def test_whoever_uses_a_recovery_code_is_told_how_many_are_left(support):
    _, codes = enrol(log_in(support))
    client = log_in(support)
    page = client.post(STEP, {"code": codes[0]}, follow=True).content.decode()
    assert "7 recovery codes are left" in page


@pytest.mark.parametrize("guess", ["000000", "AAAA-BBBB-CCCC-DDDD"])
def test_codes_cannot_be_guessed_one_after_the_other(support, guess):
    """Each wrong one doubles the wait; what is tried meanwhile, the right one too, is not looked at."""
    secret, codes = enrol(log_in(support))
    client, kind, waits = log_in(support), TOTPDevice if guess.isdigit() else StaticDevice, []
    for _ in range(5):
        client.post(STEP, {"code": guess})
        waits.append(seconds_to_wait(support, guess))
        right = code(secret) if guess.isdigit() else codes[0]
        assert client.post(STEP, {"code": right}).status_code == 200
        device = kind.objects.get()
        device.throttling_failure_timestamp -= timedelta(seconds=waits[-1])
        device.save()
    assert waits == [1, 2, 4, 8, 16]


def test_the_setting_asks_everybody_to_set_one_up(support, settings):
    settings.STAFF_SECOND_FACTOR = True
    client = log_in(support)
    page = client.get("/admin/desk/", follow=True)

    assert page.redirect_chain[-1][0] == SETUP
    enrol(client)
    assert client.get("/admin/desk/").status_code == 200


def test_an_owner_removes_a_lost_one_and_every_login_ends(support):
    client, person = log_in(support), builders.make_staff("Owner")
    enrol(client)
    owner = log_in(person)
    page = owner.get(f"/admin/desk/staff/{support.pk}/role/").content.decode()
    assert "Remove the lost second factor" in page
    owner.post(f"/admin/desk/staff/{support.pk}/second-factor/forget/", {"sure": "1"})

    assert client.get("/admin/desk/").status_code == 302
    assert log_in(support).get("/admin/desk/").status_code == 200
    page = owner.get("/admin/desk/history/", {"kind": "accounts"})
    removed, set_up = (each for each in page.context["entries"] if each.reason)
    assert (removed.who, removed.reason) == (person.email, "second factor removed")
    assert (set_up.who, set_up.reason) == (support.email, "second factor set up")


def test_nobody_removes_their_own(support):
    person = builders.make_staff("Owner")
    client = log_in(person)
    enrol(client)
    page = client.get(f"/admin/desk/staff/{person.pk}/role/").content.decode()
    assert "Remove the lost second factor" not in page
    client.post(f"/admin/desk/staff/{person.pk}/second-factor/forget/", {"sure": "1"})
    assert TOTPDevice.objects.filter(user=person).exists()


# --- The API ------------------------------------------------------------------------------------------------------


def api_login(api, person: User, **more):
    return api().post("/api/auth/login/", {"email": person.email, "password": PASSWORD, **more})


def test_the_api_asks_staff_for_it_too(api, support):
    secret, _ = enrol(log_in(support))
    refused = api_login(api, support)

    assert (refused.status_code, refused.json()["code"]) == (400, "second_factor_needed")
    wrong = api_login(api, support, second_factor="000000")
    assert (wrong.json()["code"], wrong["Retry-After"]) == ("second_factor_wrong", "1")
    TOTPDevice.objects.get().throttle_reset()
    assert "access" in api_login(api, support, second_factor=code(secret)).json()
    assert Session.objects.filter(user=support).count() == 1


def test_the_api_lets_nobody_in_who_should_have_one(api, support, alice, settings):
    settings.STAFF_SECOND_FACTOR = True
    assert api_login(api, support).json()["code"] == "second_factor_missing"
    assert "access" in api_login(api, alice).json()


def test_a_login_of_before_the_setting_ends_with_it(api, support, alice, settings):
    """Also when its tokens are refreshed; a customer has none to show."""
    without = api_login(api, support).json()
    secret, _ = enrol(log_in(builders.make_staff("Owner", email="owner@example.com")))
    owner = User.objects.get(email="owner@example.com")
    with_it = api_login(api, owner, second_factor=code(secret)).json()
    customer = api(alice)
    settings.STAFF_SECOND_FACTOR = True

    def status(tokens):
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {tokens['access']}")
        return client.get("/api/auth/profile/").status_code

    assert (status(without), status(with_it)) == (401, 200)
    assert api().post("/api/auth/refresh/", {"refresh": without["refresh"]}).status_code == 401
    assert api().post("/api/auth/refresh/", {"refresh": with_it["refresh"]}).status_code == 200
    assert customer.get("/api/auth/profile/").status_code == 200


# --- Roles --------------------------------------------------------------------------------------------------------


def test_an_owner_makes_somebody_staff_by_choosing_a_role(alice):
    owner = builders.make_staff("Owner")
    client = log_in(owner)
    page = unescape(client.get(f"/admin/desk/staff/{alice.pk}/role/").content.decode())
    assert "refund money, and approve refunds as the second person" in page
    client.post(f"/admin/desk/staff/{alice.pk}/role/", {"role": "Support", "reason": "she helps in December"})
    alice = User.objects.get(pk=alice.pk)

    assert alice.holds("booking.change_booking")
    assert not alice.holds("payment.change_refund")
    assert alice.role == User.Role.EMPLOYEE
    assert "she helps in December" in LogEntry.objects.get(object_id=f"{alice.pk}").change_message
    assert log_in(alice).get("/admin/desk/").status_code == 200


def test_no_role_is_a_customer_again_without_a_second_factor(support):
    client = log_in(support)
    enrol(client)
    assign_role(support.pk, "", builders.make_staff("Owner"), "has left")
    support.refresh_from_db()

    assert support.is_customer
    assert not TOTPDevice.objects.exists()
    assert client.get("/admin/desk/").status_code == 302


def test_a_role_replaces_the_former_one_and_rights_that_were_given_one_by_one(support):
    support.user_permissions.add(
        Permission.objects.get(codename="change_refund", content_type__app_label="payment")
    )
    assign_role(support.pk, "Coordinator", builders.make_staff("Owner"), "moved to the priests")
    person = User.objects.get(pk=support.pk)

    assert [group.name for group in person.groups.all()] == ["Coordinator"]
    assert not person.holds("payment.change_refund")


@pytest.mark.parametrize("who", ["oneself", "a superuser"])
def test_nobody_changes_their_own_role_or_a_superuser(who, staff):
    owner = builders.make_staff("Owner")
    person = {"oneself": owner, "a superuser": staff}[who]
    with pytest.raises(RoleRefused):
        assign_role(person.pk, "Priest", owner, "a try")
    page = log_in(owner).post(f"/admin/desk/staff/{person.pk}/role/", {"role": "Priest", "reason": "a try"})
    assert page.status_code == 200
    assert User.objects.get(pk=person.pk).holds("booking.view_booking")


def test_the_list_of_staff_takes_as_many_statements_for_many(django_assert_max_num_queries):
    client = log_in(builders.make_staff("Owner"))
    for _ in range(12):
        builders.make_staff("Priest")
    client.get("/admin/desk/staff/")
    with django_assert_max_num_queries(10):
        page = client.get("/admin/desk/staff/")
    assert len(page.context["members"]) == 13
