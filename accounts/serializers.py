from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as Invalid
from rest_framework import serializers
from rest_framework_simplejwt.tokens import RefreshToken

from accounts.models import PHONE, Address, User, plain_phone

PASSWORD = {
    "max_length": 128,
    "trim_whitespace": False,
    "write_only": True,
    "style": {"input_type": "password"},
}


class PhoneField(serializers.CharField):
    """Any spelling of a number in, one spelling out; empty is none."""

    def to_internal_value(self, data: Any) -> str | None:  # type: ignore[override]
        return plain_phone(super().to_internal_value(data))

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if data in (None, ""):
            return None
        phone = super().run_validation(data)
        if phone is not None:
            PHONE(phone)
        return phone


class RegistrationSerializer(serializers.Serializer):
    """`role` and whatever else a caller would like to be is not read."""

    email = serializers.EmailField(max_length=254)
    phone = PhoneField(max_length=24, required=False, allow_null=True, allow_blank=True, default=None)
    password = serializers.CharField(**PASSWORD)
    password2 = serializers.CharField(**PASSWORD)
    first_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    last_name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")

    def validate_email(self, email: str) -> str:
        return email.lower()

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
    password = serializers.CharField(**PASSWORD)


class RefreshSerializer(serializers.Serializer):
    refresh = serializers.CharField(max_length=4000)


class SessionSerializer(serializers.Serializer):
    access = serializers.CharField()
    refresh = serializers.CharField()

    def to_representation(self, session: RefreshToken) -> dict[str, str]:
        return {"access": str(session.access_token), "refresh": str(session)}


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
            "role",
            "account_status",
            "email_verified",
            "avatar",
        )

    def get_avatar(self, user: User) -> str | None:
        """The frontend reads it; we keep no pictures."""
        return None


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
