"""One-time codes of six digits, sent by mail: they show that an address reaches its owner, and reset a password.

A code is derived from its row and SECRET_KEY, so that the database holds none. Each mail has a row of its own; while a
code is good, the next mail has the same one, so that a stranger who asks for codes ends nobody's.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.known_networks import account_of, is_known, remember_network
from accounts.models import CodeRequest, OneTimeCode, User
from accounts.services import lock_user, refuse_weak, set_password
from core.errors import Refusal
from core.guesses import HOUR, MINUTE, Limit, begin_attempt
from core.networks import network_of

logger = logging.getLogger(__name__)

LIFETIME = timedelta(minutes=15)
PAUSE = timedelta(seconds=50)  # the frontends offer the next one after 60
PER_DAY = 8  # mails to one account for one purpose; then one after each LATER_PAUSE: below MAILS_PER_ADDRESS
LATER_PAUSE = timedelta(hours=4)
DAY = timedelta(days=1)
KEPT = timedelta(days=30)
TRIES = 5
# Wrong codes. The wait after TRIES is as long as a code is good; the total is for attackers with many networks.
CODE_NETWORK = Limit("code network", free=30, window=HOUR, first_wait=MINUTE, alert_at=60)
CODE_HERE = Limit("code here", free=TRIES, first_wait=15 * MINUTE, longest_wait=HOUR)
CODE_ACCOUNT = Limit("code account", free=100, alert_at=50)
# Requests by one network for one account, known or not.
CODE_REQUESTS = Limit("code requests", free=PER_DAY, first_wait=15 * MINUTE, longest_wait=HOUR, alert_at=20)
# Both words: today's page of the frontend looks for them, and goes back to the field of the code.
WRONG_CODE = _("This code is invalid or has expired. Please request another one.")


@transaction.atomic
def issue(user: User, purpose: OneTimeCode.Purpose) -> OneTimeCode | None:
    """The worker sends it. None when the last one is too young, which is then good for longer after many mails.

    So a mailbox that strangers have filled holds a good code: asking for one makes the last one good again.
    """
    lock_user(user.pk)
    now = timezone.now()
    codes = OneTimeCode.objects.filter(user=user, purpose=purpose)
    codes.filter(created_at__lt=now - KEPT).delete()
    used = codes.exclude(used_at=None).order_by("-pk").first()
    earlier = codes.filter(pk__gt=used.pk if used else 0, created_at__range=(now - DAY, now))
    last, is_flooded = earlier.order_by("-pk").first(), earlier.count() >= PER_DAY
    expires_at = now + LIFETIME
    if last is not None and last.created_at > now - (LATER_PAUSE if is_flooded else PAUSE):
        if is_flooded:
            codes.filter(pk=last.pk).update(expires_at=expires_at)
        return None
    code = OneTimeCode(user=user, purpose=purpose, created_at=now, expires_at=expires_at)
    if last is not None and (is_flooded or last.expires_at > now):
        code.nonce = last.nonce
    earlier.filter(expires_at__gt=now).update(expires_at=now)
    code.save()
    return code


def request(email: str, purpose: OneTimeCode.Purpose, address: str) -> None:
    """Does the same for every address, so that nobody learns who has an account: the worker looks it up.

    `address` is the caller's. Raises TooManyAttempts.
    """
    account = account_of(email)
    begin_attempt(address, (CODE_REQUESTS, f"{purpose} {account} {network_of(address)}"))
    CodeRequest.objects.create(email=account[:254], purpose=purpose)


@transaction.atomic
def answer(request: CodeRequest) -> None:
    """Issues a code where there is an account that can use one; the request is done."""
    user = User.objects.filter(email=request.email).first()
    is_done = request.purpose == OneTimeCode.Purpose.CONFIRM and user is not None and user.email_confirmed_at
    if user is not None and user.is_active and not is_done:
        issue(user, OneTimeCode.Purpose(request.purpose))
    CodeRequest.objects.filter(pk=request.pk).delete()


def confirm_email(email: str, otp: str, address: str) -> None:
    """Raises Refusal for a wrong, old or used code, and TooManyAttempts. `address` is the caller's."""
    code = _compare(email, OneTimeCode.Purpose.CONFIRM, otp, address)
    _use(code, address)
    User.objects.filter(pk=code.user_id, email=code.user.email).update(email_confirmed_at=timezone.now())


def reset_password(email: str, otp: str, new_password: str, address: str) -> None:
    """Every session ends. `address` is the caller's.

    Raises Refusal for the code, TooManyAttempts, and ValidationError for a weak password, which uses up no code.
    """
    code = _compare(email, OneTimeCode.Purpose.RESET, otp, address)
    refuse_weak(new_password, code.user, field="new_password")
    _use(code, address)
    set_password(code.user, new_password, field="new_password")
    User.objects.filter(pk=code.user_id, email_confirmed_at=None).update(email_confirmed_at=timezone.now())


def digits(code: OneTimeCode) -> str:
    """Of the address that the code is sent to: it confirms no other one."""
    text = f"{code.user_id}|{code.user.email}|{code.purpose}|{code.nonce}"
    number = int(salted_hmac("accounts.codes", text, algorithm="sha256").hexdigest(), 16)
    return f"{number % 1_000_000:06}"


def to_send(now: datetime) -> "QuerySet[OneTimeCode]":
    return OneTimeCode.objects.filter(is_sent=False).order_by("pk")


def requested(now: datetime) -> "QuerySet[CodeRequest]":
    return CodeRequest.objects.order_by("pk")


def is_over(code: OneTimeCode) -> bool:
    return bool(code.used_at) or code.expires_at <= timezone.now()


def _compare(email: str, purpose: OneTimeCode.Purpose, typed: str, address: str) -> OneTimeCode:
    """The code that was typed. A try counts before the account is looked up, so that unknown ones count alike."""
    network = network_of(address)
    limits = [(CODE_NETWORK, network), (CODE_HERE, f"{purpose} {account_of(email)} {network}")]
    if not is_known(email, address):  # its owner has been here: strangers elsewhere keep nobody out
        limits.append((CODE_ACCOUNT, f"{purpose} {account_of(email)}"))
    attempt = begin_attempt(address, *limits)
    codes = OneTimeCode.objects.filter(user__email=email, purpose=purpose, used_at=None)
    good = codes.filter(user__account_status=User.AccountStatus.ACTIVE, expires_at__gt=timezone.now())
    code = good.select_related("user").order_by("-pk").first()
    if code is None or not constant_time_compare(digits(code), typed.strip()):
        user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
        logger.warning("code refused", extra={"purpose": purpose, "address": address, "user": user_id})
        raise Refusal(WRONG_CODE, code="invalid_code")
    attempt.was_right()
    return code


def _use(code: OneTimeCode, address: str) -> None:
    """Once. Who has read the mail is no stranger: their network is known from now on."""
    if not OneTimeCode.objects.filter(pk=code.pk, used_at=None).update(used_at=timezone.now()):
        raise Refusal(WRONG_CODE, code="invalid_code")
    remember_network(code.user.email, address)
