"""Accounts and addresses. What compares several rows of one person runs under `lock_user`."""

import logging
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as Invalid
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotFound, ValidationError

from accounts.hashers import spend_time_of_comparison
from accounts.known_networks import remember_network
from accounts.login_guard import begin_login, begin_password_check
from accounts.models import Address, CodeRequest, OneTimeCode, Registration, Session, User
from accounts.second_factor import check_login
from accounts.session_ends import end_all
from core.compiled import CompiledRead
from core.databases import Query, read_together
from core.errors import Conflict, Refusal
from core.networks import UNKNOWN, network_of

logger = logging.getLogger(__name__)

ADDRESSES_PER_USER = 20
REGISTRATIONS_TRIED = 5  # of one address, at a login: each takes a comparison


def lock_user(user_id: int, other_id: int | None = None) -> None:
    """One at a time per person, until the caller's transaction ends. Two people are locked in the order of their keys.

    Without the key: rows that merely point at the person can still be written meanwhile.
    """
    for each in sorted({user_id, other_id or user_id}):
        _locked_person.get(each)


class AccountClosed(Conflict):
    default_code = "account_closed"
    default_detail = _("This account was closed.")


def lock_active_user(user_id: int) -> None:
    """As `lock_user`, for what a person adds: nothing comes to an account that was erased or closed meanwhile.

    Raises AccountClosed.
    """
    if not _locked_person.get(user_id).is_active:
        raise AccountClosed


def locking_user(user_id: int) -> Query[User]:
    """As `lock_user`, before other queries in one round trip. Whose account is closed is not `is_active`."""
    return _locked_person.one(user_id)


@CompiledRead
def _locked_person(user_id: int) -> QuerySet[User]:
    return User.objects.select_for_update(no_key=True).filter(pk=user_id).only("account_status")


# --- Accounts ----------------------------------------------------------------------------------


def create_account(*, email: str, password: str, address: str = UNKNOWN, **fields: Any) -> User:
    """A new ACTIVE account; a code goes to its address. `address` is the caller's.

    Raises ValidationError on `email` when somebody else already uses it.
    """
    refuse_taken(email)
    hashed = make_password(password)  # takes its time: before the transaction
    try:
        with transaction.atomic():
            user = User.objects.create(email=email.strip().lower(), password=hashed, **fields)
            CodeRequest.objects.create(email=user.email, purpose=OneTimeCode.Purpose.CONFIRM)
    except IntegrityError:  # somebody took it between the question and the insert
        refuse_taken(email)
        raise
    remember_network(user.email, address)
    return user


def create_guest(*, email: str, first_name: str, phone: str | None, language: str) -> User | None:
    """An account without a password, for somebody who books as a guest. None when the address has one already, which
    is opened by a code (`accounts.codes.log_in`)."""
    fields = {"first_name": first_name, "phone": phone, "language": language}
    defaults = {**fields, "password": make_password(None)}
    user, is_new = User.objects.get_or_create(email=email.strip().lower(), defaults=defaults)
    return user if is_new else None


def complete_profile(person: User, *, first_name: str, phone: str | None) -> None:
    """What is missing in it. Nobody's name or phone is changed by booking for somebody else."""
    given = {"first_name": first_name, "phone": phone}
    missing = {name: value for name, value in given.items() if value and not getattr(person, name)}
    if missing:
        User.objects.filter(pk=person.pk).update(**missing)
        for name, value in missing.items():
            setattr(person, name, value)


def register(*, email: str, password: str, address: str = UNKNOWN, **fields: Any) -> Registration:
    """With REGISTRATION_BY_CODE: waits for the code that goes to its address. `address` is the caller's.

    Does the same for every address, so that nobody learns who has an account: the worker looks it up.
    """
    hashed = make_password(password)
    network = network_of(address)
    return Registration.objects.create(
        email=email.strip().lower(), password=hashed, network=network, **fields
    )


