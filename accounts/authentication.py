from typing import Any

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from accounts.api_keys import BEGINNING, find_key
from accounts.models import ApiKey, User
from accounts.sessions import SESSION_ENDED, session_of


class KeyInvalid(AuthenticationFailed):
    default_code = "api_key_invalid"
    default_detail = "This API key is unknown, expired or revoked."


class KeyNotHere(AuthenticationFailed):
    default_code = "api_key_not_here"
    default_detail = "An API key opens /api/server/ only."


class ActiveUserAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access>` of a live session of an ACTIVE account; 401 for every other one."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
        if key_in(request):
            raise KeyNotHere
        try:
            return super().authenticate(request)  # type: ignore[return-value]
        except AuthenticationFailed as error:
            if error.get_codes() == "account_not_active":
                raise
            raise AuthenticationFailed(SESSION_ENDED, "token_not_valid") from error

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        session = session_of(validated_token)
        if session is None:
            raise AuthenticationFailed(SESSION_ENDED, "token_not_valid")
        if not session.user.is_active:
            raise AuthenticationFailed("This account is not active.", "account_not_active")
        return session.user


class OptionalAuthentication(ActiveUserAuthentication):
    """For public routes on which staff see or do more: a stale token counts as no token, and is not answered with 401.

    Reading stays free of the jump to the login; what needs a right is refused by its permission.
    """

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
        try:
            return super().authenticate(request)
        except AuthenticationFailed:
            return None


class BearerScheme(SimpleJWTScheme):
    """How the API documentation describes it; registered by being defined."""

    target_class = ActiveUserAuthentication  # type: ignore[assignment]


class OptionalBearerScheme(BearerScheme):
    """The same to a reader: okpuja.openapi makes one of all."""

    name = "optionalJwtAuth"
    target_class = OptionalAuthentication


def key_in(request: Request) -> str:
    """The API key of `Authorization: Bearer okp_…`, else ""."""
    kind, _, raw = request.headers.get("Authorization", "").strip().partition(" ")
    return raw.strip() if kind.lower() == "bearer" and raw.strip().startswith(BEGINNING) else ""


class ApiKeyAuthentication(BaseAuthentication):
    """Of the routes for servers, which no login opens. Only a view that names this class is opened by a key."""

    def authenticate(self, request: Request) -> tuple[ApiKey, ApiKey] | None:
        raw = key_in(request)
        if not raw:
            return None
        key = find_key(raw)
        if key is None:
            raise KeyInvalid
        return key, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class ApiKeyScheme(OpenApiAuthenticationExtension):
    target_class = ApiKeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "okp_…",
            "description": "An API key of a server of the business (docs/server-api.md). It opens /api/server/ only.",
        }
