"""Who may use the control API: callers from this machine, and callers with the ops token.

A program sends the token in a header. A browser sends it once in a form and then keeps a signed cookie.
"""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

COOKIE = "simulator_operator"
COOKIE_SECONDS = 12 * 60 * 60  # the browser drops it earlier, when it is closed


def may_control(request: HttpRequest) -> bool:
    """Behind a proxy every caller seems to be local; then only the token counts."""
    if is_ops_token(request.headers.get("X-Ops-Token", "")):
        return True
    is_cross_site = request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    try:
        is_local = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        is_local = False
    return settings.NUM_PROXIES == 0 and is_local and not is_cross_site


def is_ops_token(offered: str) -> bool:
    return bool(settings.OPS_TOKEN) and constant_time_compare(offered, settings.OPS_TOKEN)


def is_signed_in(request: HttpRequest) -> bool:
    offered = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=COOKIE_SECONDS)
    return bool(settings.OPS_TOKEN) and constant_time_compare(str(offered), _cookie_value())


def set_cookie(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    response.set_signed_cookie(
        COOKIE,
        _cookie_value(),
        salt=COOKIE,
        path="/simulator",
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
    return response


def _cookie_value() -> str:
    """A digest of the token, because a cookie can be read in the browser. A new token makes it invalid."""
    return salted_hmac(COOKIE, settings.OPS_TOKEN).hexdigest()