@transaction.atomic
def open_account(registration: Registration, address: str = UNKNOWN) -> User | None:
    """The account of a registration whose code was typed. None when another code was faster.

    `address` is that of who typed the code. Where others registered with the same mail address, the code may be of
    a stranger's registration: then what was typed elsewhere, the password above all, is not taken over, and a code for
    a new password goes out.
    """
    # All of the address, in one order: the codes of two of them may be typed at once.
    of_address = Registration.objects.select_for_update().filter(email=registration.email).order_by("pk")
    networks = {each.pk: each.network for each in of_address}
    if registration.pk not in networks:
        return None
    is_own = networks[registration.pk] == network_of(address) or len(set(networks.values())) == 1
    names = ("password", "phone", "first_name", "last_name", "language")
    fields = (
        {name: getattr(registration, name) for name in names} if is_own else {"password": make_password(None)}
    )
    user, is_new = User.objects.get_or_create(
        email=registration.email, defaults={**fields, "email_confirmed_at": timezone.now()}
    )
    if is_new and not is_own:
        CodeRequest.objects.create(email=user.email, purpose=OneTimeCode.Purpose.RESET)
    Registration.objects.filter(email=registration.email).delete()
    return user if is_new else None


class NotLoggedIn(Refusal):
    """The password is right, and there is no session. 200, because only then do the pages say what is the matter.

    Without tokens: somebody who only looks at the status cannot log in with it.
    """

    status_code = 200

    def __init__(
        self, email: str, account_status: User.AccountStatus, *, is_registration: bool = False
    ) -> None:
        """A registration waits for its code; an account that staff have made PENDING gets none."""
        sentence = (
            _("Please enter the code that we have sent to your e-mail address.")
            if is_registration
            else _("This account is not active. Please contact us.")
        )
        super().__init__(
            sentence,
            code="email_not_confirmed" if is_registration else "account_not_active",
            success=False,
            email=email,
            account_status=account_status,
            access=None,
            refresh=None,
        )


def log_in(email: str, password: str, address: str, second_factor: str = "") -> User:
    """The person, or a Refusal that does not tell whether the email or the password was wrong.

    `address` is the caller's. Raises TooManyAttempts, NotLoggedIn where the password alone is not enough, and what
    `accounts.second_factor.check_login` raises.
    """
    login = begin_login(email, address)
    user = User.objects.filter(email=email).first()
    if user is None:
        spend_time_of_comparison(email, password)
    if user is None or not user.check_password(password):
        # Every one that may be theirs: somebody else may have registered with the address after them.
        waiting = Registration.objects.filter(email=email).order_by("-pk")[:REGISTRATIONS_TRIED]
        if any(check_password(password, each.password) for each in waiting):
            login.attempt.was_right()
            raise NotLoggedIn(email, User.AccountStatus.PENDING, is_registration=True)
        logger.warning("login refused", extra={"address": address, "user": user.pk if user else None})
        raise Refusal(_("Invalid email or password."), code="invalid_credentials")
    login.was_right()
    if not user.is_active:
        raise NotLoggedIn(user.email, User.AccountStatus(user.account_status))
    check_login(user, second_factor)
    User.objects.filter(pk=user.pk).update(last_login=timezone.now())
    return user


def change_password(
    user: User, session: Session | None, *, old_password: str, new_password: str, address: str
) -> None:
    """Every session but this one ends. Raises Refusal for a wrong old one, ValidationError for a weak new one.

    `address` is the caller's. Raises TooManyAttempts.
    """
    attempt = begin_password_check(user.pk, address)
    if not user.check_password(old_password):
        raise Refusal(_("The old password is wrong."), code="wrong_password")
    attempt.was_right()
    set_password(user, new_password, field="new_password", session=session)


