"""Who: a person known by e-mail address, and where the puja takes place."""

import re
import secrets
import unicodedata
import uuid
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth import hashers
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from accounts.phones import PhoneField, readable_phone
from accounts.storage import private_storage
from core.expressions import LastFour
from core.indexes import BeginningsIndex
from core.texts import plain_line, visible_line

LONGEST_REASON = 100  # of the column in the history
BY_MAIL = "email"  # the channel of codes that every installation has
INDIA_SPELLINGS = {"india", "in", "ind", "bharat", "भारत"}


def normalize_postal_code(code: str, country: str) -> str:
    """In ASCII digits, an Indian PIN code as six of them together ("११० ००१" is 110001).

    Raises ValidationError for what is no PIN code in India. Elsewhere a code keeps its letters and spaces.
    """
    ascii_digits = "".join(
        str(unicodedata.digit(each)) if each.isdecimal() else each for each in code.strip()
    )
    if country.strip().lower() not in INDIA_SPELLINGS:
        return ascii_digits
    pin = re.sub(r"[^0-9a-z]", "", ascii_digits.lower())
    pin = re.sub(r"^pin(code)?", "", pin)
    if not re.fullmatch(r"[0-9]{6}", pin):
        raise ValidationError(_("Give the PIN code as six digits."), code="invalid")
    return pin


def make_nonce() -> str:
    return secrets.token_hex(16)


class CaselessEmailField(models.EmailField):
    """Stored and looked up in lower case: addresses that differ only in case are one person."""

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.lower() if isinstance(value, str) else value


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        staff = {"is_staff": True, "is_superuser": True, "role": User.Role.ADMIN}
        return self.create_user(email, password, **staff | fields)

    def superusers(self) -> "models.QuerySet[User]":
        return self.get_queryset().filter(is_superuser=True)


