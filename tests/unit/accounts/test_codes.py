import logging
import re
import smtplib
from datetime import timedelta
from typing import ClassVar

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.codes import (
    CODE_ACCOUNT,
    CODE_NETWORK,
    PER_DAY,
    TRIES,
    confirm_email,
    digits,
    issue,
    reset_password,
)
from accounts.models import CodeRequest, OneTimeCode, Registration, Session, User
from accounts.sessions import end_all
from core.databases import InTransaction
from core.errors import Refusal
from core.models import Counter
from notifications.code_sender import CodeMessage, send_code
from notifications.models import Notification
from tests.harness import builders
from tests.harness.races import at_once
from worker.jobs import run_due

REGISTRATION = {"email": "asha@example.com", "password": builders.PASSWORD, "password2": builders.PASSWORD}
LOGIN = {"email": "asha@example.com", "password": builders.PASSWORD}
HOME, ATTACKER, ELSEWHERE = "203.0.113.5", "198.51.100.7", "192.0.2.9"
CONFIRM, RESET = OneTimeCode.Purpose.CONFIRM, OneTimeCode.Purpose.RESET


@pytest.fixture(autouse=True)
def outbox(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"


WORK = ("code_requests", "registrations", "codes", "notifications")


def sent_code() -> str:
    """What the last mail tells, after the worker has sent what is due."""
    run_due(WORK)
    return re.search(r"\b\d{6}\b", mail.outbox[-1].subject).group()


def forget_the_pause() -> None:
    earlier = timezone.now() - timedelta(minutes=2)
    OneTimeCode.objects.update(created_at=earlier)


def post(api, path: str, address: str = HOME, **body: str):
    return api().post(f"/api/auth/{path}/", body, REMOTE_ADDR=address)


@pytest.fixture
def by_code(settings):
    settings.REGISTRATION_BY_CODE = True


def register(api, password: str = builders.PASSWORD, address: str = HOME, **typed: str) -> None:
    body = REGISTRATION | {"password": password, "password2": password} | typed
    assert api().post("/api/auth/register/", body, REMOTE_ADDR=address).status_code == 201


def confirm(email: str, otp: str) -> None:
    confirm_email(email, otp, HOME)


def wrong(code: OneTimeCode) -> str:
    return f"{(int(digits(code)) + 1) % 1_000_000:06}"


def test_a_new_account_is_confirmed_by_the_code_in_its_mail(api, db):
    assert api().post("/api/auth/register/", REGISTRATION).status_code == 201
    code = sent_code()
    login = api().post("/api/auth/login/", LOGIN).json()
    assert (login["account_status"], login["email_verified"]) == ("ACTIVE", False)

    answer = post(api, "otp/verify", email="Asha@example.com", otp=code)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    assert api().post("/api/auth/login/", LOGIN).json()["email_verified"] is True
    assert post(api, "otp/verify", email="asha@example.com", otp=code).status_code == 400


def test_a_new_account_is_opened_by_the_code_in_its_mail(api, db, by_code):
    assert api().post("/api/auth/register/", REGISTRATION | {"first_name": "Win a prize"}).status_code == 201
    code = sent_code()
    assert mail.outbox[0].to == ["asha@example.com"]
    assert "prize" not in mail.outbox[0].body

    answer = post(api, "otp/verify", email="Asha@example.com", otp=code)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    login = api().post("/api/auth/login/", LOGIN).json()
    assert (login["account_status"], login["email_verified"]) == ("ACTIVE", True)
    assert post(api, "otp/verify", email="asha@example.com", otp=code).status_code == 400


def test_a_code_opens_the_account_of_its_own_registration(api, db, by_code):
    """Somebody else who registers with the address, before or after, neither gets the account nor stops it."""
    owner, other = builders.PASSWORD, "a-password-of-somebody-else"
    register(api, other)
    register(api, owner)
    code = sent_code()
    register(api, other)
    assert sent_code() != code

    assert post(api, "otp/verify", email=REGISTRATION["email"], otp=code).status_code == 200

    statuses = [
        api().post("/api/auth/login/", {"email": REGISTRATION["email"], "password": password}).status_code
        for password in (owner, other)
    ]
    assert statuses == [200, 400]
    assert not Registration.objects.exists()


@pytest.mark.parametrize("stranger_is_first", [True, False])
def test_the_code_of_a_strangers_registration_does_not_set_the_strangers_password(
    api, db, by_code, stranger_is_first
):
    """The owner of a mailbox that holds two codes cannot tell which one is theirs."""
    theirs = "a-password-of-somebody-else"
    people = {HOME: (builders.PASSWORD, "Asha"), ATTACKER: (theirs, "Mallory")}
    codes = {}
    for address in (ATTACKER, HOME) if stranger_is_first else (HOME, ATTACKER):
        password, first_name = people[address]
        register(api, password, address, first_name=first_name)
        codes[address] = sent_code()

    answer = post(api, "otp/verify", email=REGISTRATION["email"], otp=codes[ATTACKER])

    assert answer.status_code == 200
    assert "choose a password" in answer.json()["message"]
    asha = User.objects.get()
    assert (asha.first_name, asha.has_usable_password()) == ("", False)
    assert post(api, "login", address=ATTACKER, email=asha.email, password=theirs).status_code == 400
    reset = {"email": asha.email, "otp": sent_code(), "new_password": builders.PASSWORD}
    assert post(api, "password/reset/confirm", **reset).status_code == 200
    assert post(api, "login", email=asha.email, password=builders.PASSWORD).json()["access"]


def test_who_registers_twice_at_home_may_type_either_code(api, db, by_code):
    register(api, "the-first-password-of-asha")
    code = sent_code()
    register(api)
    assert (
        post(api, "otp/verify", email=REGISTRATION["email"], otp=code, address=ELSEWHERE).status_code == 200
    )
    assert User.objects.get().check_password("the-first-password-of-asha")


def test_who_registered_before_somebody_else_is_told_of_their_code(api, db, by_code):
    register(api)
    register(api, "a-password-of-somebody-else")
    said = api().post("/api/auth/login/", LOGIN).json()
    assert (said["code"], said["account_status"]) == ("email_not_confirmed", "PENDING")


def test_the_code_of_a_registration_is_sent_again(api, db, by_code):
    register(api)
    first = sent_code()
    ask = {"email": REGISTRATION["email"], "via": "email"}
    assert post(api, "otp/request", **ask).status_code == 200
    run_due(WORK)
    assert len(mail.outbox) == 1  # the last one left a moment ago
    Registration.objects.update(mailed_at=timezone.now() - timedelta(minutes=16))
    assert post(api, "otp/verify", email=ask["email"], otp=first).status_code == 400
    assert post(api, "otp/request", **ask).status_code == 200
    run_due(WORK)
    assert sent_code() == first
    assert len(mail.outbox) == 2
    assert post(api, "otp/verify", email=ask["email"], otp=first).status_code == 200


def test_an_address_gets_so_many_codes_of_registrations_in_a_day(api, db, by_code):
    for _ in range(PER_DAY + 3):
        register(api)
        run_due(WORK)
    assert len(mail.outbox) == PER_DAY
    Registration.objects.update(mailed_at=timezone.now() - timedelta(hours=5))
    register(api)
    assert post(api, "otp/verify", email=REGISTRATION["email"], otp=sent_code()).status_code == 200


def test_no_account_is_opened_over_one_that_there_is(api, db, by_code):
    register(api)
    code = sent_code()
    builders.make_user(REGISTRATION["email"])
    assert post(api, "otp/verify", email=REGISTRATION["email"], otp=code).status_code == 400
    assert User.objects.get().check_password(builders.PASSWORD)


def test_registrations_that_nobody_confirmed_are_deleted(api, db, by_code):
    register(api)
    run_due(["left_registrations"])
    assert Registration.objects.count() == 1
    Registration.objects.update(created_at=timezone.now() - timedelta(days=8))
    run_due(["left_registrations"])
    assert not Registration.objects.exists()


class BySms:
    channels = ("email", "sms")
    sent: ClassVar[list[CodeMessage]] = []

    def __call__(self, message, timeout):
        assert timeout == 10
        self.sent.append(message)


@pytest.fixture
def by_sms(settings):
    settings.CODE_SENDER = f"{__name__}.BySms"
    BySms.sent.clear()
    return BySms.sent


def test_a_channel_that_the_sender_lacks_is_refused_with_a_sentence(api, charlie):
    for path in ("otp/request", "password/reset"):
        answer = post(api, path, email=charlie.email, via="sms")
        assert (answer.status_code, answer.json()["message"]) == (400, "This code is sent by: email.")
    assert not CodeRequest.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_sender_of_the_installation_gets_the_code_and_the_phone(api, by_sms):
    user = builders.make_user(
        "asha@example.com", phone="9876543210", language="hi", phone_confirmed_at=timezone.now()
    )
    assert post(api, "password/reset", email=user.email, via="sms").status_code == 200
    run_due(WORK)
    (message,) = by_sms
    facts = (message.via, message.purpose, message.email, message.phone, message.language)
    assert facts == ("sms", "reset", user.email, "+919876543210", "hi")
    assert message.code in message.text
    assert not mail.outbox

    wish = {"email": user.email, "otp": message.code, "new_password": "another-lotus-pond-48"}
    assert post(api, "password/reset/confirm", **wish).status_code == 200
    user.refresh_from_db()
    assert user.email_confirmed_at is None  # a phone shows nothing about a mailbox


@pytest.mark.django_db(transaction=True)
def test_who_has_no_phone_gets_the_code_by_mail(api, by_sms, charlie):
    assert post(api, "password/reset", email=charlie.email, via="sms").status_code == 200
    run_due(WORK)
    assert [message.via for message in by_sms] == ["email"]


@pytest.mark.django_db(transaction=True)
def test_a_phone_that_nobody_confirmed_gets_no_code(api, by_sms):
    """Anybody can write any number into their profile; a mistyped one is a stranger's."""
    user = builders.make_user("asha@example.com", phone="9876543210")
    assert post(api, "password/reset", email=user.email, via="sms").status_code == 200
    run_due(WORK)
    assert [message.via for message in by_sms] == ["email"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_sent", [True, False])
def test_another_phone_is_not_confirmed_and_ends_the_codes_of_the_former_one(api, by_sms, is_sent):
    user = builders.make_user("asha@example.com", phone="9876543210", phone_confirmed_at=timezone.now())
    post(api, "password/reset", email=user.email, via="sms")
    run_due(WORK if is_sent else ["code_requests"])
    code = digits(OneTimeCode.objects.get())
    assert api(user).patch("/api/auth/profile/", {"phone": "9876543211"}).status_code == 200
    run_due(WORK)
    assert len(by_sms) == is_sent
    wish = {"email": user.email, "otp": code, "new_password": "another-lotus-pond-48"}
    assert post(api, "password/reset/confirm", **wish).status_code == 400
    User.objects.update(phone_confirmed_at=timezone.now())  # the new one
    assert post(api, "password/reset/confirm", **wish).status_code == 400


def test_the_same_phone_stays_confirmed(api, alice):
    User.objects.filter(pk=alice.pk).update(phone="+919876543210", phone_confirmed_at=timezone.now())
    alice.refresh_from_db()
    assert (
        api(alice).patch("/api/auth/profile/", {"phone": "98765 43210", "first_name": "A"}).status_code == 200
    )
    alice.refresh_from_db()
    assert alice.phone_confirmed_at


def test_a_phone_that_is_changed_in_the_admin_is_not_confirmed(client, staff, alice):
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    User.objects.filter(pk=alice.pk).update(phone="+919876543210", phone_confirmed_at=timezone.now())
    client.force_login(User.objects.get(pk=staff.pk))
    wishes = {
        **{name: getattr(alice, name) for name in ("email", "first_name", "last_name", "role", "language")},
        "account_status": "ACTIVE",
        "addresses-TOTAL_FORMS": 0,
        "addresses-INITIAL_FORMS": 0,
    }
    now = timezone.localtime() - timedelta(hours=1)
    confirmed = {"phone_confirmed_at_0": f"{now:%Y-%m-%d}", "phone_confirmed_at_1": f"{now:%H:%M:%S}"}
    path = f"/admin/accounts/user/{alice.pk}/change/"
    for phone, more, is_confirmed in (
        ("+919876543210", confirmed, True),
        ("+919876543211", {}, False),
        ("+919876543211", confirmed, True),
    ):
        assert client.post(path, wishes | more | {"phone": phone}).status_code == 302
        alice.refresh_from_db()
        assert bool(alice.phone_confirmed_at) == is_confirmed


@pytest.mark.django_db(transaction=True)
def test_what_confirms_a_mail_address_is_sent_to_it(api, by_sms):
    assert post(api, "otp/request", email="asha@example.com", via="sms").status_code == 400


def fails(message, timeout):
    raise RuntimeError(f"https://sms.example/send?text={message.code}")


class ProviderError(Exception):
    """As the libraries of providers have them: of no class of Python's own."""


def has_its_own_error(message, timeout):
    raise ProviderError(f"Unable to create record: Your code is {message.code}")


def mails_by_itself(message, timeout):
    raise smtplib.SMTPDataError(554, f"spam: Your code is {message.code}")


def cannot(message, timeout):
    raise ValueError(f"no text may hold {message.code}")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("sender", "state"),
    [
        ("fails", "WAITING"),
        ("cannot", "GIVEN_UP"),
        ("has_its_own_error", "WAITING"),
        ("mails_by_itself", "WAITING"),
    ],
)
def test_a_sender_that_fails_stops_nothing_and_its_code_is_in_no_log(
    charlie, settings, caplog, sender, state
):
    settings.CODE_SENDER = f"{__name__}.{sender}"
    code = issue(charlie, RESET)
    run_due(WORK)
    told = Notification.objects.get()
    assert told.state == state
    assert "[code]" in told.last_error
    assert digits(code) not in told.last_error + caplog.text


def test_nobody_is_called_inside_a_transaction(charlie, by_sms):
    with pytest.raises(InTransaction):
        send_code(CodeMessage("1", "sms", "reset", charlie.email, "", "en", "123456", "", "", ""))
    assert not by_sms


def test_no_code_can_be_read_in_the_database(charlie):
    issue(charlie, CONFIRM)
    code = sent_code()
    with connection.cursor() as cursor:
        for table in ("accounts_onetimecode", "notifications_notification"):
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - names of ours
            assert code not in repr(cursor.fetchall())


def test_a_network_has_five_tries_while_a_code_is_good_and_strangers_burn_nobodys(api, charlie):
    code = issue(charlie, CONFIRM)

    def verify(address, otp):
        return post(api, "otp/verify", address, email=charlie.email, otp=otp)

    tries = [verify(ATTACKER, wrong(code)) for _ in range(TRIES + 1)]
    assert [each.json()["code"] for each in tries] == ["invalid_code"] * TRIES + ["too_many_attempts"]
    assert int(tries[-1]["Retry-After"]) >= 899
    assert verify(ATTACKER, digits(code)).status_code == 429
    assert verify(HOME, digits(code)).status_code == 200


def test_unknown_addresses_count_alike(api, charlie):
    issue(charlie, CONFIRM)

    def answers(address, email):
        tried = [post(api, "otp/verify", address, email=email, otp="000000") for _ in range(TRIES + 2)]
        return [(each.status_code, each.json()["error"], each.json()["code"]) for each in tried]

    assert answers(ATTACKER, charlie.email) == answers(ELSEWHERE, "nobody@example.com")


def test_one_network_may_not_guess_at_the_codes_of_many(api, db):
    tried = [
        post(
            api, "password/reset/confirm", email=f"p{number}@example.com", otp="1", new_password="lotus-48-x"
        )
        for number in range(CODE_NETWORK.free + 1)
    ]
    assert [each.status_code for each in tried] == [400] * CODE_NETWORK.free + [429]
    assert Counter.objects.get(scope=CODE_NETWORK.scope).refused == 1


def test_many_networks_together_have_a_limit_and_the_known_network_of_the_owner_has_its_own(api, charlie):
    login = {"email": charlie.email, "password": builders.PASSWORD}
    assert api().post("/api/auth/login/", login, REMOTE_ADDR=HOME).status_code == 200
    code = issue(charlie, CONFIRM)
    statuses = [
        post(api, "otp/verify", f"198.51.{number}.1", email=charlie.email, otp=wrong(code)).status_code
        for number in range(CODE_ACCOUNT.free + 1)
    ]
    assert statuses == [400] * CODE_ACCOUNT.free + [429]
    assert post(api, "otp/verify", ELSEWHERE, email=charlie.email, otp=digits(code)).status_code == 429
    assert post(api, "otp/verify", HOME, email=charlie.email, otp=digits(code)).status_code == 200


def test_each_wrong_code_is_logged_with_the_account(api, charlie, caplog):
    issue(charlie, CONFIRM)
    with caplog.at_level(logging.WARNING):
        post(api, "otp/verify", ATTACKER, email=charlie.email, otp="000000")
        post(api, "otp/verify", ATTACKER, email="nobody@example.com", otp="000000")
    lines = [record for record in caplog.records if record.message == "code refused"]
    assert [(each.user, each.address, each.purpose) for each in lines] == [
        (charlie.pk, ATTACKER, "CONFIRM"),
        (None, ATTACKER, "CONFIRM"),
    ]


@pytest.mark.parametrize("email", ["charlie@example.com", "nobody@example.com"])
def test_a_network_asks_for_so_many_codes_of_one_account_and_is_told_so(api, charlie, email):
    asked = [post(api, "password/reset", ATTACKER, email=email) for _ in range(PER_DAY + 1)]
    assert [each.status_code for each in asked] == [200] * PER_DAY + [429]
    assert post(api, "password/reset", HOME, email=email).status_code == 200


def test_requests_of_one_network_for_many_accounts_end(api, db):
    asked = [post(api, "password/reset", ATTACKER, email=f"p{number}@example.com") for number in range(61)]
    assert [each.status_code for each in asked] == [200] * 60 + [429]
    assert post(api, "password/reset", HOME, email="p@example.com").status_code == 200


def test_strangers_who_ask_all_day_do_not_keep_the_owner_from_a_new_password(api, charlie):
    for number in range(3 * PER_DAY):
        post(api, "password/reset", f"198.51.{number}.1", email=charlie.email)
        run_due(["code_requests", "codes", "notifications"])
        forget_the_pause()
    assert PER_DAY < len(mail.outbox) + 1 <= PER_DAY + 2
    OneTimeCode.objects.update(expires_at=timezone.now() - timedelta(hours=1))
    post(api, "password/reset", email=charlie.email)

    wish = {"email": charlie.email, "otp": sent_code(), "new_password": "another-lotus-pond-48"}
    assert post(api, "password/reset/confirm", **wish).status_code == 200


def test_a_request_of_a_stranger_ends_no_code(charlie):
    first = issue(charlie, CONFIRM)
    assert issue(charlie, CONFIRM) is None
    forget_the_pause()
    second = issue(charlie, CONFIRM)
    assert digits(first) == digits(second)
    confirm(charlie.email, digits(first))


def test_after_a_code_has_ended_the_next_one_is_another(charlie):
    first = issue(charlie, CONFIRM)
    OneTimeCode.objects.update(expires_at=timezone.now())
    forget_the_pause()
    assert digits(issue(charlie, CONFIRM)) != digits(first)


def test_a_used_code_does_not_come_back_after_many_requests(charlie):
    for _ in range(PER_DAY):
        code = issue(charlie, RESET)
        forget_the_pause()
    OneTimeCode.objects.filter(pk=code.pk).update(used_at=timezone.now())
    assert digits(issue(charlie, RESET)) != digits(code)


@pytest.mark.parametrize("change", ["expires_at", "used_at"])
def test_an_old_or_used_code_is_no_code(charlie, change):
    code = issue(charlie, CONFIRM)
    OneTimeCode.objects.update(**{change: timezone.now()})
    with pytest.raises(Refusal):
        confirm(charlie.email, digits(code))


@pytest.mark.parametrize("path", ["otp/request", "password/reset"])
def test_nobody_learns_who_has_an_account(api, charlie, path):
    post(api, path, email="another@example.com")  # the first one begins the span of the rate
    with CaptureQueriesContext(connection) as of_known:
        known = post(api, path, email=charlie.email)
    with CaptureQueriesContext(connection) as of_unknown:
        unknown = post(api, path, email="nobody@example.com")
    assert (known.status_code, known.json()) == (unknown.status_code, unknown.json())
    assert len(of_known) == len(of_unknown) <= 5
    run_due(["code_requests"])
    assert [code.user for code in OneTimeCode.objects.all()] == [charlie]
    assert not CodeRequest.objects.exists()


def test_a_forgotten_password_is_replaced_and_every_session_ends(api, alice):
    phone = api(alice)
    User.objects.update(first_name="Zuleikha", last_name="Devadatta")
    post(api, "password/reset", email=alice.email)
    wish = {"email": alice.email, "otp": sent_code(), "new_password": "another-lotus-pond-48"}

    with_own_name = post(api, "password/reset/confirm", **wish | {"new_password": "zuleikha-devadatta"})
    assert with_own_name.status_code == 400
    weak = post(api, "password/reset/confirm", **wish | {"new_password": "12345678"})
    assert weak.status_code == 400
    assert not re.search("invalid|expired", weak.json()["detail"], re.IGNORECASE)
    nonsense = post(api, "password/reset/confirm", **wish | {"otp": "nonsense"})
    assert re.search("invalid|expired", nonsense.json()["detail"])
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
    forget_the_pause()
    run_due(["code_requests"])
    assert OneTimeCode.objects.count() == 1


def test_a_code_is_of_the_address_that_it_was_sent_to(charlie):
    confirmation, reset = digits(issue(charlie, CONFIRM)), digits(issue(charlie, RESET))
    User.objects.update(email="new@example.com")
    with pytest.raises(Refusal):
        confirm("new@example.com", confirmation)
    with pytest.raises(Refusal):
        reset_password("new@example.com", reset, "another-lotus-pond-48", HOME)


def test_codes_end_with_the_sessions(charlie):
    code = digits(issue(charlie, RESET))
    end_all(charlie, Session.EndedBecause.PASSWORD)
    with pytest.raises(Refusal):
        reset_password(charlie.email, code, "another-lotus-pond-48", HOME)


def test_a_code_from_the_mailbox_opens_the_login_in_a_new_network_under_attack(api, charlie):
    def log_in(password, address):
        body = {"email": charlie.email, "password": password}
        return api().post("/api/auth/login/", body, REMOTE_ADDR=address).status_code

    while log_in("wrong", ATTACKER) != 429:
        pass
    assert log_in(builders.PASSWORD, HOME) == 429
    post(api, "password/reset", email=charlie.email)
    wish = {"email": charlie.email, "otp": sent_code(), "new_password": "another-lotus-pond-48"}
    assert post(api, "password/reset/confirm", **wish).status_code == 200

    assert log_in("another-lotus-pond-48", HOME) == 200
    assert log_in("another-lotus-pond-48", ELSEWHERE) == 429


def test_a_look_at_the_address_confirms_nothing(api, charlie):
    code = digits(issue(charlie, CONFIRM))
    assert api().get("/api/auth/otp/verify/", {"email": charlie.email, "otp": code}).status_code == 405


@pytest.mark.django_db(transaction=True)
def test_of_two_verifications_at_once_one_succeeds(charlie):
    code = digits(issue(charlie, CONFIRM))
    results = at_once(*[lambda: confirm(charlie.email, code)] * 4)
    assert sorted(type(each).__name__ for each in results) == ["NoneType", "Refusal", "Refusal", "Refusal"]


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_are_no_more_than_the_tries(charlie):
    issue(charlie, CONFIRM)
    results = at_once(*[lambda: confirm(charlie.email, "nonsense")] * 8)
    kinds = sorted(type(each).__name__ for each in results)
    assert kinds == ["Refusal"] * TRIES + ["TooManyAttempts"] * (8 - TRIES)
