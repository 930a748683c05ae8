from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as Invalid
from django.core.validators import MaxLengthValidator
from rest_framework import serializers
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import PHONE, Address, User, plain_phone


class PasswordField(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        style = {"input_type": "password"}
        super().__init__(max_length=128, trim_whitespace=False, write_only=True, style=style, **kwargs)


class RegistrationSerializer(serializers.Serializer):
    """`role` and whatever else a caller would like to be is not read."""

    email = serializers.EmailField(max_length=254)
    phone = serializers.CharField(max_length=24, required=False, allow_null=True, allow_blank=True)
    password = PasswordField()
    password2 = PasswordField()
    first_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    last_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    language = serializers.ChoiceField(User.Language.choices, required=False, default=User.Language.ENGLISH)

    def validate_email(self, email: str) -> str:
        plain = email.lower()
        MaxLengthValidator(254)(plain)  # some letters are two in lower case
        return plain

    def validate_phone(self, phone: str | None) -> str | None:
        plain = plain_phone(phone or "")
        if plain is not None:
            PHONE(plain)
        return plain

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        password = attrs["password"]
        if password != attrs.pop("password2"):
            raise serializers.ValidationError({"password2": ["The passwords do not match."]})
        names = {"first_name": attrs["first_name"], "last_name": attrs["last_name"]}
        try:
            validate_password(password, User(email=attrs["email"], **names))
        except Invalid as error:
            raise serializers.ValidationError({"password": error.messages}) from error
        return attrs


class LoginSerializer(serializers.Serializer):
    email = serializers.CharField(max_length=254)
    password = PasswordField()


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=4000)


class SessionSerializer(serializers.Serializer):
    access = serializers.CharField(source="access_token")
    refresh = serializers.CharField(source="*")


class PersonSerializer(serializers.ModelSerializer):
    """A person as a booking or a payment shows its owner."""

    full_name = serializers.CharField(read_only=True)
    username = serializers.CharField(read_only=True)

    class Meta:
        model = User
        fields = ("id", "email", "username", "full_name", "phone")


class AccountSerializer(PersonSerializer):
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
        """The frontend reads it; we keep no pictures."""
        return None


class ProfileSerializer(serializers.ModelSerializer):
    """What a person may change about himself by himself."""

    class Meta:
        model = User
        fields = ("first_name", "last_name", "language")

    def update(self, user: User, fields: dict[str, Any]) -> User:
        """Writes what came and nothing else: the account may have been suspended since it was read."""
        for name, value in fields.items():
            setattr(user, name, value)
        user.save(update_fields=[*fields])
        return user


class LoginAnswerSerializer(serializers.Serializer):
    """A session and whose it is, side by side as the frontend reads them."""

    def to_representation(self, answer: tuple[User, RefreshToken]) -> dict[str, Any]:
        user, session = answer
        return {**SessionSerializer(session).data, **AccountSerializer(user).data}


class AddressSerializer(serializers.ModelSerializer):
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

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        country = attrs.get("country", self.instance.country if self.instance else "India")
        code = attrs.get("postal_code", self.instance.postal_code if self.instance else "")
        if country.lower() == "india" and not (code.isascii() and code.isdigit() and len(code) == 6):
            raise serializers.ValidationError({"postal_code": ["Give the PIN code as six digits."]})
        return attrs
