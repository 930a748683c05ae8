"""One-time codes of six digits: they open an account, show that an address reaches its owner, reset a password, and
log people in to our own pages.

CODE_SENDER sends them, by mail if nothing else is set (`notifications.code_sender`). A code is derived from its row and
SECRET_KEY, so that the database holds none. Each message has a row of its own; while a code is good, the next one has
the same code, so that a stranger who asks for codes ends nobody's.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from accounts.known_networks import account_of, is_known, remember_network
from accounts.models import BY_MAIL, Address, CodeRequest, OneTimeCode, Registration, Session, User
from accounts.services import lock_user, open_account, refuse_weak, set_password
from accounts.session_ends import end_all
from core.errors import InvalidField, Refusal
from core.guesses import HOUR, MINUTE, Limit, begin_attempt
from core.networks import network_of

logger = logging.getLogger(__name__)

LIFETIME = timedelta(minutes=15)
PAUSE = timedelta(seconds=50)  # the frontends offer the next one after 60
PER_DAY = 8  # mails to one account for one purpose; then one after each LATER_PAUSE: below MAILS_PER_ADDRESS
LATER_PAUSE = timedelta(hours=4)
DAY = timedelta(days=1)
KEPT = timedelta(days=30)
REGISTRATION_KEPT = timedelta(days=7)  # who asks for another code by then gets it
TRIES = 5
CODES_AT_ONCE = 2 * PER_DAY  # good ones of one address: of each channel, of each registration
# Wrong codes. The wait after TRIES is as long as a code is good; the total is for attackers with many networks.
CODE_NETWORK = Limit("code network", free=30, window=HOUR, first_wait=MINUTE, alert_at=60)
CODE_HERE = Limit("code here", free=TRIES, first_wait=15 * MINUTE, longest_wait=HOUR)
CODE_ACCOUNT = Limit("code account", free=100, alert_at=50)
# Requests by one network for one account, known or not.
CODE_REQUESTS = Limit("code requests", free=PER_DAY, first_wait=15 * MINUTE, longest_wait=HOUR, alert_at=20)
# Both words: today's page of the frontend looks for them, and goes back to the field of the code.
WRONG_CODE = _("This code is invalid or has expired. Please request another one.")


@transaction.atomic
def issue(user: User, purpose: OneTimeCode.Purpose, via: str = BY_MAIL) -> OneTimeCode | None:
    """The worker sends it. None when the last one is too young, which is then good for longer after many mails.

    So a mailbox that strangers have filled holds a good code: asking for one makes the last one good again.
    """
    lock_user(user.pk)
    now = timezone.now()
    codes = OneTimeCode.objects.filter(user=user, purpose=purpose, via=via)
    codes.filter(created_at__lt=now - KEPT).delete()
    used = codes.exclude(used_at=None).order_by("-pk").first()
    earlier = codes.filter(pk__gt=used.pk if used else 0, created_at__range=(now - DAY, now))
    last, is_flooded = earlier.order_by("-pk").first(), earlier.count() >= PER_DAY
    expires_at = now + LIFETIME
    if last is not None and last.created_at > now - (LATER_PAUSE if is_flooded else PAUSE):
        if is_flooded:
            codes.filter(pk=last.pk).update(expires_at=expires_at)
        return None
    code = OneTimeCode(user=user, purpose=purpose, via=via, created_at=now, expires_at=expires_at)
    if last is not None and (is_flooded or last.expires_at > now):
        code.nonce = last.nonce
    earlier.filter(expires_at__gt=now).update(expires_at=now)
    code.save()
    return code


def request(email: str, purpose: OneTimeCode.Purpose, address: str, via: str = BY_MAIL) -> None:
    """Does the same for every address, so that nobody learns who has an account: the worker looks it up.

    `address` is the caller's. Raises InvalidField for a channel that there is not, and TooManyAttempts.
    """
    # What confirms a mail address is sent to it.
    channels = sender_channels() if purpose == OneTimeCode.Purpose.RESET else (BY_MAIL,)
    if via not in channels:
        raise InvalidField(
            "via", _("This code is sent by: %(channels)s.") % {"channels": ", ".join(channels)}
        )
    account = account_of(email)
    begin_attempt(address, (CODE_REQUESTS, f"{purpose} {account} {network_of(address)}"))
    CodeRequest.objects.create(email=account[:254], purpose=purpose, via=via)


def sender() -> Callable[..., None]:
    """What CODE_SENDER names: a function, or an object of the class."""
    target = import_string(settings.CODE_SENDER)
    send: Callable[..., None] = target() if isinstance(target, type) else target
    return send


def sender_channels() -> tuple[str, ...]:
    return tuple(getattr(import_string(settings.CODE_SENDER), "channels", (BY_MAIL,)))


@transaction.atomic
def answer(request: CodeRequest) -> None:
    """Issues a code where there is an account that can use one; the request is done."""
    user = User.objects.filter(email=request.email).first()
    is_confirmation = request.purpose == OneTimeCode.Purpose.CONFIRM
    if user is None and is_confirmation:
        send_again(Registration.objects.filter(email=request.email))
    elif user is None and request.purpose == OneTimeCode.Purpose.LOGIN:
        register_without_password(request.email)
    elif user is not None and user.is_active and not (is_confirmation and user.email_confirmed_at):
        via = request.via if user.phone and user.phone_confirmed_at else BY_MAIL
        issue(user, OneTimeCode.Purpose(request.purpose), via)
    CodeRequest.objects.filter(pk=request.pk).delete()


def register_without_password(email: str) -> None:
    """Whoever reads the code at this address gets an account by it. What others have typed for it is left alone."""
    earlier = Registration.objects.filter(email=email, password__startswith=UNUSABLE_PASSWORD_PREFIX)
    if earlier.filter(created_at__gt=timezone.now() - REGISTRATION_KEPT).exists():
        send_again(earlier)
    else:
        Registration.objects.create(email=email, password=make_password(None))


def send_again(registrations: "QuerySet[Registration]") -> None:
    """The code of the latest of these, which are of one address, unless it went out just now."""
    waiting = registrations.filter(is_answered=True, created_at__gt=timezone.now() - REGISTRATION_KEPT)
    last = waiting.order_by("-pk").first()
    if last is not None and not (last.mailed_at and last.mailed_at > timezone.now() - PAUSE):
        waiting.filter(pk=last.pk).update(is_answered=False)


def mail_is_due(registration: Registration) -> bool:
    """Counts the mail, if its code is to be sent now. False for an address that has had too many today."""
    now = timezone.now()
    others = Registration.objects.filter(email=registration.email, mailed_at__range=(now - DAY, now))
    if (others.aggregate(mails=Sum("mails"))["mails"] or 0) >= PER_DAY and (
        others.filter(mailed_at__gt=now - LATER_PAUSE).exists()
    ):
        return False
    registration.mails, registration.mailed_at = registration.mails + 1, now
    registration.save(update_fields=["mails", "mailed_at"])
    return True


def confirm_email(email: str, otp: str, address: str) -> bool:
    """Opens the account of a registration, or confirms the address of one that there is. `address` is the caller's.

    False when the account has no password yet (`open_account`). Raises Refusal for a wrong, old or used code, and
    TooManyAttempts.
    """
    code = _compare(email, OneTimeCode.Purpose.CONFIRM, otp, address)
    if isinstance(code, Registration):
        user = open_account(code, address)
        if user is None:
            raise Refusal(WRONG_CODE, code="invalid_code")
        remember_network(code.email, address)
        return user.has_usable_password()
    _use(code, address)
    User.objects.filter(pk=code.user_id, email=code.user.email).update(email_confirmed_at=timezone.now())
    return True


def log_in(email: str, otp: str, address: str) -> User:
    """The person whose code it is; a new account for an address that has none. `address` is the caller's.

    An address that nobody has confirmed may have been given by somebody else: their password and sessions end here, and
    of an account that a guest's booking has made, name, phone and addresses, too. What was booked keeps its own.
    Raises Refusal for a wrong, old or used code, and TooManyAttempts.
    """
    code = _compare(email, OneTimeCode.Purpose.LOGIN, otp, address)
    if isinstance(code, Registration):
        if (user := open_account(code)) is None:
            raise Refusal(WRONG_CODE, code="invalid_code")
        remember_network(code.email, address)
        return user
    _use(code, address)
    user = code.user
    if user.email_confirmed_at is None:
        if not user.has_usable_password():
            user.first_name, user.last_name, user.phone, user.phone_confirmed_at = "", "", None, None
            Address.objects.filter(user=user).delete()
        user.email_confirmed_at = timezone.now()
        user.password = make_password(None)
        user.save(
            update_fields=[
                *("email_confirmed_at", "password"),
                *("first_name", "last_name", "phone", "phone_confirmed_at"),
            ]
        )
        end_all(user, Session.EndedBecause.PASSWORD)
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    return user


def reset_password(email: str, otp: str, new_password: str, address: str) -> None:
    """Every session ends. `address` is the caller's.

    Raises Refusal for the code, TooManyAttempts, and ValidationError for a weak password, which uses up no code.
    """
    code = cast(OneTimeCode, _compare(email, OneTimeCode.Purpose.RESET, otp, address))
    refuse_weak(new_password, code.user, field="new_password")
    _use(code, address)
    set_password(code.user, new_password, field="new_password")
    if code.via == BY_MAIL:
        User.objects.filter(pk=code.user_id, email_confirmed_at=None).update(
            email_confirmed_at=timezone.now()
        )


def digits(code: OneTimeCode | Registration) -> str:
    """Of the address that the code is sent to, and of the channel: it confirms no other one."""
    if isinstance(code, Registration):
        text = f"registration {code.pk}|{code.email}|{code.nonce}"
    else:
        channel = "" if code.via == BY_MAIL else f"|{code.via}|{code.user.phone}"
        text = f"{code.user_id}|{code.user.email}|{code.purpose}|{code.nonce}{channel}"
    number = int(salted_hmac("accounts.codes", text, algorithm="sha256").hexdigest(), 16)
    return f"{number % 1_000_000:06}"


def code_of(facts: dict[str, Any]) -> OneTimeCode | Registration | None:
    """The code that a message is about, as long as it can be used."""
    if pk := facts.get("registration_id"):
        return _waiting(timezone.now()).filter(pk=pk).first()
    code = OneTimeCode.objects.select_related("user").filter(pk=facts.get("code_id") or 0).first()
    return None if code is None or is_over(code) else code


def to_answer(now: datetime) -> "QuerySet[Registration]":
    return Registration.objects.filter(is_answered=False).order_by("pk")


def left_over(now: datetime) -> "QuerySet[Registration]":
    """Registrations that nobody confirmed."""
    return Registration.objects.filter(created_at__lt=now - REGISTRATION_KEPT).order_by("pk")


def to_send(now: datetime) -> "QuerySet[OneTimeCode]":
    return OneTimeCode.objects.filter(is_sent=False).order_by("pk")


def requested(now: datetime) -> "QuerySet[CodeRequest]":
    return CodeRequest.objects.order_by("pk")


def is_over(code: OneTimeCode) -> bool:
    """Also when the phone that it was for is not confirmed any more."""
    is_for_nobody = code.via != BY_MAIL and code.user.phone_confirmed_at is None
    return bool(code.used_at) or code.expires_at <= timezone.now() or is_for_nobody


def _waiting(now: datetime) -> "QuerySet[Registration]":
    """Registrations with a good code, of addresses that have no account."""
    taken = User.objects.filter(email=OuterRef("email"))
    return Registration.objects.filter(~Exists(taken), mailed_at__gt=now - LIFETIME)


def _compare(
    email: str, purpose: OneTimeCode.Purpose, typed: str, address: str
) -> OneTimeCode | Registration:
    """The code that was typed. A try counts before the account is looked up, so that unknown ones count alike."""
    network = network_of(address)
    limits = [(CODE_NETWORK, network), (CODE_HERE, f"{purpose} {account_of(email)} {network}")]
    if not is_known(email, address):  # its owner has been here: strangers elsewhere keep nobody out
        limits.append((CODE_ACCOUNT, f"{purpose} {account_of(email)}"))
    attempt = begin_attempt(address, *limits)
    now = timezone.now()
    codes = OneTimeCode.objects.filter(user__email=email, purpose=purpose, used_at=None, expires_at__gt=now)
    usable = Q(via=BY_MAIL) | Q(user__phone_confirmed_at__isnull=False)
    good = codes.filter(usable, user__account_status=User.AccountStatus.ACTIVE).select_related("user")
    found: list[OneTimeCode | Registration] = [*good.order_by("-pk")[:CODES_AT_ONCE]]
    if purpose == OneTimeCode.Purpose.CONFIRM:
        found += _waiting(now).filter(email=email).order_by("-pk")[:CODES_AT_ONCE]
    elif purpose == OneTimeCode.Purpose.LOGIN:
        opened_by_code = _waiting(now).filter(email=email, password__startswith=UNUSABLE_PASSWORD_PREFIX)
        found += opened_by_code.order_by("-pk")[:CODES_AT_ONCE]
    code = next((each for each in found if constant_time_compare(digits(each), typed.strip())), None)
    if code is None:
        user_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
        logger.warning("code refused", extra={"purpose": purpose, "address": address, "user": user_id})
        raise Refusal(WRONG_CODE, code="invalid_code")
    attempt.was_right()
    return code


def _use(code: OneTimeCode, address: str) -> None:
    """Once. A person who has read the mail is no stranger: their network is known from now on."""
    if not OneTimeCode.objects.filter(pk=code.pk, used_at=None).update(used_at=timezone.now()):
        raise Refusal(WRONG_CODE, code="invalid_code")
    remember_network(code.user.email, address)
