from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import Token

from accounts.models import User
from accounts.sessions import SESSION_ENDED, session_of


class ActiveUserAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access>` of a live session of an ACTIVE account; 401 for every other one."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
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


class BearerScheme(SimpleJWTScheme):
    """How the API documentation describes it; registered by being defined."""

    target_class = ActiveUserAuthentication  # type: ignore[assignment]
