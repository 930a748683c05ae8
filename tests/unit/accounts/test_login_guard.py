"""Passwords can be guessed a few times only, through every page that looks at one, and their owners are let in."""

import logging

import pytest
from django.contrib.auth import authenticate
from django.test import Client

from accounts.known_networks import remember_network
from accounts.login_guard import LOGIN_ACCOUNT, LOGIN_KNOWN_NETWORKS, LOGIN_NETWORK
from accounts.models import User
from core.guesses import TooManyAttempts
from core.models import Counter
from tests.harness import builders
from tests.harness.races import at_once

pytestmark = pytest.mark.django_db

HOME, ATTACKER = "203.0.113.5", "198.51.100.7"
EMAIL, STAFF = "alice@example.com", "staff@example.com"


def api_login(email, password, address):
    answer = Client(REMOTE_ADDR=address).post("/api/auth/login/", {"email": email, "password": password})
    return {200: "in", 400: "wrong", 429: "wait"}[answer.status_code]


def admin_login(email, password, address):
    form = {"username": email, "password": password}
    answer = Client(REMOTE_ADDR=address).post("/admin/login/", form)
    return {302: "in", 200: "wrong", 429: "wait"}[answer.status_code]


@pytest.fixture(params=[api_login, admin_login])
def log_in(request, alice, staff):
    """Log in by the API and by the admin; `staff` may use both."""
    return request.param


def waits_are_over():
    Counter.objects.update(free_at=0)


def test_after_five_wrong_passwords_the_right_one_has_to_wait_too(log_in):
    guesses = [log_in(STAFF, "wrong", f"198.51.100.{number}") for number in range(30)]

    assert guesses == ["wrong"] * 5 + ["wait"] * 25
    assert log_in(STAFF, builders.PASSWORD, HOME) == "wait"
    waits_are_over()
    assert log_in(STAFF, builders.PASSWORD, HOME) == "in"


def test_one_door_counts_what_was_tried_at_the_other(alice, staff):
    for _ in range(3):
        api_login(STAFF, "wrong", ATTACKER)
    assert [admin_login(STAFF, "wrong", ATTACKER) for _ in range(3)] == ["wrong", "wrong", "wait"]


def test_spellings_of_an_address_of_mail_are_one_account(log_in):
    spellings = [STAFF, STAFF.upper(), STAFF.title(), f" {STAFF}", f"{STAFF} ", "sTaFF@example.com"]

    assert [log_in(email, "wrong", ATTACKER) for email in spellings][-1] == "wait"


def test_unknown_accounts_wait_in_the_same_way(log_in):
    known = [log_in(STAFF, "wrong", "198.51.100.7") for _ in range(8)]
    unknown = [log_in("nobody@example.com", "wrong", "198.51.100.8") for _ in range(8)]

    assert known == unknown


def test_who_has_logged_in_from_a_network_is_let_in_there_while_strangers_guess(log_in):
    assert log_in(STAFF, builders.PASSWORD, HOME) == "in"
    while log_in(STAFF, "wrong", ATTACKER) != "wait":
        pass

    assert log_in(STAFF, builders.PASSWORD, HOME) == "in"
    assert log_in(STAFF, builders.PASSWORD, ATTACKER) == "wait"


def test_at_a_network_that_is_known_guesses_are_counted_too(log_in):
    log_in(STAFF, builders.PASSWORD, HOME)

    assert [log_in(STAFF, "wrong", HOME) for _ in range(6)] == ["wrong"] * 5 + ["wait"]


def test_one_network_may_not_try_one_password_at_all_accounts(log_in):
    names = [f"person{number}@example.com" for number in range(LOGIN_NETWORK.free + 1)]
    tried = [log_in(name, "lotus-pond", ATTACKER) for name in names]

    assert tried == ["wrong"] * LOGIN_NETWORK.free + ["wait"]
    assert log_in(STAFF, builders.PASSWORD, HOME) == "in"


def test_an_own_account_does_not_buy_guesses_at_others(alice, staff):
    tried = []
    for number in range(LOGIN_NETWORK.free + 1):
        api_login(EMAIL, builders.PASSWORD, ATTACKER)
        tried.append(api_login(f"person{number}@example.com", "wrong", ATTACKER))

    assert tried[-1] == "wait"


@pytest.mark.parametrize("suffix", ["::1", "::2", ":ffff::9"])
def test_the_addresses_of_one_ipv6_network_count_together(alice, suffix):
    for number in range(LOGIN_NETWORK.free):
        api_login(f"person{number}@example.com", "wrong", f"2001:db8:1:2::{number:x}")

    assert api_login("another@example.com", "wrong", f"2001:db8:1:2{suffix}") == "wait"
    assert api_login("another@example.com", "wrong", "2001:db8:1:3::1") == "wrong"


