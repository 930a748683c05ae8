"""Who is signed in to the pages. Apart from the login to the admin, which a one-time code must not open, and apart from
the tokens of the API."""

from django.http import HttpRequest
from django.middleware.csrf import rotate_token
from django.utils.crypto import constant_time_compare

from accounts.models import User

USER, USER_HASH = "shop_user", "shop_user_hash"
# What a visitor has typed before we knew who they are, the address that waits for its code, and where they go then.
DRAFT, CODE_EMAIL, NEXT = "shop_draft", "shop_code_email", "shop_next"


def sign_in(request: HttpRequest, user: User) -> None:
    """The session gets a new key, so that one that somebody had planted is worth nothing. What was typed
    before, by whomever, ends here."""
    request.session.cycle_key()
    for key in (DRAFT, CODE_EMAIL, NEXT):
        request.session.pop(key, None)
    request.session[USER] = user.pk
    request.session[USER_HASH] = user.get_session_auth_hash()
    rotate_token(request)


def sign_out(request: HttpRequest) -> None:
    for key in (USER, USER_HASH, DRAFT, CODE_EMAIL, NEXT):
        request.session.pop(key, None)
    request.session.cycle_key()


def customer_of(request: HttpRequest) -> User | None:
    """Ended by whatever ends the other sessions of the person: a new password, *log out everywhere*, a suspension."""
    user_id = request.session.get(USER)
    user = User.objects.filter(pk=user_id).first() if user_id else None
    if user is None or not user.is_active:
        return None
    is_same = constant_time_compare(request.session.get(USER_HASH, ""), user.get_session_auth_hash())
    return user if is_same else None
