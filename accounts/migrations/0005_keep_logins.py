import hashlib
import uuid

import jwt
from django.db import migrations
from django.db.models import F
from django.utils import timezone
from django.utils.crypto import salted_hmac


def keep_confirmations(apps, schema_editor):
    apps.get_model("accounts", "User").objects.filter(email_verified=True).update(
        email_confirmed_at=F("date_joined")
    )


BATCH = 500


def keep_logins(apps, schema_editor):
    """A session for every refresh token that is still good; then the tokens themselves, which lay here readable, go.

    Nobody is logged out: the next refresh of such a token finds the session that has the token's id as its key.
    """
    connection = schema_editor.connection
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # a table of years takes longer than a request may
            cursor.execute("SET LOCAL statement_timeout = 0")
    tokens = apps.get_model("token_blacklist", "OutstandingToken").objects
    sessions = apps.get_model("accounts", "Session").objects
    now, kept = timezone.now(), []
    good = tokens.filter(expires_at__gt=now, blacklistedtoken=None).exclude(user=None).select_related("user")
    for token in good.order_by("pk").iterator(BATCH):
        session = session_of(token, now)
        if session is None:
            continue
        kept.append(sessions.model(**session))
        if len(kept) == BATCH:
            sessions.bulk_create(kept)
            kept = []
    sessions.bulk_create(kept)
    # In one statement each: `delete` would read every row to look for others that point at it.
    blacklisted = apps.get_model("token_blacklist", "BlacklistedToken").objects.all()
    blacklisted._raw_delete(connection.alias)
    tokens.all()._raw_delete(connection.alias)


def session_of(token, now):
    """None for a token that nobody could use: unreadable, or of a password that was changed since."""
    user = token.user
    try:
        claims, key = jwt.decode(token.token, options={"verify_signature": False}), uuid.UUID(token.jti)
    except (jwt.PyJWTError, ValueError):
        return None
    if claims.get("hash_password") != hashlib.md5(user.password.encode()).hexdigest().upper():
        return None
    facts = (user.password, user.role, user.is_staff, user.is_superuser, user.session_epoch)
    return {
        "user_id": user.pk,
        "key": key,
        "refresh_digest": hashlib.sha256(token.jti.encode()).hexdigest(),
        "user_hash": salted_hmac("accounts.session", "|".join(map(str, facts)), algorithm="sha256").hexdigest(),
        "created_at": token.created_at or now,
        "last_used_at": token.created_at or now,
        "expires_at": token.expires_at,
    }


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0004_sessions"),
        ("token_blacklist", "0013_alter_blacklistedtoken_options_and_more"),
    ]

    operations = [
        migrations.RunPython(keep_confirmations, migrations.RunPython.noop),
        migrations.RunPython(keep_logins, migrations.RunPython.noop),
    ]
