from datetime import timedelta
from typing import Any

import jwt
from django.utils import timezone
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from accounts.models import User

# Two tabs of one browser refresh with the same token at the same moment.
ROTATION_GRACE = timedelta(seconds=10)
SESSION_ENDED = "Your session has ended. Please log in again."


class SteppedClockBackend(TokenBackend):
    """A token that was issued in the future is ours all the same: the clock has been set back since."""

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        try:
            return super().decode(token, verify)
        except TokenBackendError as error:
            if not isinstance(error.__cause__, jwt.ImmatureSignatureError):
                raise
        return jwt.decode(
            token,
            self.get_verifying_key(token),
            algorithms=[self.algorithm],
            options={"verify_iat": False, "verify_aud": False, "verify_signature": verify},
        )


backend = SteppedClockBackend(api_settings.ALGORITHM, api_settings.SIGNING_KEY)


class SessionAccess(AccessToken):
    """What `Authorization: Bearer` carries."""

    def get_token_backend(self) -> TokenBackend:
        return backend


class ActiveUserAuthentication(JWTAuthentication):
    """`Authorization: Bearer <access>` of an ACTIVE account. Everything else that claims to be one is 401."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:  # type: ignore[override]
        try:
            return super().authenticate(request)  # type: ignore[return-value]
        except AuthenticationFailed as error:
            if isinstance(error.detail, dict) and error.detail.get("code") == "user_inactive":
                raise AuthenticationFailed("This account is not active.", "account_not_active") from error
            raise AuthenticationFailed(SESSION_ENDED, "token_not_valid") from error


class BearerScheme(SimpleJWTScheme):
    """How the API documentation describes it; registered by being defined."""

    target_class = ActiveUserAuthentication  # type: ignore[assignment]


class SessionToken(RefreshToken):
    """A refresh token that may be shown again for ROTATION_GRACE after it was rotated."""

    def get_token_backend(self) -> TokenBackend:
        return backend

    def check_blacklist(self) -> None:
        blacklisted = BlacklistedToken.objects.filter(token__jti=self.get("jti"))
        now = timezone.now()
        graced = {"blacklisted_at__gte": now - ROTATION_GRACE, "blacklisted_at__lte": now + ROTATION_GRACE}
        if blacklisted.exclude(**graced).exists():
            raise TokenError("This token has been used before.")

    def end(self) -> None:
        """Worthless at once: a person who logs out gets no grace."""
        self.blacklist()
        long_ago = timezone.now() - 2 * ROTATION_GRACE
        BlacklistedToken.objects.filter(token__jti=self["jti"]).update(blacklisted_at=long_ago)
