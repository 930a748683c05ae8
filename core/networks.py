"""Who sent a request: the one place that decides whether `X-Forwarded-For` counts."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

NAT64 = ip_network("64:ff9b::/96")  # RFC 6052
IPV6_PREFIX = 64  # what one customer of a provider has: single addresses in it cost nothing
UNKNOWN = "unknown"


def client_address(request: HttpRequest) -> str:
    """The address of the caller: what the outermost of NUM_PROXIES proxies saw, else the other end of the connection.

    With NUM_PROXIES=0 the header is not read: anybody can write it. "unknown" for what is no address.
    """
    forwarded = [each.strip() for each in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    address = str(request.META.get("REMOTE_ADDR", ""))
    if settings.NUM_PROXIES and forwarded[-1]:
        address = forwarded[-min(settings.NUM_PROXIES, len(forwarded))]
    return _read_address(address) or UNKNOWN


def client_network(request: HttpRequest) -> str:
    """The network of the caller, "" when it is not known."""
    address = client_address(request)
    return "" if address == UNKNOWN else network_of(address)


def network_of(address: str) -> str:
    """What is counted as one caller: an IPv4 address, the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    return str(ip_network(f"{address}/{IPV6_PREFIX}", strict=False))


def _read_address(text: str) -> str:
    """Without port, brackets and zone, and IPv4 as such where it is written as IPv6; "" when it is no address."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return ""
    return str(_ipv4_inside(address) or address)


def _ipv4_inside(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 host that an IPv6 address is made of: one has all of its 6to4 network, all share that of NAT64."""
    if isinstance(address, IPv4Address):
        return None
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
