"""Who: a person known by e-mail address, and where the puja takes place."""

import re
import unicodedata
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.phones import PhoneField, readable_phone

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
        raise ValidationError("Give the PIN code as six digits.", code="invalid")
    return pin


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


class User(AbstractBaseUser, PermissionsMixin):
    class Role(models.TextChoices):
        USER = "USER"
        ADMIN = "ADMIN"
        EMPLOYEE = "EMPLOYEE"

    class AccountStatus(models.TextChoices):
        PENDING = "PENDING"
        ACTIVE = "ACTIVE"
        SUSPENDED = "SUSPENDED"
        DEACTIVATED = "DEACTIVATED"

    class Language(models.TextChoices):
        ENGLISH = "en", "English"
        HINDI = "hi", "हिन्दी"

    email = CaselessEmailField(unique=True)
    # Not unique: a family shares a telephone, and "already exists" would tell strangers who is registered.
    phone = PhoneField(null=True, blank=True, db_index=True, validators=[readable_phone])
    first_name = models.CharField(max_length=80, blank=True)
    last_name = models.CharField(max_length=80, blank=True)
    role = models.CharField(max_length=10, choices=Role, default=Role.USER)
    account_status = models.CharField(max_length=12, choices=AccountStatus, default=AccountStatus.ACTIVE)
    language = models.CharField(
        "language of our mails", max_length=2, choices=Language, default=Language.ENGLISH
    )
    email_verified = models.BooleanField(default=False)
    is_staff = models.BooleanField("may open the admin", default=False)
    date_joined = models.DateTimeField(default=timezone.now, editable=False)

    objects = UserManager()

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

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

    def holds(self, right: str) -> bool:
        """Whether they may do what `right` names, as in "payment.view_payment". Superusers may do all.

        `is_staff` opens the admin and grants nothing else; a right counts only together with it.
        """
        return self.is_staff and self.has_perm(right)

    @property
    def full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def username(self) -> str:
        """What the frontend greets a person with."""
        return self.full_name or self.email.partition("@")[0]


class Address(models.Model):
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="addresses")
    address_line1 = models.CharField(max_length=200)
    address_line2 = models.CharField(max_length=200, blank=True)
    city = models.CharField(max_length=80)
    state = models.CharField(max_length=80)
    postal_code = models.CharField(max_length=12)
    country = models.CharField(max_length=60, default="India")
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