class User(AbstractBaseUser, PermissionsMixin):
    class Role(models.TextChoices):
        USER = "USER", _("User")
        ADMIN = "ADMIN", _("Admin")
        EMPLOYEE = "EMPLOYEE", _("Employee")

    class AccountStatus(models.TextChoices):
        PENDING = "PENDING", _("Pending")
        ACTIVE = "ACTIVE", _("Active")
        SUSPENDED = "SUSPENDED", _("Suspended")
        DEACTIVATED = "DEACTIVATED", _("Deactivated")

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        HINDI = "hi", "हिन्दी"

    email = CaselessEmailField(unique=True, validators=[visible_line])
    # Not unique: a family shares a telephone, and "already exists" would tell strangers who is registered.
    phone = PhoneField(null=True, blank=True, db_index=True, validators=[readable_phone])
    first_name = models.CharField(max_length=100, blank=True, validators=[plain_line])
    last_name = models.CharField(max_length=100, blank=True, validators=[plain_line])
    role = models.CharField(max_length=10, choices=Role, default=Role.USER)
    account_status = models.CharField(max_length=12, choices=AccountStatus, default=AccountStatus.ACTIVE)
    language = models.CharField(
        "language of our mails", max_length=2, choices=Language, default=Language.ENGLISH
    )
    email_confirmed_at = models.DateTimeField(
        null=True, blank=True, help_text="when its owner showed that mail to the address reaches them"
    )
    phone_confirmed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="when staff saw that messages to the phone reach the owner of the account",
    )
    is_staff = models.BooleanField("may open the admin", default=False)
    session_epoch = models.PositiveIntegerField(
        default=0, editable=False, help_text="counted up to end every session, also those of the admin"
    )
    dob = models.DateField("date of birth", null=True, blank=True)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False, help_text="of the profile")

    objects = UserManager()
    history: ClassVar[Any]  # what staff decided about the account; registered by backoffice.models

    # All that staff decide about an account. The other columns say who a person is, or open the account.
    DECIDED_BY_STAFF: ClassVar[frozenset[str]] = frozenset(
        {"id", "role", "account_status", "is_staff", "is_superuser"}
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        permissions = [("assign_role", "Can choose the role of staff")]
        indexes = [
            # How staff search for who is on the phone (backoffice/search.py).
            BeginningsIndex(Lower("first_name"), name="user_first_name"),
            BeginningsIndex(Lower("last_name"), name="user_last_name"),
            models.Index(LastFour("phone"), name="user_last_digits"),
            # What staff filter the list of accounts by, and most accounts are not.
            models.Index(fields=["role"], name="user_of_staff", condition=~Q(role="USER")),
            models.Index(
                fields=["account_status"], name="user_not_active", condition=~Q(account_status="ACTIVE")
            ),
            models.Index(fields=["-id"], name="user_opens_admin", condition=Q(is_staff=True)),
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        """What Django and the tokens ask. One truth: the account status."""
        return self.account_status == self.AccountStatus.ACTIVE

    @property
    def is_customer(self) -> bool:
        """Everybody else is staff, whose accounts only superusers edit."""
        return not (self.is_staff or self.is_superuser or self.role != self.Role.USER)

    @property
    def holds_everything(self) -> bool:
        """A superuser: no role makes or ends that."""
        return self.is_superuser

    def change_kind(self, role: "User.Role", reason: str) -> None:
        """Of a customer into staff or back; the rights are those of its groups. `reason` stands in the history."""
        self.role, self.is_staff, self._change_reason = role, role != self.Role.USER, reason[:LONGEST_REASON]
        self.save(update_fields=["role", "is_staff"])

    def write_history(self, *reasons: str, by: "User") -> None:
        """Of what no column of the history shows: a second factor, or rights. A row for each reason."""
        person = User.objects.get(pk=self.pk)
        for reason in reasons:
            self.history.bulk_history_create(
                [person], update=True, default_user=by, default_change_reason=reason
            )

    def holds(self, right: str) -> bool:
        """Whether they may do what `right` names, as in "payment.view_payment". Superusers may do all.

        `is_staff` opens the admin and grants nothing else; a right counts only together with it.
        """
        return self.is_staff and self.has_perm(right)

    def may_edit(self, person: "User") -> bool:
        """Accounts of staff are edited by superusers only."""
        return person.is_customer or self.is_superuser

    @property
    def email_verified(self) -> bool:
        """Under the name that the frontends read."""
        return self.email_confirmed_at is not None

    def check_password(self, raw_password: str) -> bool:
        """As Django's. A right password that is stored with a former hash is hashed again, and no session ends."""
        return hashers.check_password(raw_password, self.password, self._store_anew)

    def _store_anew(self, raw_password: str) -> None:
        former, former_hash, hashed = (
            self.password,
            self.get_session_auth_hash(),
            hashers.make_password(raw_password),
        )
        with transaction.atomic():
            if User.objects.filter(pk=self.pk, password=former).update(password=hashed):
                self.password = hashed
                sessions = Session.objects.filter(user=self, user_hash=former_hash)
                sessions.update(user_hash=self.get_session_auth_hash())
            else:  # another login of theirs was faster
                self.refresh_from_db(fields=["password"])

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What every session, of the API and of the admin, must still agree with: a change here ends it."""
        facts = (self.password, self.role, self.is_staff, self.is_superuser, self.session_epoch)
        text = "|".join(map(str, facts))
        return salted_hmac("accounts.session", text, secret=secret, algorithm="sha256").hexdigest()

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def username(self) -> str:
        """What the frontend greets a person with."""
        return self.full_name or self.email.partition("@")[0]


class Session(models.Model):
    """One login to the API, and the family of its tokens (`accounts.sessions`). It holds digests, no token."""

    class EndedBecause(models.TextChoices):
        LOGOUT = "LOGOUT", _("logged out")
        EVERYWHERE = "EVERYWHERE", _("logged out everywhere")
        PASSWORD = "PASSWORD", _("the password was changed")
        ACCOUNT = "ACCOUNT", _("the account, its role or its rights were changed")
        REUSE = "REUSE", _("a refresh token was used twice: somebody may have copied it")
        STAFF = "STAFF", _("ended by staff")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="sessions")
    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    refresh_digest = models.CharField(max_length=64, help_text="SHA-256 of the id of the refresh token")
    previous_digest = models.CharField(max_length=64, blank=True, help_text="of the one before")
    user_hash = models.CharField(max_length=64, help_text="of password, role and rights at the login")
    # A code was asked for at the login.
    has_second_factor = models.BooleanField(default=False, db_default=False, editable=False)
    user_agent = models.CharField(max_length=150, blank=True)
    network = models.CharField(max_length=43, blank=True, help_text="of the address that logged in")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(help_text="at the login or the last refresh")
    rotated_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(help_text="without a further refresh")
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_because = models.CharField(max_length=10, choices=EndedBecause, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = [
            models.Index(fields=["ended_at"], name="session_ended"),
            models.Index(fields=["expires_at"], name="session_expires"),
        ]

    def __str__(self) -> str:
        return f"session {self.pk}"


class Registration(models.Model):
    """What somebody typed to get an account. It becomes one by the code that is sent to its address.

    Rows of addresses that have an account already look the same to who registers, and never become one.
    """

    email = CaselessEmailField(db_index=True, validators=[visible_line])
    password = models.CharField(max_length=128, editable=False, help_text="hashed")
    phone = PhoneField(null=True, blank=True, validators=[readable_phone])
    first_name = models.CharField(max_length=100, blank=True, validators=[plain_line])
    last_name = models.CharField(max_length=100, blank=True, validators=[plain_line])
    language = models.CharField(max_length=2, choices=User.Language, default=User.Language.ENGLISH)
    network = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False, help_text="where it was typed"
    )
    nonce = models.CharField(max_length=32, default=make_nonce, editable=False)
    is_answered = models.BooleanField(default=False, help_text="its mail is in the outbox, or there is none")
    mails = models.PositiveSmallIntegerField(default=0)
    mailed_at = models.DateTimeField(null=True, blank=True, help_text="when the code was sent last")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="registration_to_answer", condition=Q(is_answered=False)),
            models.Index(fields=["created_at"], name="registration_made"),
        ]

    def __str__(self) -> str:
        return f"registration {self.pk}"


class Upload(models.Model):
    """A picture of a person, re-encoded by us. The row is there before its files and goes after them."""

    class Purpose(models.TextChoices):
        PROFILE = "PROFILE", "profile picture"
        PAN_CARD = "PAN_CARD", "PAN card"

    class State(models.TextChoices):
        STORING = "STORING", "its files are being written"
        LIVE = "LIVE"
        REPLACED = "REPLACED", "its files are to be deleted"

    owner = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="uploads")
    purpose = models.CharField(max_length=8, choices=Purpose)
    state = models.CharField(max_length=8, choices=State, default=State.STORING)
    file = models.FileField(storage=private_storage, max_length=80)
    thumbnail = models.FileField(storage=private_storage, max_length=80)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "purpose"], condition=Q(state="LIVE"), name="one_live_upload_of_a_purpose"
            ),
        ]
        indexes = [models.Index(fields=["id"], name="upload_left_over", condition=~Q(state="LIVE"))]

    def __str__(self) -> str:
        return f"upload {self.pk}"


class PanCard(models.Model):
    """The permanent account number of a person, encrypted (`accounts.pan_cards`)."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="pan_card")
    number = models.TextField(editable=False, help_text="encrypted, with the account that it is of")
    is_verified = models.BooleanField(default=False, help_text="staff have compared it with the card")
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "PAN card"

    def __str__(self) -> str:
        return f"PAN card {self.pk}"


class OneTimeCode(models.Model):
    """Six digits that are sent by mail (`accounts.codes`). They are derived from the row with SECRET_KEY."""

    class Purpose(models.TextChoices):
        CONFIRM = "CONFIRM", "confirm the address"
        RESET = "RESET", "reset the password"
        LOGIN = "LOGIN", "log in to our own pages"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="codes")
    purpose = models.CharField(max_length=8, choices=Purpose)
    via = models.CharField(max_length=16, default=BY_MAIL, help_text="a channel of CODE_SENDER")
    nonce = models.CharField(max_length=32, default=make_nonce, editable=False)
    is_sent = models.BooleanField(default=False, help_text="handed to the outbox")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True, help_text="or ended, with every session")

    class Meta:
        ordering = ("-id",)
        indexes = [models.Index(fields=["id"], name="code_to_send", condition=Q(is_sent=False))]

    def __str__(self) -> str:
        return f"code {self.pk}"


