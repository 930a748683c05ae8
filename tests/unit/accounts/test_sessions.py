from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session as AdminSession
from django.db import connection
from django.test import Client
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import Session, User
from accounts.sessions import (
    KEPT,
    SessionRefresh,
    SessionTokens,
    end_all,
    log_out,
    open_session,
    over,
    rotate,
)
from core.clocks import database_now
from payment.services.monitoring import run_checks
from tests.harness import builders
from tests.harness.races import at_once
from worker.jobs import run_due

MINE = "/api/auth/addresses/"


@pytest.fixture
def log_in(api, alice):
    """Tokens of a login over HTTP."""
    credentials = {"email": alice.email, "password": builders.PASSWORD}

    def log_in(**headers: str) -> SessionTokens:
        answer = api().post("/api/auth/login/", credentials, headers=headers).json()
        return SessionTokens(answer["access"], answer["refresh"])

    return log_in


@pytest.fixture
def answers(api):
    """The status that an access token gets."""

    def ask(access: str) -> int:
        client = api()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
        return client.get(MINE).status_code

    return ask


def refresh(api, token: str) -> int:
    return api().post("/api/auth/refresh/", {"refresh": token}).status_code


def end_the_grace() -> None:
    Session.objects.update(rotated_at=timezone.now() - timedelta(seconds=11))


# --- One session ---------------------------------------------------------------------------------


def test_a_login_is_a_row_that_says_where_it_came_from(log_in, alice):
    log_in(**{"User-Agent": "Firefox/" + "1" * 400})
    session = alice.sessions.get()
    assert session.user_agent.startswith("Firefox/1")
    assert len(session.user_agent) == 150
    assert session.network == "127.0.0.1"
    assert session.ended_at is None


def test_a_request_costs_no_query_for_its_session(log_in, api, django_assert_num_queries):
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {log_in().access}")
    with django_assert_num_queries(3):  # session and person, the rate, then the addresses
        assert client.get(MINE).status_code == 200


def test_an_access_token_dies_with_its_session(log_in, answers, api):
    tokens, other = log_in(), log_in()
    api().post("/api/auth/logout/", {"refresh": tokens.refresh})
    assert (answers(tokens.access), answers(other.access)) == (401, 200)


def test_a_logout_with_an_earlier_token_ends_the_session_too(log_in, answers, api):
    tokens = log_in()
    later = rotate(tokens.refresh)
    assert api().post("/api/auth/logout/", {"refresh": tokens.refresh}).status_code == 205
    assert answers(later.access) == 401
    assert refresh(api, later.refresh) == refresh(api, tokens.refresh) == 401


def test_no_token_can_be_read_in_the_database(log_in):
    tokens = log_in()
    later = rotate(tokens.refresh)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_session")
        stored = repr(cursor.fetchall())
    for token in (tokens.refresh, later.refresh):
        assert token not in stored
        assert SessionRefresh(token)["jti"] not in stored
    assert not OutstandingToken.objects.exists()


# --- Rotation ------------------------------------------------------------------------------------


def test_two_tabs_get_the_same_successor(log_in, answers):
    tokens = log_in()
    one, two = rotate(tokens.refresh), rotate(tokens.refresh)
    assert one.refresh == two.refresh
    assert answers(one.access) == answers(two.access) == 200
    assert rotate(one.refresh).refresh != one.refresh


def test_a_token_that_is_used_again_later_ends_the_whole_session(log_in, answers, api):
    tokens = log_in()
    later = rotate(tokens.refresh)
    end_the_grace()
    assert refresh(api, tokens.refresh) == 401
    assert answers(later.access) == 401
    assert refresh(api, later.refresh) == 401
    assert Session.objects.get().ended_because == Session.EndedBecause.REUSE


def test_the_grace_is_for_the_last_token_only(log_in, api):
    first = log_in()
    rotate(rotate(first.refresh).refresh)
    assert refresh(api, first.refresh) == 401
    assert Session.objects.get().ended_because == Session.EndedBecause.REUSE


def test_a_session_that_nobody_uses_ends(log_in, answers, api):
    tokens = log_in()
    lasts = Session.objects.get().expires_at - timezone.now()
    assert timedelta(days=6, hours=23) < lasts <= timedelta(days=7)
    Session.objects.update(expires_at=timezone.now())
    assert answers(tokens.access) == refresh(api, tokens.refresh) == 401


def test_no_session_lasts_for_ever(log_in, settings):
    tokens = log_in()
    born = timezone.now() - timedelta(days=settings.SESSION_LONGEST_DAYS - 1)
    Session.objects.update(created_at=born)
    rotate(tokens.refresh)
    assert Session.objects.get().expires_at == born + timedelta(days=settings.SESSION_LONGEST_DAYS)


# --- What ends all of them -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"password": "!unusable"},
        {"role": User.Role.EMPLOYEE},
        {"is_staff": True},
        {"is_superuser": True},
        {"account_status": User.AccountStatus.SUSPENDED},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_account_has_no_sessions_wherever_it_was_changed(log_in, answers, api, alice, change):
    tokens = log_in()
    before = {name: getattr(alice, name) for name in change}
    User.objects.filter(pk=alice.pk).update(**change)
    assert answers(tokens.access) == refresh(api, tokens.refresh) == 401
    User.objects.filter(pk=alice.pk).update(**before)
    assert answers(tokens.access) == refresh(api, tokens.refresh) == 401  # and it stays so