def set_password(user: User, password: str, *, field: str, session: Session | None = None) -> None:
    """Unless somebody else changed it since `user` was read. Raises ValidationError at `field`, and Refusal."""
    refuse_weak(password, user, field=field)
    hashed = make_password(password)  # takes its time: before the transaction
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, password=user.password).update(password=hashed):
            raise Refusal(_("The password has just been changed."), code="password_changed")
        end_all(user, Session.EndedBecause.PASSWORD, except_for=session)


def refuse_weak(password: str, user: User, *, field: str) -> None:
    try:
        validate_password(password, user)
    except Invalid as error:
        raise ValidationError({field: error.messages}) from error


def refuse_taken(email: str) -> None:
    """The address alone, because it is the name people log in with. A telephone belongs to a whole family."""
    if User.objects.filter(email=email).exists():
        raise ValidationError({"email": [_("An account with this email already exists.")]})


# --- Addresses ---------------------------------------------------------------------------------


@transaction.atomic
def add_address(user: User, **fields: Any) -> Address:
    """The first address of a person is the default, whatever `is_default` says. Raises AccountClosed."""
    lock_active_user(user.pk)
    count = Address.objects.filter(user=user).count()
    if count >= ADDRESSES_PER_USER:
        raise Refusal(_("You have too many addresses. Delete one first."), code="too_many_addresses")
    is_default = fields.pop("is_default", False) or count == 0
    if is_default:
        _clear_default(user)
    return Address.objects.create(user=user, is_default=is_default, **fields)


def find_or_add_address(user: User, **fields: Any) -> Address:
    """Typed twice, it is one. Raises as `add_address` does."""
    return Address.objects.filter(user=user, **fields).first() or add_address(user, **fields)


@transaction.atomic
def change_address(address: Address, **fields: Any) -> Address:
    """Raises ValidationError when the default is to be unset: choosing another one does that."""
    lock_active_user(address.user_id)
    current = Address.objects.filter(pk=address.pk).first()
    if current is None:
        raise NotFound()
    if current.is_default and not fields.get("is_default", True):
        raise ValidationError({"is_default": [_("Make another address the default instead.")]})
    if fields.get("is_default"):
        _clear_default(current.user)
    for name, value in fields.items():
        setattr(current, name, value)
    current.save()
    return current


@transaction.atomic
def remove_address(address: Address) -> None:
    """When the default goes, the latest of the others takes its place."""
    lock_user(address.user_id)
    Address.objects.filter(pk=address.pk).delete()
    others = Address.objects.filter(user_id=address.user_id)
    if others.filter(is_default=True).exists():
        return
    if latest := others.order_by("-id").first():
        others.filter(pk=latest.pk).update(is_default=True)


def address_for_delivery(user: User, address_id: int | None) -> Address | None:
    """The chosen address, else the default, else the latest, else none. Never somebody else's."""
    addresses: list[Address]
    [addresses] = read_together(finding_address(user.pk, address_id))
    return require_address(addresses, address_id)


def finding_address(user_id: int, address_id: int | None) -> Query[list[Address]]:
    """Reads what `require_address` looks at."""
    if address_id is None:
        return _addresses_by_default.query(user_id)
    return _addresses_by_key.query(address_id, user_id)


def require_address(addresses: list[Address], address_id: int | None) -> Address | None:
    """The one that was found by `finding_address`. Raises ValidationError when the chosen one is not there."""
    if not addresses and address_id is not None:
        raise ValidationError({"address_id": [_("This address does not exist.")]})
    return addresses[0] if addresses else None


@CompiledRead
def _addresses_by_default(user_id: int) -> QuerySet[Address]:
    return Address.objects.filter(user=user_id).order_by("-is_default", "-id")[:1]


@CompiledRead
def _addresses_by_key(address_id: int, user_id: int) -> QuerySet[Address]:
    return Address.objects.filter(pk=address_id, user=user_id)


def _clear_default(user: User) -> None:
    Address.objects.filter(user=user, is_default=True).update(is_default=False)
