"""One-time codes of six digits, sent by mail: they show that an address reaches its owner, and reset a password.

A code is derived from its row and SECRET_KEY, so that the database holds none, and a mail that is sent again has the
same one. Codes of the same purpose that were issued before end with the next one.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.models import OneTimeCode, User
from accounts.services import lock_user, refuse_weak, set_password
from core.errors import Refusal

LIFETIME = timedelta(minutes=15)
TRIES = 5
PAUSE = timedelta(seconds=50)  # the frontends offer the next one after 60
PER_DAY = 8  # for one account and purpose: at most 40 guesses at a million codes
DAY = timedelta(days=1)
KEPT = timedelta(days=30)
# Both words: today's page of the frontend looks for them, and goes back to the field of the code.
WRONG_CODE = _("This code is invalid or has expired. Please request another one.")


@transaction.atomic
def issue(user: User, purpose: OneTimeCode.Purpose) -> OneTimeCode | None:
    """None when there were too many, or the last one is too young. The worker sends it."""
    lock_user(user.pk)
    now = timezone.now()
    earlier = OneTimeCode.objects.filter(user=user, purpose=purpose, created_at__range=(now - DAY, now))
    last = earlier.order_by("-created_at").first()
    if last is not None and (last.created_at > now - PAUSE or earlier.count() >= PER_DAY):
        return None
    earlier.filter(expires_at__gt=now).update(expires_at=now)
    OneTimeCode.objects.filter(user=user, created_at__lt=now - KEPT).delete()
    return OneTimeCode.objects.create(user=user, purpose=purpose, created_at=now, expires_at=now + LIFETIME)


def request(email: str, purpose: OneTimeCode.Purpose) -> None:
    """Does the same for every address, so that nobody learns who has an account."""
    user = User.objects.filter(email=email).first()
    if user is None or not user.is_active:
        return
    if purpose == OneTimeCode.Purpose.CONFIRM and user.email_confirmed_at:
        return
    issue(user, purpose)


def confirm_email(email: str, otp: str) -> None:
    """Raises Refusal for a wrong, old or used code."""
    user = _redeem(email, OneTimeCode.Purpose.CONFIRM, otp)
    User.objects.filter(pk=user.pk, email=user.email).update(email_confirmed_at=timezone.now())


def reset_password(email: str, otp: str, new_password: str) -> None:
    """Every session ends. Raises Refusal for the code, ValidationError for a weak password, which uses up no code."""
    refuse_weak(new_password, User(email=email), field="new_password")
    user = _redeem(email, OneTimeCode.Purpose.RESET, otp)
    set_password(user, new_password, field="new_password")
    User.objects.filter(pk=user.pk, email_confirmed_at=None).update(email_confirmed_at=timezone.now())


def digits(code: OneTimeCode) -> str:
    text = f"{code.pk}|{code.user_id}|{code.purpose}|{code.nonce}"
    number = int(salted_hmac("accounts.codes", text, algorithm="sha256").hexdigest(), 16)
    return f"{number % 1_000_000:06}"


def to_send(now: datetime) -> "QuerySet[OneTimeCode]":
    return OneTimeCode.objects.filter(is_sent=False).order_by("pk")


def is_over(code: OneTimeCode) -> bool:
    return bool(code.used_at) or code.expires_at <= timezone.now()


def _redeem(email: str, purpose: OneTimeCode.Purpose, typed: str) -> User:
    """Its owner. A try counts before the code is compared, so that parallel guesses are no more than TRIES."""
    codes = OneTimeCode.objects.filter(
        user__email=email,
        user__account_status=User.AccountStatus.ACTIVE,
        purpose=purpose,
        used_at=None,
        expires_at__gt=timezone.now(),
    )
    code = codes.select_related("user").order_by("-pk").first()
    if code is None or not _count_try(code) or not constant_time_compare(digits(code), typed.strip()):
        raise Refusal(WRONG_CODE, code="invalid_code")
    if not OneTimeCode.objects.filter(pk=code.pk, used_at=None).update(used_at=timezone.now()):
        raise Refusal(WRONG_CODE, code="invalid_code")
    return code.user


def _count_try(code: OneTimeCode) -> bool:
    return bool(OneTimeCode.objects.filter(pk=code.pk, tries__lt=TRIES).update(tries=F("tries") + 1))