class CodeRequest(models.Model):
    """Somebody asked for a code. The worker looks whether there is such an account: the request tells nobody."""

    email = models.CharField(max_length=254)
    purpose = models.CharField(max_length=8, choices=OneTimeCode.Purpose)
    via = models.CharField(max_length=16, default=BY_MAIL)

    def __str__(self) -> str:
        return f"request {self.pk}"


class Address(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    address_line1 = models.CharField(max_length=255, validators=[plain_line])
    address_line2 = models.CharField(max_length=255, blank=True, validators=[plain_line])
    city = models.CharField(max_length=100, validators=[plain_line])
    state = models.CharField(max_length=100, validators=[plain_line])
    postal_code = models.CharField(max_length=12, validators=[plain_line])
    country = models.CharField(max_length=100, default="India", validators=[plain_line])
    is_default = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-is_default", "-id")
        verbose_name_plural = "addresses"
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(is_default=True), name="one_default_address_per_user"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address_line1}, {self.city} {self.postal_code}"

    def clean(self) -> None:
        try:
            self.postal_code = normalize_postal_code(self.postal_code, self.country)
        except ValidationError as error:
            raise ValidationError({"postal_code": error}) from error


class ApiKey(models.Model):
    """What a server of the business sends as `Authorization: Bearer okp_…` (`accounts.api_keys`). It holds no key.

    It opens /api/server/ and nothing else, by its scopes. It is nobody's login: it opens no admin, and no account.
    """

    class Scope(models.TextChoices):
        READ = "bookings:read", _("read bookings, payments and refunds")
        WRITE = "bookings:write", _("open payments for customers, move and cancel bookings")
        REFUND = "refunds:write", _("refund payments")
        CUSTOMERS = "customers:read", _("see the names, mail addresses and phones of customers")
        WEBHOOKS = "webhooks:read", _("read webhook endpoints, events and deliveries")

    name = models.CharField(max_length=80, validators=[plain_line], help_text="of the program that uses it")
    prefix = models.CharField(max_length=16, unique=True, editable=False, help_text="how it begins")
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the key")
    family = models.UUIDField(
        default=uuid.uuid4, editable=False, db_index=True, help_text="the same for all that a rotation makes"
    )
    scopes = models.JSONField(default=list)
    made_by = models.ForeignKey(
        User,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="api_keys",
        help_text="empty: by the command",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="to the minute")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="empty: never")
    revoked_at = models.DateTimeField(null=True, blank=True)

    is_authenticated = True  # what REST framework asks of `request.user`

    class Meta:
        ordering = ("-id",)
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_good(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def holds(self, scope: str) -> bool:
        return scope in self.scopes