def test_ending_all_ends_the_admin_too_and_keeps_what_is_told(staff):
    desk = Client()
    desk.force_login(staff)
    kept, other = open_session(staff), open_session(staff)
    mine = Session.objects.get(key=SessionRefresh(kept.refresh)["sid"])
    assert desk.get("/admin/").status_code == 200
    assert end_all(staff, Session.EndedBecause.EVERYWHERE, except_for=mine) == 1
    assert desk.get("/admin/").status_code == 302
    assert isinstance(rotate(kept.refresh), SessionTokens)
    with pytest.raises(AuthenticationFailed):
        rotate(other.refresh)


def test_the_worker_removes_what_ended_long_ago(alice):
    old, expired, ended, live = (open_session(alice) for _ in range(4))
    long_ago = timezone.now() - KEPT - timedelta(hours=1)
    keys = [SessionRefresh(each.refresh)["sid"] for each in (old, expired, ended, live)]
    Session.objects.filter(key=keys[0]).update(ended_at=long_ago)
    Session.objects.filter(key=keys[1]).update(expires_at=long_ago)
    log_out(ended.refresh)
    assert over(database_now()).count() == 2
    run_due(["sessions"])
    assert [each.key.hex for each in Session.objects.order_by("pk")] == keys[2:]


# --- Races -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_tabs_that_refresh_at_the_same_moment_get_one_session(alice):
    tokens = open_session(alice)
    results = at_once(*[lambda: rotate(tokens.refresh)] * 4)
    assert {result.refresh for result in results} == {rotate(tokens.refresh).refresh}
    assert Session.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(4))
def test_a_refresh_beside_a_logout_leaves_no_session(alice, attempt):
    tokens = open_session(alice)
    refreshed, _ = at_once(lambda: rotate(tokens.refresh), lambda: log_out(tokens.refresh))
    if isinstance(refreshed, SessionTokens):
        with pytest.raises(AuthenticationFailed):
            rotate(refreshed.refresh)
    assert not Session.objects.filter(ended_at=None).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(4))
def test_a_refresh_beside_a_change_of_password_leaves_no_session(alice, attempt):
    tokens = open_session(alice)

    def change_password() -> int:
        User.objects.filter(pk=alice.pk).update(password="!changed")
        return end_all(alice, Session.EndedBecause.PASSWORD)

    refreshed, _ = at_once(lambda: rotate(tokens.refresh), change_password)
    if isinstance(refreshed, SessionTokens):
        with pytest.raises(AuthenticationFailed):
            rotate(refreshed.refresh)
    assert not Session.objects.filter(ended_at=None).exists()


# --- What its owner does ---------------------------------------------------------------------------


@pytest.fixture
def devices(log_in, api):
    """Two clients of Alice, each with a session of its own."""
    clients = []
    for _ in range(2):
        clients.append(api())
        clients[-1].credentials(HTTP_AUTHORIZATION=f"Bearer {log_in().access}")
    return clients


def test_a_person_logs_out_everywhere(devices):
    assert devices[0].post("/api/auth/logout/everywhere/").status_code == 205
    assert [each.get(MINE).status_code for each in devices] == [401, 401]


def test_a_person_changes_their_password_and_stays_logged_in_here_alone(devices, api, alice):
    change = {"old_password": builders.PASSWORD, "new_password": "another-lotus-pond-48"}
    assert devices[0].post("/api/auth/password/change/", change).status_code == 200
    assert [each.get(MINE).status_code for each in devices] == [200, 401]
    login = {"email": alice.email, "password": "another-lotus-pond-48"}
    assert api().post("/api/auth/login/", login).status_code == 200
    assert api().post("/api/auth/login/", login | {"password": builders.PASSWORD}).status_code == 400


@pytest.mark.parametrize(
    ("change", "wrong"),
    [({"old_password": "a guess"}, "code"), ({"new_password": "12345678"}, "fields")],
    ids=["wrong old one", "weak new one"],
)
def test_a_refused_change_of_password_changes_nothing(devices, alice, change, wrong):
    right = {"old_password": builders.PASSWORD, "new_password": "another-lotus-pond-48"}
    answer = devices[0].post("/api/auth/password/change/", right | change)
    assert answer.status_code == 400
    assert wrong in answer.json()
    assert [each.get(MINE).status_code for each in devices] == [200, 200]
    alice.refresh_from_db()
    assert alice.check_password(builders.PASSWORD)


def test_the_worker_deletes_expired_sessions_of_the_admin_and_no_other(staff):
    for _ in range(3):
        Client().force_login(staff)
    ended = AdminSession.objects.first()
    AdminSession.objects.filter(pk=ended.pk).update(expire_date=timezone.now() - timedelta(seconds=1))
    run_checks(0)
    assert AdminSession.objects.count() == 2
    assert not AdminSession.objects.filter(pk=ended.pk).exists()


def test_a_login_to_the_admin_ends_after_a_working_day(staff):
    client = Client()
    client.post("/admin/login/", {"username": staff.email, "password": builders.PASSWORD})
    assert client.get("/admin/").status_code == 200
    AdminSession.objects.update(expire_date=AdminSession.objects.get().expire_date - timedelta(hours=12))
    assert client.get("/admin/").status_code == 302
