"""The second factor of staff: codes of an app (TOTP, by django-otp), and recovery codes for a lost phone.

Staff who have one are asked for it at every login; with STAFF_SECOND_FACTOR the others set one up first. Which of the
two steps a session has passed stands in the session, so that no request asks the database.
"""

import hashlib
import logging
import secrets
import time
from base64 import b32encode
from binascii import hexlify, unhexlify
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django_otp import verify_token
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import Session, User
from accounts.session_ends import end_all
from core.errors import Refusal

logger = logging.getLogger(__name__)

KEY, PASSED, DUE = "second_factor", "passed", "due"
SECRET_BYTES = 20  # as RFC 4226 recommends; the apps of phones take no other hash than SHA-1 for granted
RECOVERY_CODES, RECOVERY_BYTES = 8, 10
DIGITS = 6
DIGEST_LETTERS = 16  # of the column
SET_UP, REMOVED = "second factor set up", "second factor removed"  # in the history


class SecondFactorNeeded(Refusal):
    """The password was right. The same request with a `second_factor` logs in."""

    default_code = "second_factor_needed"
    default_detail = _("Enter the code of your app, too.")


class SecondFactorMissing(Refusal):
    default_code = "second_factor_missing"
    default_detail = _("Log in to the admin once and set up your second factor there.")


class SecondFactorWrong(Refusal):
    """After wrong codes the next one is looked at later; until then the right one is refused, too."""

    default_code = "second_factor_wrong"

    def __init__(self, wait: int) -> None:
        """`wait`: seconds, 0 for none."""
        sentence = _("This code is wrong or was used before.")
        longer = _("This code is wrong or was used before. Wait {seconds} s before the next one.")
        super().__init__(format_lazy(longer, seconds=wait) if wait else sentence)
        self.retry_after = wait or None


@dataclass(frozen=True)
class Enrolment:
    """A secret that is not confirmed yet, in hex."""

    user: User
    secret: str

    @property
    def device(self) -> TOTPDevice:
        return TOTPDevice(user=self.user, key=self.secret, name=str(_("app on a phone")), confirmed=True)

    @property
    def address(self) -> str:
        """What the QR code says."""
        return self.device.config_url

    @property
    def typed(self) -> str:
        """For who cannot scan: base32 in groups of four."""
        return _in_groups(b32encode(unhexlify(self.secret)).decode())

    def step_of(self, code: str) -> int | None:
        """The half minute in which the app shows this code; None for a wrong one."""
        totp = TOTP(unhexlify(self.secret))
        totp.time = time.time()
        digits = code.replace(" ", "")
        return totp.t() if _is_code(digits) and totp.verify(int(digits), tolerance=1) else None


def begin(request: HttpRequest, user: User) -> None:
    """After the password."""
    if device_of(user) is None:
        request.session.pop(KEY, None)
    else:
        request.session[KEY] = DUE


def has_passed(request: HttpRequest) -> bool:
    step = request.session.get(KEY)
    return step == PASSED if settings.STAFF_SECOND_FACTOR else step != DUE


def is_due(request: HttpRequest) -> bool:
    """They have one, and have not shown it in this session."""
    return request.session.get(KEY) == DUE


def pass_step(request: HttpRequest) -> None:
    """The session gets another key, as after every login."""
    request.session.cycle_key()
    request.session[KEY] = PASSED


def device_of(user: User) -> TOTPDevice | None:
    return TOTPDevice.objects.filter(user=user, confirmed=True).order_by("pk").first()


def new_secret() -> str:
    return hexlify(secrets.token_bytes(SECRET_BYTES)).decode()


@transaction.atomic
def confirm(enrolment: Enrolment, step: int) -> list[str]:
    """The recovery codes, which nobody sees again. `step`: of the code that was shown, which is used up.

    A former device ends, and every login of theirs, which the password alone may have opened.
    """
    end_all(enrolment.user, Session.EndedBecause.ACCOUNT)  # locks the account: two clicks leave one device
    _delete_devices(enrolment.user)
    device = enrolment.device
    device.last_t = step
    device.save()
    codes = [b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    kept = StaticDevice.objects.create(user=enrolment.user, name="recovery codes", confirmed=True)
    for each in codes:
        kept.token_set.create(token=_digest(each))
    enrolment.user.write_history(SET_UP, by=enrolment.user)
    logger.warning("second factor set up", extra={"user": enrolment.user.pk})
    return [_in_groups(each) for each in codes]


def is_right(user: User, code: str) -> bool:
    """Of the app, or a recovery code, which is used up. After wrong ones each further try must wait for longer."""
    device, token = _device_and_token(user, code)
    is_right = device is not None and verify_token(user, device.persistent_id, token) is not None
    if not is_right:
        logger.warning("second factor refused", extra={"user": user.pk})
    return is_right


def is_recovery_code(code: str) -> bool:
    return not _is_code(_typed(code))


def recovery_codes_left(user: User) -> int:
    return StaticToken.objects.filter(device__user=user).count()


def seconds_to_wait(user: User, code: str) -> int:
    """Until the next code of this kind, of the app or for recovery, is looked at; 0: now."""
    device, _token = _device_and_token(user, code)
    locked_until = (device.verify_is_allowed()[1] or {}).get("locked_until") if device else None
    return max(0, int((locked_until - timezone.now()).total_seconds()) + 1) if locked_until else 0


def check_login(user: User, code: str) -> None:
    """Of a login to the API. Raises SecondFactorNeeded, SecondFactorMissing, or Refusal for a wrong code."""
    if user.is_customer:
        return
    if device_of(user) is None:
        if settings.STAFF_SECOND_FACTOR:
            raise SecondFactorMissing
        return
    if not code:
        raise SecondFactorNeeded
    if not is_right(user, code):
        raise SecondFactorWrong(seconds_to_wait(user, code))


@transaction.atomic
def forget_device(user: User, by: User) -> None:
    """They have lost it. Every session of theirs ends; at the next login they may set up another one."""
    if device_of(user) is not None:
        _delete_devices(user)
        user.write_history(REMOVED, by=by)
    end_all(user, Session.EndedBecause.STAFF)
    logger.warning("second factor removed", extra={"user": user.pk, "by": by.pk})


def _delete_devices(user: User) -> None:
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()


def _device_and_token(user: User, code: str) -> tuple[TOTPDevice | StaticDevice | None, str]:
    typed = _typed(code)
    if _is_code(typed):
        return device_of(user), typed
    return StaticDevice.objects.filter(user=user, confirmed=True).first(), _digest(typed)


def _typed(code: str) -> str:
    return "".join(each for each in code.upper() if each.isalnum())


def _is_code(text: str) -> bool:
    return len(text) == DIGITS and text.isascii() and text.isdigit()


def _digest(code: str) -> str:
    """80 random bits need no salt."""
    return hashlib.sha256(code.encode()).hexdigest()[:DIGEST_LETTERS]


def _in_groups(code: str) -> str:
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))
