from datetime import timedelta

from django.utils import timezone
from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import RefreshToken, Token

from accounts.models import User

# Two tabs of one browser refresh with the same token at the same moment.
ROTATION_GRACE = timedelta(seconds=10)
SESSION_ENDED = "Your session has ended. Please log in again."


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

    def check_blacklist(self) -> None:
        blacklisted = BlacklistedToken.objects.filter(token__jti=self.get("jti"))
        if blacklisted.filter(blacklisted_at__lt=timezone.now() - ROTATION_GRACE).exists():
            raise TokenError("This token has been used before.")

    def end(self) -> None:
        """Worthless at once: a person who logs out gets no grace."""
        self.blacklist()
        long_ago = timezone.now() - 2 * ROTATION_GRACE
        BlacklistedToken.objects.filter(token__jti=self["jti"]).update(blacklisted_at=long_ago)
