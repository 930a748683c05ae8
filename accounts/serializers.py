from datetime import date
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as Invalid
from django.core.validators import MaxLengthValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework.fields import empty

from accounts import pan_cards, uploads
from accounts.models import BY_MAIL, Address, PanCard, Upload, User, normalize_postal_code
from accounts.phones import UNREADABLE, format_phone, is_blank, normalize_phone, read_phone
from accounts.sessions import SessionTokens
from core import serializers
from core.texts import plain_line, visible_line

REGISTERED = _("Please look into your mailbox: we have written to this address.")
YOUNGEST, OLDEST = 13, 130  # years
CUSTOMERS_ONLY = _("Accounts of staff are made by staff. You can register as a customer.")


class LineField(serializers.CharField):
    """What a person writes and others read, on one line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validators=[plain_line], **kwargs)


class PasswordField(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        style = {"input_type": "password"}
        super().__init__(max_length=128, trim_whitespace=False, write_only=True, style=style, **kwargs)


@extend_schema_field({"type": "string", "nullable": True, "example": "+91 98765 43210"})
class PhoneField(serializers.Field):
    """Reads any spelling, text or number, as E.164, and says what cannot be read. Nothing is None."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_internal_value(self, value: Any) -> str | None:
        if is_blank(value):
            return None
        if (phone := read_phone(value)) is None:
            raise serializers.ValidationError(UNREADABLE)
        return phone

    def to_representation(self, phone: str) -> str | None:
        return format_phone(phone)


class LenientPhoneField(PhoneField):
    """For a payment, which no telephone number may stop: what cannot be read is kept as it was written."""

    def to_internal_value(self, value: Any) -> str:
        return normalize_phone(value)


class BirthdayField(serializers.DateField):
    """An emptied field of a form, "", is no date. Children have no account of their own."""

    def run_validation(self, data: Any = empty) -> date | None:
        born: date | None = super().run_validation(None if data == "" else data)
        return born

    def to_internal_value(self, value: Any) -> date:
        born, today = super().to_internal_value(value), timezone.localdate()
        if born > today:
            raise serializers.ValidationError(_("The date of birth lies in the future."))
        birthdays = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
        if birthdays < YOUNGEST:
            raise serializers.ValidationError(_("You must be at least 13 years old."))
        if birthdays > OLDEST:
            raise serializers.ValidationError(_("Please check the year of the date of birth."))
        return born


class EmployeeSerializer(serializers.Serializer):
    """What the page of employees sends: a name of its own for the code, which it does not need, and no `password2`."""

    email = serializers.EmailField(max_length=254, validators=[visible_line])
    phone = PhoneField(required=False)
    password = PasswordField()
    username = LineField(max_length=100, required=False, allow_blank=True, source="first_name")
    role = serializers.RegexField("^EMPLOYEE$")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in attrs.items() if name != "role"}


class RegistrationSerializer(serializers.Serializer):
    """`role` and the code beside it are sent by the form of the frontend. Nobody becomes staff by it."""

    email = serializers.EmailField(max_length=254, validators=[visible_line])
    phone = PhoneField(required=False)
    password = PasswordField()
    password2 = PasswordField()
    first_name = LineField(max_length=100, required=False, allow_blank=True, default="")
    last_name = LineField(max_length=100, required=False, allow_blank=True, default="")
    language = serializers.ChoiceField(User.Language.choices, required=False, default=User.Language.ENGLISH)
    role = serializers.RegexField("^USER$", required=False, error_messages={"invalid": CUSTOMERS_ONLY})
    employee_registration_code = serializers.CharField(
        max_length=0,
        required=False,
        allow_blank=True,
        allow_null=True,
        error_messages={"max_length": CUSTOMERS_ONLY},
    )

    def validate_email(self, email: str) -> str:
        plain = email.lower()
        MaxLengthValidator(254)(plain)  # some letters are two in lower case
        return plain

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        password = attrs["password"]
        if password != attrs.pop("password2"):
            raise serializers.ValidationError({"password2": [_("The passwords do not match.")]})
        names = {"first_name": attrs["first_name"], "last_name": attrs["last_name"]}
        try:
            validate_password(password, User(email=attrs["email"], **names))
        except Invalid as error:
            raise serializers.ValidationError({"password": error.messages}) from error
        return {
            name: value for name, value in attrs.items() if name not in ("role", "employee_registration_code")
        }


class LoginSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=254)
    password = PasswordField()
    second_factor = serializers.CharField(
        max_length=40,
        required=False,
        allow_blank=True,
        default="",
        help_text="of staff who have one: the code of their app, or a recovery code",
    )


class AddressOfCodesSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=254)


class CodeRequestSerializer(AddressOfCodesSerializer):
    via = serializers.CharField(max_length=16, required=False, default=BY_MAIL)


class CodeSerializer(AddressOfCodesSerializer):
    otp = serializers.CharField(max_length=12)


class PasswordResetSerializer(CodeSerializer):
    new_password = PasswordField()


class PasswordChangeSerializer(serializers.Serializer):
    old_password = PasswordField()
    new_password = PasswordField()


class DetailSerializer(serializers.Serializer):
    """One sentence about what was done."""

    detail = serializers.CharField()


class CodeAnswerSerializer(DetailSerializer):
    """The same sentence under both names that the frontends read."""

    success = serializers.BooleanField()
    message = serializers.CharField()


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=4000)


class SessionSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()


class PersonSerializer(serializers.ModelSerializer):
    """A person as a booking or a payment shows its owner."""

    full_name = serializers.CharField(read_only=True)
    username = serializers.CharField(read_only=True)
    phone = PhoneField(read_only=True)

    class Meta:
        model = User
        fields = ("id", "email", "username", "full_name", "phone")


class AccountSerializer(PersonSerializer):
    email_verified = serializers.BooleanField(read_only=True)
    avatar = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = (
            *PersonSerializer.Meta.fields,
            "first_name",
            "last_name",
            "language",
            "role",
            "account_status",
            "email_verified",
            "avatar",
        )

    def get_avatar(self, user: User) -> str | None:
        """The thumbnail of their picture."""
        return uploads.links(user, Upload.Purpose.PROFILE)[1] if user.pk else None


class StaffPersonSerializer(PersonSerializer):
    """A person in the list of staff. Its page knows INACTIVE, and prints other words as they come."""

    account_status = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = (
            *PersonSerializer.Meta.fields,
            *(
                "first_name",
                "last_name",
                "role",
                "account_status",
                "email_verified",
                "is_active",
                "date_joined",
            ),
        )

    def get_account_status(self, user: User) -> str:
        return "INACTIVE" if user.account_status == User.AccountStatus.DEACTIVATED else user.account_status


class PersonStatusSerializer(serializers.Serializer):
    account_status = serializers.ChoiceField(("ACTIVE", "SUSPENDED"), required=True)


class RegisteredSerializer(AccountSerializer):
    """`id` is null of a person who has no account before their code."""

    id = serializers.IntegerField(read_only=True, allow_null=True)
    success = serializers.BooleanField(default=True, read_only=True)
    message = serializers.CharField(default=REGISTERED, read_only=True)
    detail = serializers.CharField(default=REGISTERED, read_only=True)

    class Meta:
        model = User
        fields = ("success", "message", "detail", *AccountSerializer.Meta.fields)


class ProfileSerializer(AccountSerializer):
    """An account with what only its own page shows."""

    created_at = serializers.DateTimeField(source="date_joined", read_only=True)
    profile_picture = serializers.SerializerMethodField()
    profile_thumbnail = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = (
            *AccountSerializer.Meta.fields,
            *("dob", "profile_picture", "profile_thumbnail", "created_at", "updated_at"),
        )

    def to_representation(self, user: User) -> dict[str, Any]:
        self._links = uploads.links(user, Upload.Purpose.PROFILE)
        return super().to_representation(user)

    def get_profile_picture(self, user: User) -> str | None:
        return self._links[0]

    def get_profile_thumbnail(self, user: User) -> str | None:
        return self._links[1]

    get_avatar = get_profile_thumbnail


