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


def keep_logins(apps, schema_editor):
    """A session for every refresh token that is still good; then the tokens themselves, which lay here readable, go.

    Nobody is logged out: the next refresh of such a token finds the session that has the token's id as its key.
    """
    tokens = apps.get_model("token_blacklist", "OutstandingToken").objects
    now, kept = timezone.now(), []
    good = tokens.filter(expires_at__gt=now, blacklistedtoken=None).exclude(user=None).select_related("user")
    for token in good.iterator():
        user, claims = token.user, jwt.decode(token.token, options={"verify_signature": False})
        if claims.get("hash_password") != hashlib.md5(user.password.encode()).hexdigest().upper():
            continue  # the password was changed since: this token is refused today, too
        facts = (user.password, user.role, user.is_staff, user.is_superuser, user.session_epoch)
        kept.append(
            apps.get_model("accounts", "Session")(
                user_id=user.pk,
                key=uuid.UUID(token.jti),
                refresh_digest=hashlib.sha256(token.jti.encode()).hexdigest(),
                user_hash=salted_hmac(
                    "accounts.session", "|".join(map(str, facts)), algorithm="sha256"
                ).hexdigest(),
                created_at=token.created_at or now,
                last_used_at=token.created_at or now,
                expires_at=token.expires_at,
            )
        )
    apps.get_model("accounts", "Session").objects.bulk_create(kept, batch_size=500)
    apps.get_model("token_blacklist", "BlacklistedToken").objects.all().delete()
    tokens.all().delete()


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0004_sessions"),
        ("token_blacklist", "0013_alter_blacklistedtoken_options_and_more"),
    ]

    operations = [
        migrations.RunPython(keep_confirmations, migrations.RunPython.noop),
        migrations.RunPython(keep_logins, migrations.RunPython.noop),
    ]
