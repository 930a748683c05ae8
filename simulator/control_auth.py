"""Who may pull the strings: whoever sits at this machine, and whoever knows the ops token.

A program says the token in a header. A browser cannot; it says it once in a form and keeps a cookie that proves it.
"""

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac

COOKIE = "simulator_operator"
LASTS = 12 * 60 * 60  # seconds; the browser forgets it earlier, when it is closed


def may_control(request: HttpRequest) -> bool:
    """Behind a proxy everybody seems to sit at this machine, and then the token decides."""
    if knows_token(request.headers.get("X-Ops-Token", "")):
        return True
    from_elsewhere = request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    near = _is_loopback(request.META.get("REMOTE_ADDR", ""))
    return settings.NUM_PROXIES == 0 and near and not from_elsewhere


def knows_token(offered: str) -> bool:
    return bool(settings.OPS_TOKEN) and constant_time_compare(offered, settings.OPS_TOKEN)


def is_signed_in(request: HttpRequest) -> bool:
    offered = request.get_signed_cookie(COOKIE, default="", salt=COOKIE, max_age=LASTS)
    return bool(settings.OPS_TOKEN) and constant_time_compare(str(offered), _proof())


def remember(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    response.set_signed_cookie(
        COOKIE,
        _proof(),
        salt=COOKIE,
        path="/simulator",
        secure=request.is_secure(),
        httponly=True,
        samesite="Strict",
    )
    return response


def _proof() -> str:
    """Of the token, not the token: a cookie can be read by whoever has the browser. Another token ends it."""
    return salted_hmac(COOKIE, settings.OPS_TOKEN).hexdigest()


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