class ProfileChangeSerializer(ProfileSerializer):
    """What people may change about themselves, in the whole profile. Null is an empty name."""

    # Signed again at each reading, or made of what may be changed.
    changing_by_itself = frozenset(
        {"avatar", "profile_picture", "profile_thumbnail", "updated_at", "username", "full_name"}
    )

    first_name = LineField(max_length=100, required=False, allow_blank=True, allow_null=True)
    last_name = LineField(max_length=100, required=False, allow_blank=True, allow_null=True)
    dob = BirthdayField(required=False, allow_null=True)
    phone = PhoneField(required=False)

    class Meta:
        model = User
        fields = ProfileSerializer.Meta.fields
        read_only_fields = tuple(
            {*ProfileSerializer.Meta.fields} - {"first_name", "last_name", "dob", "phone", "language"}
        )

    def validate_first_name(self, name: str | None) -> str:
        return name or ""

    validate_last_name = validate_first_name

    def update(self, user: User, fields: dict[str, Any]) -> User:
        """Writes what came and nothing else: the account may have been suspended since it was read."""
        fields = {**fields, "updated_at": timezone.now()}
        if fields.get("phone", user.phone) != user.phone:
            fields["phone_confirmed_at"] = None  # that was another phone
        for name, value in fields.items():
            setattr(user, name, value)
        user.save(update_fields=[*fields])
        return user


class PictureSerializer(serializers.Serializer):
    profile_picture = serializers.FileField(allow_empty_file=True, max_length=255)


class PanCardChangeSerializer(serializers.Serializer):
    """A picture of the card may come along, as multipart."""

    pan_number = serializers.CharField(max_length=20)
    pan_card_image = serializers.FileField(required=False, allow_empty_file=True, max_length=255)


class PanCardSerializer(serializers.ModelSerializer):
    """The number is masked, in the shape of a number: `pan_cards.mask`."""

    pan_number = serializers.SerializerMethodField()
    pan_card_image_url = serializers.SerializerMethodField()

    class Meta:
        model = PanCard
        fields = ("pan_number", "is_verified", "pan_card_image_url", "updated_at")

    def get_pan_number(self, card: PanCard) -> str:
        return pan_cards.mask(pan_cards.number_of(card))

    def get_pan_card_image_url(self, card: PanCard) -> str | None:
        return uploads.links(card.user, Upload.Purpose.PAN_CARD)[0]


class LoginAnswerSerializer(AccountSerializer):
    """A session and whose it is, side by side as the frontend reads them."""

    access = serializers.CharField(read_only=True)
    refresh = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = ("access", "refresh", *AccountSerializer.Meta.fields)

    def to_representation(self, answer: tuple[User, SessionTokens]) -> dict[str, Any]:
        user, tokens = answer
        return {**SessionSerializer(tokens).data, **AccountSerializer(user).data}


class NotLoggedInSerializer(serializers.Serializer):
    """In place of a session, with 200 as well: the password is right, and the account is not ACTIVE."""

    success = serializers.BooleanField(help_text="false")
    email = serializers.CharField()
    account_status = serializers.ChoiceField(choices=User.AccountStatus.choices)
    access = serializers.CharField(allow_null=True, help_text="null")
    refresh = serializers.CharField(allow_null=True, help_text="null")
    code = serializers.CharField(help_text="email_not_confirmed or account_not_active")
    message = serializers.CharField()


class AddressSerializer(serializers.ModelSerializer):
    address_line2 = LineField(max_length=255, required=False, allow_blank=True, allow_null=True)
    postal_code = LineField(max_length=32)  # as it is written; the row keeps at most twelve

    class Meta:
        model = Address
        fields = (
            "id",
            "address_line1",
            "address_line2",
            "city",
            "state",
            "postal_code",
            "country",
            "is_default",
            "created_at",
            "updated_at",
        )

    def validate_address_line2(self, line: str | None) -> str:
        return line or ""

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not {"postal_code", "country"} & attrs.keys():
            return attrs
        country = attrs.get("country", self.instance.country if self.instance else "India")
        code = attrs.get("postal_code", self.instance.postal_code if self.instance else "")
        try:
            plain = normalize_postal_code(code, country)
            MaxLengthValidator(Address._meta.get_field("postal_code").max_length)(plain)
        except Invalid as error:
            raise serializers.ValidationError({"postal_code": error.messages}) from error
        return attrs | {"postal_code": plain}
