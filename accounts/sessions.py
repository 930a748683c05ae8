"""Sessions: one row per login, asked on every request. Ended, its access and refresh tokens are worthless at once.

A refresh token is good for one rotation. Its successor is derived from it, so that two tabs which refresh at the same
moment get the same one. A token that was replaced longer than ROTATION_GRACE ago was copied by somebody: the whole
session ends. The row keeps digests of the tokens' ids, and no token can be made from them.
"""

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.known_networks import remember_network
from accounts.models import Session, User
from accounts.second_factor import device_of

# The names of `session_ends` are known from here, too.
from accounts.session_ends import KEPT, end, end_all, expired_admin_sessions, over, purge_admin  # noqa: F401
from core.compiled import CompiledRead
from core.networks import UNKNOWN, network_of
from core.texts import one_line

logger = logging.getLogger(__name__)

# Two tabs of one browser refresh with the same token at the same moment.
ROTATION_GRACE = timedelta(seconds=10)
SESSION_ENDED = "Your session has ended. Please log in again."
SESSION_CLAIM = "sid"
NO_SESSION = UUID(int=0)


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


class SessionRefresh(Token):
    """What a browser keeps to get the next access token. Not simplejwt's class, which stores it readable."""

    token_type = "refresh"  # noqa: S105 - a kind of token
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME

    def get_token_backend(self) -> TokenBackend:
        return backend


@dataclass(frozen=True)
class SessionTokens:
    access: str
    refresh: str


def open_session(user: User, *, user_agent: str = "", address: str = "") -> SessionTokens:
    """A login. What the client says about itself is kept short; `address` is of `core.networks`."""
    now, token_id = timezone.now(), uuid4().hex
    session = Session.objects.create(
        user=user,
        refresh_digest=_digest(token_id),
        user_hash=user.get_session_auth_hash(),
        has_second_factor=not user.is_customer and device_of(user) is not None,  # its code was asked for
        user_agent=one_line(user_agent)[:150],
        network=network_of(address),
        created_at=now,
        last_used_at=now,
        expires_at=_expiry(now, now),
    )
    return _tokens(session, token_id)


def session_of(token: Token) -> Session | None:
    """The live session of an access token, with its user, in one query. None when it is over."""
    session = _sessions_with_user.first(_key(token.get(SESSION_CLAIM)))
    return session if session is not None and _is_live(session, timezone.now()) else None


@CompiledRead
def _sessions_with_user(key: UUID) -> QuerySet[Session]:
    return Session.objects.select_related("user").filter(key=key)


def rotate(raw: str, *, address: str = UNKNOWN) -> SessionTokens:
    """New tokens for a refresh token; the network of `address`, the caller's, is known. Raises AuthenticationFailed."""
    try:
        token = SessionRefresh(raw)  # type: ignore[arg-type]
    except TokenError as error:
        raise AuthenticationFailed(SESSION_ENDED) from error
    with transaction.atomic():  # whatever ends it is written, too: nothing is raised in here
        session = _locked(token)
        successor = _successor(session, token[api_settings.JTI_CLAIM]) if session else None
    if session is None or successor is None:
        raise AuthenticationFailed(SESSION_ENDED)
    remember_network(session.user.email, address)
    return _tokens(session, successor)


def log_out(raw: str) -> None:
    """Ends the session of a refresh token, also of an earlier one. Twice is once."""
    try:
        token = SessionRefresh(raw)  # type: ignore[arg-type]
    except TokenError:
        return
    end(Session.objects.filter(key=_key_of_refresh(token)), Session.EndedBecause.LOGOUT)


def _expiry(created_at: datetime, last_used_at: datetime) -> datetime:
    idle = last_used_at + timedelta(days=settings.SESSION_IDLE_DAYS)
    return min(idle, created_at + timedelta(days=settings.SESSION_LONGEST_DAYS))


def _is_live(session: Session, now: datetime) -> bool:
    """False also after a change of password, role or rights, wherever it was made, and where STAFF_SECOND_FACTOR asks
    for what this login has not shown."""
    if session.ended_at or session.expires_at <= now:
        return False
    if settings.STAFF_SECOND_FACTOR and not (session.has_second_factor or session.user.is_customer):
        return False
    return constant_time_compare(session.user_hash, session.user.get_session_auth_hash())


def _locked(token: Token) -> Session | None:
    return Session.objects.select_for_update(no_key=True).filter(key=_key_of_refresh(token)).first()


def _successor(session: Session, token_id: str) -> str | None:
    """The id of the next refresh token, written into the row; None when there is none."""
    now, digest = timezone.now(), _digest(token_id)
    if session.ended_at:
        return None
    if not _is_live(session, now) or not session.user.is_active:
        end(Session.objects.filter(pk=session.pk), Session.EndedBecause.ACCOUNT)
        return None
    successor = salted_hmac("accounts.sessions.successor", token_id, algorithm="sha256").hexdigest()[:32]
    if digest == session.refresh_digest:
        session.previous_digest, session.refresh_digest = digest, _digest(successor)
        session.rotated_at = session.last_used_at = now
        session.expires_at = _expiry(session.created_at, now)
        session.save()
        return successor
    rotated_at = session.rotated_at or now
    if digest == session.previous_digest and abs(now - rotated_at) <= ROTATION_GRACE:
        return successor
    logger.warning("a refresh token was used twice", extra={"session": session.pk, "user": session.user_id})
    end(Session.objects.filter(pk=session.pk), Session.EndedBecause.REUSE)
    return None


def _tokens(session: Session, token_id: str) -> SessionTokens:
    """Made of the row alone, so that the same row and id give the same refresh token."""
    refresh, access = SessionRefresh(), SessionAccess()
    refresh[api_settings.JTI_CLAIM] = token_id
    refresh.set_iat(at_time=session.last_used_at)
    refresh.set_exp(from_time=session.expires_at, lifetime=timedelta())
    access.set_exp(
        from_time=min(timezone.now() + api_settings.ACCESS_TOKEN_LIFETIME, session.expires_at),
        lifetime=timedelta(),
    )
    for token in (refresh, access):
        token[SESSION_CLAIM] = session.key.hex
        token[api_settings.USER_ID_CLAIM] = str(session.user_id)
    return SessionTokens(access=str(access), refresh=str(refresh))


def _key_of_refresh(token: Token) -> UUID:
    """Tokens of before there were sessions name none: the upgrade made one of each, under the token's own id."""
    return _key(token.get(SESSION_CLAIM, token[api_settings.JTI_CLAIM]))


def _key(claim: Any) -> UUID:
    try:
        return UUID(str(claim))
    except ValueError:
        return NO_SESSION


def _digest(token_id: str) -> str:
    return hashlib.sha256(token_id.encode()).hexdigest()
