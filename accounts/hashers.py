"""How passwords are stored, and how long an unknown e-mail address takes: as long as one with an account."""

from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.core.cache import cache
from django.db.models import Count, Q
from django.utils.crypto import salted_hmac

from accounts.models import User

FORMER_SHARE = "accounts-former-hashes"
SHARE_KEPT = 3_600  # seconds
FORMER = "pbkdf2_sha256"
# Of no password. As slow to compare as the hashes of Django 5.2 that accounts had before.
FORMER_HASH = f"{FORMER}$1000000$nobody$nobody"


class Argon2Hasher(Argon2PasswordHasher):
    """Argon2id with the least that OWASP advises: 19 MiB of memory for each login that is just being checked."""

    time_cost = 2
    memory_cost = 19_456  # KiB
    parallelism = 1


def spend_time_of_comparison(email: str, password: str) -> None:
    """For an address without an account: the time of a login must not tell who has one.

    Accounts whose owners have not logged in since keep the former hash, which is slower. As large a share of the
    unknown addresses takes as long as those, and always the same ones.
    """
    share = cache.get(FORMER_SHARE)
    if share is None:
        counts = User.objects.aggregate(
            all=Count("pk"), former=Count("pk", filter=Q(password__startswith=FORMER))
        )
        share = counts["former"] / (counts["all"] or 1)
        cache.set(FORMER_SHARE, share, SHARE_KEPT)
    drawn = int(salted_hmac("accounts.hashers", email, algorithm="sha256").hexdigest()[:8], 16)
    if drawn < share * 2**32:
        check_password(password, FORMER_HASH)
    else:
        make_password(password)