def test_a_forwarding_header_that_nobody_vouches_for_makes_no_new_caller(alice, settings):
    settings.NUM_PROXIES = 0
    for number in range(LOGIN_NETWORK.free):
        client = Client(REMOTE_ADDR=ATTACKER, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        client.post("/api/auth/login/", {"email": f"person{number}@example.com", "password": "wrong"})

    assert api_login("another@example.com", "wrong", ATTACKER) == "wait"


def test_many_logins_of_a_shared_network_are_no_guesses(db):
    people = [builders.make_user(f"person{number}@example.com") for number in range(LOGIN_NETWORK.free * 2)]

    assert {api_login(person.email, builders.PASSWORD, HOME) for person in people} == {"in"}


def test_the_refusal_says_how_long_to_wait_and_looks_the_same_by_api_and_admin(alice):
    for _ in range(5):
        api_login(EMAIL, "wrong", ATTACKER)
    client = Client(REMOTE_ADDR=ATTACKER)
    api = client.post("/api/auth/login/", {"email": EMAIL, "password": builders.PASSWORD})
    page = client.post("/admin/login/", {"username": EMAIL, "password": builders.PASSWORD})

    assert (api.json()["code"], api.json()["retryable"]) == ("too_many_attempts", True)
    assert 0 < int(api["Retry-After"]) <= 31
    assert 0 < int(page["Retry-After"]) <= 31
    assert "Too many attempts" in page.content.decode()


def test_whatever_calls_django_to_authenticate_is_guarded(alice):
    assert [authenticate(None, username=EMAIL, password="wrong") for _ in range(5)] == [None] * 5
    with pytest.raises(TooManyAttempts):
        authenticate(None, username=EMAIL, password=builders.PASSWORD)


def test_the_old_password_of_the_admin_is_a_guess_too(staff):
    client = Client()
    client.force_login(staff)
    new = {"new_password1": "temple-river-81-lotus", "new_password2": "temple-river-81-lotus"}

    def change(old):
        return client.post("/admin/password_change/", {"old_password": old, **new}).status_code

    assert [change("wrong") for _ in range(6)] == [200] * 5 + [429]
    assert change(builders.PASSWORD) == 429
    waits_are_over()
    assert change(builders.PASSWORD) == 302


def test_the_old_password_of_a_person_is_a_guess_too(alice, api):
    client = api(alice)

    def change(old):
        passwords = {"old_password": old, "new_password": "temple-river-81-lotus"}
        return client.post("/api/auth/password/change/", passwords).json().get("code", "changed")

    assert [change("wrong") for _ in range(6)] == ["wrong_password"] * 5 + ["too_many_attempts"]
    assert change(builders.PASSWORD) == "too_many_attempts"
    waits_are_over()
    assert change(builders.PASSWORD) == "changed"


def test_a_network_that_is_stopped_learns_of_few_accounts_only_whether_they_are_known_there(log_in):
    people = [
        builders.make_user(f"person{number}@example.com") for number in range(LOGIN_KNOWN_NETWORKS.free + 1)
    ]
    for person in people:
        remember_network(person.email, ATTACKER)
    tried = [log_in(person.email, "wrong", ATTACKER) for person in people]

    assert tried == ["wrong"] * LOGIN_KNOWN_NETWORKS.free + ["wait"]


def test_a_refused_login_is_logged_with_the_address_and_without_the_name(log_in, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(6):
            log_in(STAFF, "wrong", ATTACKER)

    lines = [record for record in caplog.records if record.message in ("login refused", "too many attempts")]
    assert [record.message for record in lines] == ["login refused"] * 5 + ["too many attempts"]
    assert {record.address for record in lines} == {ATTACKER}
    assert {record.user for record in lines[:5]} == {User.objects.get(email=STAFF).pk}
    assert not [record for record in lines if STAFF in str(vars(record))]


@pytest.mark.django_db(transaction=True)
def test_of_guesses_at_the_same_moment_as_many_are_looked_at_as_one_after_the_other(alice):
    """From as many networks: each has its own counter, the account has one."""
    tried = at_once(
        *[lambda number=number: api_login(EMAIL, "wrong", f"198.51.100.{number}") for number in range(48)]
    )

    assert tried.count("wrong") == LOGIN_ACCOUNT.free
    assert tried.count("wait") == 48 - LOGIN_ACCOUNT.free
    counter = Counter.objects.get(scope=LOGIN_ACCOUNT.scope)
    assert counter.count + counter.refused == 48
