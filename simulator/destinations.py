"""Where webhooks and customers may be sent. The caller of the API names addresses, so they must lead to the shop."""

import re
from urllib.parse import urlsplit

from django.conf import settings

from simulator.control_auth import is_loopback

# Programs do not agree on what these mean in an address.
AMBIGUOUS = re.compile(r"[\x00-\x20\x7f\\]")
PORTS = {"http": 80, "https": 443}


def is_allowed(url: str) -> bool:
    """Inside a site: its own addresses only. In a process of its own: this machine, and the hosts of `--allow-host`."""
    origin = _origin(url)
    if origin is None:
        return False
    hosts = getattr(settings, "SIMULATOR_ALLOWED_HOSTS", None)
    if hosts is not None:
        host = origin[1]
        return host in hosts or host == "localhost" or is_loopback(host)
    own = (settings.PUBLIC_BASE_URL, getattr(settings, "FRONTEND_BASE_URL", ""))
    return origin in map(_origin, own)


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port; None for what is no plain address of the web."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if AMBIGUOUS.search(url) or parts.scheme not in PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or PORTS[parts.scheme]
