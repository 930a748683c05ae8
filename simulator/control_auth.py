"""Who may use the control API: callers from this machine, and callers with the ops token.

A program sends the token in a header. A browser sends it once in a form and then keeps a signed cookie.
"""

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.module_loading import import_string

COOKIE = "simulator_operator"
COOKIE_SECONDS = 12 * 60 * 60  # the browser drops it earlier, when it is closed
# What proxies, load balancers and CDNs add to a request. With one of these the caller may be anybody.
FORWARDING = re.compile(
    r"HTTP_(.*(FORWARD|PROXY|ENVOY|CLUSTER)|(.*_)?VIA$|(.*_)?ORIGINAL_|(X_)?ORIGINATING_"
    r"|.*(REAL|CLIENT|CONNECTING|REMOTE|CALLER|USER|SOURCE|PEER)_?(IP|ADDR|ADDRESS|HOST)(_|$)"
    r"|CDN_LOOP|X_(HOST|SCHEME|SSL|PROTO)|X_(AMZN|AMZ|AZURE|APPENGINE|VERCEL|AKAMAI|CLOUD|ARR|ORIGIN|EDGE)_"
    r"|(CF|FLY|FASTLY|AKAMAI|CLOUDFRONT|CDN|TRUE|INCAP|X_SUCURI|FRONT_END)_)"
)


def may_control(request: HttpRequest) -> bool:
    return is_ops_token(request, request.headers.get("X-Ops-Token", "")) or is_near(request)


def is_near(request: HttpRequest) -> bool:
    """Whether a program or a person on this machine calls, directly.

    A proxy on this machine makes every caller look local: its headers tell. A foreign page whose name leads to this
    machine (DNS rebinding) has its own name as host; other foreign pages are told apart by what browsers send.
    """
    if settings.NUM_PROXIES or any(FORWARDING.match(name) for name in request.META):
        return False
    host = request.META.get("HTTP_HOST") or request.META.get("SERVER_NAME", "")
    origin = request.headers.get("Origin", "")
    is_own_page = request.headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"} and (
        not origin or urlsplit(origin).netloc == host
    )
    return is_loopback(request.META.get("REMOTE_ADDR", "")) and _is_local_name(host) and is_own_page


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_local_name(host: str) -> bool:
    """A name without a dot cannot belong to a site on the web."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    return is_loopback(name) or name.endswith(".localhost") or bool(name and not re.search(r"[.:]", name))


def is_ops_token(request: HttpRequest, offered: str) -> bool:
    """The shop names a function that also counts guesses. A process of its own has no place to count them in."""
    if check := getattr(settings, "OPS_TOKEN_CHECK", ""):
        return bool(import_string(check)(request, offered))
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
