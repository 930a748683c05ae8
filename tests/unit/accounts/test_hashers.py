import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from accounts import hashers
from accounts.models import User
from okpuja import settings as of_the_shop
from tests.harness import builders
from tests.harness.races import at_once

FORMER = "pbkdf2_sha256"


@pytest.fixture(autouse=True)
def real_hashers(settings):
    settings.PASSWORD_HASHERS = of_the_shop.PASSWORD_HASHERS


@pytest.fixture
def alice_of_before(alice):
    """Her password is stored as Django stores it by default."""
    alice.password = make_password(builders.PASSWORD, hasher=FORMER)
    alice.save()
    return alice


def log_in(email="alice@example.com", password=builders.PASSWORD, page="/api/auth/login/"):
    name = "username" if page.startswith("/admin/") else "email"
    return Client().post(page, {name: email, "password": password})


def test_a_password_is_stored_as_argon2id_with_the_memory_that_owasp_advises():
    stored = make_password(builders.PASSWORD)

    assert stored.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.proof(every=3)  # a hash takes as long as ten tests
@pytest.mark.parametrize("former", [FORMER, "pbkdf2_sha1", "scrypt"])
def test_a_login_with_a_former_hash_stores_the_password_anew(alice, former):
    alice.password = make_password(builders.PASSWORD, hasher=former)
    alice.save()

    assert log_in().status_code == 200
    alice.refresh_from_db()
    assert alice.password.startswith("argon2$")
    assert log_in().status_code == 200


def test_a_wrong_password_changes_no_hash(alice_of_before):
    assert log_in(password="wrong").status_code == 400

    stored = User.objects.values_list("password", flat=True).get(pk=alice_of_before.pk)
    assert stored == alice_of_before.password


def test_staff_too_store_theirs_anew(staff):
    staff.password = make_password(builders.PASSWORD, hasher=FORMER)
    staff.save()

    assert log_in(staff.email, page="/admin/login/").status_code == 302
    staff.refresh_from_db()
    assert staff.password.startswith("argon2$")


def test_no_session_ends_when_a_password_is_stored_anew(alice_of_before, api):
    elsewhere = api(alice_of_before)

    log_in()

    assert elsewhere.get("/api/auth/addresses/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_logins_at_once_both_sessions_live(alice_of_before, api):
    def log_in_and_look():
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {log_in().json()['access']}")
        return client

    clients = at_once(*[log_in_and_look] * 2)

    assert [client.get("/api/auth/addresses/").status_code for client in clients] == [200, 200]


def test_a_password_that_was_changed_meanwhile_stays_changed(alice_of_before):
    late = User.objects.get(pk=alice_of_before.pk)
    with transaction.atomic():
        changed = make_password("another-lotus-pond-48")
        User.objects.filter(pk=late.pk).update(password=changed)

    assert late.check_password(builders.PASSWORD)

    assert User.objects.get(pk=late.pk).password == changed


@pytest.mark.proof(every=4)
@pytest.mark.parametrize("page", ["/api/auth/login/", "/admin/login/"])
@pytest.mark.parametrize("former", [False, True])
def test_an_unknown_address_takes_as_long_as_one_of_an_account(alice_of_before, page, former):
    """All accounts have a former hash, or none has."""
    if not former:
        log_in()
    cache.clear()

    def fastest(email):
        spent = []
        for _ in range(3):
            began = time.process_time()
            log_in(email, "wrong", page)
            spent.append(time.process_time() - began)
        return min(spent)

    known, unknown = fastest("alice@example.com"), fastest("nobody@example.com")

    assert 1 / 2 < known / unknown < 2


def test_so_many_unknown_addresses_are_slow_as_accounts_are_and_always_the_same(alice_of_before, monkeypatch):
    builders.make_user()  # one of two accounts has a new hash
    cache.clear()
    asked = []
    monkeypatch.setattr(PBKDF2PasswordHasher, "verify", lambda _, password, __: asked.append(password))

    def slow_ones():
        asked.clear()
        for number in range(40):
            hashers.spend_time_of_comparison(f"nobody{number}@example.com", f"{number}")
        return set(asked)

    first = slow_ones()

    assert 10 <= len(first) <= 30
    assert slow_ones() == first


def test_the_hash_of_nobody_is_as_slow_as_those_of_accounts():
    rounds = hashers.FORMER_HASH.split("$")[1]

    assert int(rounds) == PBKDF2PasswordHasher.iterations
