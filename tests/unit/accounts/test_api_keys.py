"""Keys of servers: what is stored, when they end, and that they open nothing else."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.api_keys import create_key, find_key, revoke_key, rotate_key
from accounts.models import ApiKey, User

pytestmark = pytest.mark.django_db

READ = [ApiKey.Scope.READ]
PAYMENTS = "/api/server/payments/"


def ask(raw, path=PAYMENTS, method="get"):
    return getattr(Client(headers={"Authorization": f"Bearer {raw}"}), method)(path)


def test_only_the_beginning_and_a_hash_are_stored():
    key, raw = create_key("crm", READ)

    stored = {f"{value}" for value in ApiKey.objects.values().get().values()}
    assert raw.startswith("okp_")
    assert len(raw) >= 40
    assert not any(raw in value for value in stored)
    assert key.prefix == raw[:12]


def test_a_key_is_found_by_one_indexed_read(django_assert_num_queries):
    key, raw = create_key("crm", READ)
    find_key(raw)

    with django_assert_num_queries(1):
        assert find_key(raw) == key
    assert ApiKey._meta.get_field("digest").unique


def test_its_use_is_written_once_a_minute(django_assert_num_queries):
    _, raw = create_key("crm", READ)
    find_key(raw)
    first = ApiKey.objects.get().last_used_at
    find_key(raw)
    assert ApiKey.objects.get().last_used_at == first

    ApiKey.objects.update(last_used_at=timezone.now() - timedelta(seconds=61))
    find_key(raw)
    assert ApiKey.objects.get().last_used_at >= first


@pytest.mark.parametrize(
    "raw", ["okp_", "okp_unknown", f"okp_{'A' * 43}", f"okp_{'x' * 100_000}", "okp_\u0661"]
)
def test_what_is_no_key_is_401(raw):
    said = ask(raw)

    assert said.status_code == 401
    assert said.json()["code"] == "api_key_invalid"


def test_a_key_ends_when_it_is_revoked_or_expires():
    key, raw = create_key("crm", READ, expires_at=timezone.now() + timedelta(hours=1))
    assert ask(raw).status_code == 200

    ApiKey.objects.update(expires_at=timezone.now())
    assert ask(raw).status_code == 401

    ApiKey.objects.update(expires_at=None)
    assert revoke_key(key) is True
    assert revoke_key(key) is False
    assert ask(raw).status_code == 401


def test_a_rotated_key_overlaps_with_the_new_one():
    key, old = create_key("crm", READ)
    made, new = rotate_key(key, overlap=timedelta(hours=2))

    assert (made.name, made.scopes, made.family) == ("crm", READ, key.family)
    assert [ask(old).status_code, ask(new).status_code] == [200, 200]
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    assert [ask(old).status_code, ask(new).status_code] == [401, 200]


def test_rotation_makes_no_key_live_longer():
    soon = timezone.now() + timedelta(minutes=5)
    key, _ = create_key("crm", READ, expires_at=soon)
    rotate_key(key)

    assert ApiKey.objects.get(pk=key.pk).expires_at == soon


def test_a_revoked_key_is_not_rotated():
    key, _ = create_key("crm", READ)
    revoke_key(key)

    with pytest.raises(ApiKey.DoesNotExist):
        rotate_key(key)
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    "path", ["/api/payments/payments/", "/api/auth/profile/", "/api/booking/bookings/", "/api/cart/carts/"]
)
def test_a_key_opens_no_route_of_people(path):
    _, raw = create_key("crm", ApiKey.Scope.values)

    said = ask(raw, path)
    assert (said.status_code, said.json()["code"]) == (401, "api_key_not_here")


def test_a_key_opens_no_admin(staff):
    _, raw = create_key("crm", ApiKey.Scope.values, made_by=staff)

    assert ask(raw, "/admin/").status_code == 302
    assert ask(raw, "/admin/payment/payment/").status_code == 302


def test_a_login_opens_no_route_of_servers(api, staff):
    assert api(staff).get(PAYMENTS).status_code == 401


def test_a_key_without_the_scope_is_told_which_one_it_needs(server):
    said = server("webhooks:read").get(PAYMENTS)

    assert (said.status_code, said.json()["code"], said.json()["scope"]) == (
        403,
        "scope_missing",
        "bookings:read",
    )


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("api_key", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue()


def test_the_command_makes_lists_rotates_and_revokes():
    raw, told = run("create", "crm", "--scope", "bookings:read", "--days", "90")
    assert "stored nowhere" in told
    assert ask(raw).status_code == 200

    listed, _ = run("list")
    assert raw[:12] in listed
    assert raw not in listed
    new, _ = run("rotate", raw[:12], "--overlap-hours", "0")
    assert [ask(raw).status_code, ask(new).status_code] == [401, 200]
    run("revoke", new[:12])
    assert ask(new).status_code == 401
    states = [line.split()[1] for line in run("list")[0].splitlines()]
    assert states == ["expired", "revoked"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("create", "crm\nx", "--scope", "bookings:read"),
        ("create", "crm", "--scope", "bookings:read", "--days", "0"),
        ("rotate", "okp_nothing"),
        ("revoke", "okp_nothing"),
    ],
)
def test_the_command_refuses_what_it_cannot_do(arguments):
    with pytest.raises(CommandError):
        run(*arguments)
    assert not ApiKey.objects.exists()


def test_the_admin_shows_a_new_key_once(staff):
    client = Client()
    client.force_login(staff)
    form = {
        "name": "crm",
        "scopes": ["bookings:read", "refunds:write"],
        "expires_at_0": "",
        "expires_at_1": "",
    }
    page = client.post("/admin/accounts/apikey/add/", form)

    key = ApiKey.objects.get()
    raw = page.context["made"][0][1]
    assert raw in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    assert (key.made_by, key.scopes) == (staff, ["bookings:read", "refunds:write"])
    assert ask(raw).status_code == 200
    for path in ("", f"{key.pk}/change/"):
        shown = client.get(f"/admin/accounts/apikey/{path}").content.decode()
        assert raw not in shown
        assert key.digest not in shown


def test_the_admin_rotates_and_revokes(staff):
    client = Client()
    client.force_login(staff)
    key, old = create_key("crm", READ)
    post = {"_selected_action": [key.pk], "action": "rotate"}
    new = client.post("/admin/accounts/apikey/", post).context["made"][0][1]
    assert [ask(old).status_code, ask(new).status_code] == [200, 200]

    client.post("/admin/accounts/apikey/", {"_selected_action": [key.pk], "action": "revoke"})
    assert [ask(old).status_code, ask(new).status_code] == [401, 200]


def test_keys_have_rates_of_their_own(server, monkeypatch):
    from core.throttling import KeyThrottle  # noqa: PLC0415

    monkeypatch.setitem(KeyThrottle.THROTTLE_RATES, "api_key", "2/min")
    one, other = server(), server()

    assert [one.get(PAYMENTS).status_code for _ in range(3)] == [200, 200, 429]
    assert other.get(PAYMENTS).status_code == 200


def test_a_key_is_no_user(server):
    assert not User.objects.exists()
    server().get(PAYMENTS)
    assert not User.objects.exists()
