import re
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from accounts.codes import PER_DAY, TRIES, confirm_email, digits, issue
from accounts.models import OneTimeCode, User
from core.errors import Refusal
from tests.harness import builders
from tests.harness.races import at_once
from worker.jobs import run_due

REGISTRATION = {"email": "asha@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD}
CONFIRM, RESET = OneTimeCode.Purpose.CONFIRM, OneTimeCode.Purpose.RESET


@pytest.fixture(autouse=True)
def outbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


def sent_code() -> str:
    """What the last mail tells, after the worker has sent what is due."""
    run_due(["codes", "notifications"])
    return re.search(r"\b\d{6}\b", mail.outbox[-1].subject).group()


def forget_the_pause() -> None:
    earlier = timezone.now() - timedelta(minutes=2)
    OneTimeCode.objects.update(created_at=earlier)


def post(api, path: str, **body: str):
    return api().post(f"/api/auth/{path}/", body)


def test_a_new_account_is_confirmed_by_the_code_in_its_mail(api, db):
    assert api().post("/api/auth/register/", REGISTRATION | {"first_name": "Win a prize"}).status_code == 201
    code = sent_code()
    assert mail.outbox[0].to == ["asha@example.com"]
    assert "prize" not in mail.outbox[0].body
    login = api().post("/api/auth/login/", REGISTRATION).json()
    assert (login["account_status"], login["email_verified"]) == ("ACTIVE", False)

    answer = post(api, "otp/verify", email="Asha@example.com", otp=code)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert api().post("/api/auth/login/", REGISTRATION).json()["email_verified"] is True
    assert post(api, "otp/verify", email="asha@example.com", otp=code).status_code == 400


def test_no_code_can_be_read_in_the_database(charlie):
    issue(charlie, CONFIRM)
    code = sent_code()
    with connection.cursor() as cursor:
        for table in ("accounts_onetimecode", "notifications_notification"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
            assert code not in repr(cursor.fetchall())


def test_guesses_end_with_the_tries_also_for_the_right_code(api, charlie):
    code = digits(issue(charlie, CONFIRM))
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for _ in range(TRIES):
        assert post(api, "otp/verify", email=charlie.email, otp=wrong).json()["code"] == "invalid_code"
    assert post(api, "otp/verify", email=charlie.email, otp=code).status_code == 400
    charlie.refresh_from_db()
    assert charlie.email_confirmed_at is None


@pytest.mark.parametrize("change", ["expires_at", "used_at"])
def test_an_old_or_used_code_is_no_code(charlie, change):
    code = issue(charlie, CONFIRM)
    OneTimeCode.objects.update(**{change: timezone.now()})
    with pytest.raises(Refusal):
        confirm_email(charlie.email, digits(code))


def test_the_next_code_ends_the_one_before(charlie):
    first = issue(charlie, CONFIRM)
    assert issue(charlie, CONFIRM) is None
    forget_the_pause()
    second = issue(charlie, CONFIRM)
    with pytest.raises(Refusal):
        confirm_email(charlie.email, digits(first))
    confirm_email(charlie.email, digits(second))


def test_an_account_gets_so_many_codes_a_day(charlie):
    for _ in range(PER_DAY):
        assert issue(charlie, CONFIRM)
        forget_the_pause()
    assert issue(charlie, CONFIRM) is None
    assert issue(charlie, RESET)


@pytest.mark.parametrize("path", ["otp/request", "password/reset"])
def test_nobody_learns_who_has_an_account(api, charlie, path):
    known, unknown = post(api, path, email=charlie.email), post(api, path, email="nobody@example.com")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert [code.user for code in OneTimeCode.objects.all()] == [charlie]


def test_a_forgotten_password_is_replaced_and_every_session_ends(api, alice):
    phone = api(alice)
    post(api, "password/reset", email=alice.email)
    wish = {"email": alice.email, "otp": sent_code(), "new_password": "another-lotus-pond-48"}

    weak = post(api, "password/reset/confirm", **wish | {"new_password": "12345678"})
    assert weak.status_code == 400
    assert not re.search("invalid|expired", weak.json()["detail"], re.IGNORECASE)
    wrong = post(api, "password/reset/confirm", **wish | {"otp": "nonsense"})
    assert re.search("invalid|expired", wrong.json()["detail"])
    assert post(api, "password/reset/confirm", **wish).status_code == 200

    assert phone.get("/api/auth/addresses/").status_code == 401
    login = {"email": alice.email, "password": "another-lotus-pond-48"}
    assert api().post("/api/auth/login/", login).status_code == 200
    assert post(api, "password/reset/confirm", **wish).status_code == 400


def test_a_suspended_account_is_not_opened_by_a_code(api, charlie):
    code = digits(issue(charlie, RESET))
    User.objects.update(account_status="SUSPENDED")
    wish = {"email": charlie.email, "otp": code, "new_password": "another-lotus-pond-48"}
    assert post(api, "password/reset/confirm", **wish).status_code == 400
    assert post(api, "password/reset", email=charlie.email).status_code == 200
    assert OneTimeCode.objects.count() == 1


def test_a_look_at_the_address_confirms_nothing(api, charlie):
    code = digits(issue(charlie, CONFIRM))
    assert api().get("/api/auth/otp/verify/", {"email": charlie.email, "otp": code}).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_of_two_verifications_at_once_one_succeeds(charlie):
    code = digits(issue(charlie, CONFIRM))
    results = at_once(*[lambda: confirm_email(charlie.email, code)] * 4)
    assert sorted(type(each).__name__ for each in results) == ["NoneType", "Refusal", "Refusal", "Refusal"]


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_are_no_more_than_the_tries(charlie):
    code = issue(charlie, CONFIRM)
    at_once(*[lambda: confirm_email(charlie.email, "nonsense")] * 8)
    code.refresh_from_db()
    assert code.tries == TRIES
