"""Sessions came later than logins: a database of before keeps its logins and its confirmed addresses."""

import hashlib
from datetime import timedelta

import jwt
import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from rest_framework_simplejwt.settings import api_settings

from accounts.models import Session, User
from tests.harness.migrations import UnsquashedExecutor

pytestmark = [pytest.mark.proof, pytest.mark.django_db(transaction=True)]


def test_nobody_is_logged_out_by_the_upgrade_and_no_token_stays_readable(api):
    executor = UnsquashedExecutor(connection)
    executor.migrate([("accounts", "0003_phones_as_e164")])
    before = executor.loader.project_state([("accounts", "0003_phones_as_e164")]).apps
    alice = before.get_model("accounts", "User").objects.create(
        email="alice@example.com", password="a-hash", email_verified=True
    )
    other = before.get_model("accounts", "User").objects.create(
        email="other@example.com", password="new-hash"
    )
    Outstanding = (
        UnsquashedExecutor(connection)
        .loader.project_state()
        .apps.get_model("token_blacklist", "OutstandingToken")
    )

    def outstanding(jti: str, person) -> str:
        claims = {
            "token_type": "refresh",
            "jti": jti,
            "exp": timezone.now() + timedelta(days=5),
            "user_id": str(person.pk),
            "hash_password": hashlib.md5(b"a-hash").hexdigest().upper(),  # noqa: S324 - as the library did
        }
        token = jwt.encode(claims, api_settings.SIGNING_KEY, algorithm="HS256")
        row = {
            "jti": claims["jti"],
            "token": token,
            "expires_at": claims["exp"],
            "created_at": timezone.now(),
        }
        Outstanding.objects.create(user_id=person.pk, **row)
        return token

    good, outdated = outstanding(f"{1:032x}", alice), outstanding(f"{2:032x}", other)
    outstanding("no-uuid", alice)
    outstanding(f"{3:032x}", alice)
    Outstanding.objects.filter(jti=f"{3:032x}").update(token="unreadable")
    used = Outstanding.objects.create(jti="used", token="t", expires_at=timezone.now(), user_id=alice.pk)
    used._meta.apps.get_model("token_blacklist", "BlacklistedToken").objects.create(token=used)

    call_command("migrate", verbosity=0)

    assert not Outstanding.objects.exists()
    assert User.objects.get(email="alice@example.com").email_confirmed_at is not None
    assert User.objects.get(email="other@example.com").email_confirmed_at is None
    answer = api().post("/api/auth/refresh/", {"refresh": good})
    assert answer.status_code == 200
    client = api()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['access']}")
    assert client.get("/api/auth/addresses/").status_code == 200
    assert api().post("/api/auth/refresh/", {"refresh": outdated}).status_code == 401
    assert Session.objects.count() == 1
