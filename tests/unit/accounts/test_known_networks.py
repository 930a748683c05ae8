"""A network is known where somebody showed to be the owner, for as long as they come back."""

import time

import pytest
from django.test import Client

from accounts.known_networks import KNOWN, KNOWN_SECONDS, is_known
from accounts.sessions import open_session
from core.models import Counter
from tests.harness import builders
from tests.harness.registration import registration_code

pytestmark = pytest.mark.django_db

HOME, ELSEWHERE = "203.0.113.5", "198.51.100.7"
EMAIL = "alice@example.com"


def post(path: str, body: dict[str, str]) -> int:
    return Client(REMOTE_ADDR=HOME).post(f"/api/auth/{path}/", body).status_code


def test_each_login_keeps_the_network_known(alice):
    login = {"email": EMAIL, "password": builders.PASSWORD}
    assert post("login", login) == 200
    soon = time.time() + 5
    Counter.objects.filter(scope=KNOWN).update(ends=soon)
    assert post("login", login) == 200
    assert Counter.objects.get(scope=KNOWN).ends > soon + KNOWN_SECONDS - 60


def test_a_session_makes_the_network_known_after_an_upgrade(alice):
    tokens = open_session(alice)
    assert not is_known(EMAIL, HOME)
    assert post("refresh", {"refresh": tokens.refresh}) == 200
    assert is_known(EMAIL, HOME)
    assert not is_known(EMAIL, ELSEWHERE)


def test_a_refused_refresh_makes_no_network_known(alice):
    assert post("refresh", {"refresh": open_session(alice).refresh + "x"}) == 401
    assert not Counter.objects.filter(scope=KNOWN).exists()


def test_a_registration_makes_the_network_known(db):
    new = {"email": EMAIL, "password": builders.PASSWORD, "password2": builders.PASSWORD}
    assert post("register", new) == 201
    assert is_known(EMAIL, HOME)
    assert post("register", new | {"email": EMAIL.upper()}) == 400


def test_where_the_code_makes_the_account_it_makes_the_network_known(db, settings):
    settings.REGISTRATION_BY_CODE = True
    new = {"email": EMAIL, "password": builders.PASSWORD, "password2": builders.PASSWORD}
    assert post("register", new) == 201
    assert not is_known(EMAIL, HOME)
    assert post("otp/verify", {"email": EMAIL, "otp": registration_code(EMAIL)}) == 200
    assert is_known(EMAIL, HOME)
    assert post("register", new | {"email": EMAIL.upper()}) == 201
