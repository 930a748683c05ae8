"""Where to knock: every address of PhonePe that the settings name, and those that something is compared with."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from django.conf import settings

from payment.phonepe.credentials import ENVIRONMENT_OF_HOST, Endpoint, Merchant
from payment.phonepe.enums import Generation, Stage

PHONEPE = ".phonepe.com"
ENVIRONMENTS = {"UAT", "PRODUCTION"}
# The layers of one knock, and the stage of the wire that proves each.
PROOF = {
    "dns": Stage.RESOLVED,
    "tcp": Stage.CONNECTED,
    "proxy": Stage.PROXIED,
    "tls": Stage.TLS,
    "http": Stage.HEADERS,
}


class Role(enum.Enum):
    API = "payments"
    TOKEN = "tokens"  # noqa: S105 - a word, not a secret
    PAGE = "payment pages"
    CONTROL = "control"
    SIBLING = "PhonePe's other environment"


@dataclass(frozen=True)
class Door:
    """One address and one way to it. `proxy` may carry a login and is never shown.

    `gives_tokens`: it is a door for payments, and tokens are to be had there too.
    """

    role: Role
    url: str
    proxy: str | None = field(default=None, repr=False)
    gives_tokens: bool = field(default=False, compare=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return _port(self.url)

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def first_hop(self) -> tuple[str, int]:
        """Whom we connect to: the proxy, if there is one."""
        address = self.proxy or self.url
        return urlsplit(address).hostname or "", _port(address)

    @property
    def way(self) -> str:
        if self.proxy is None:
            return "directly"
        host, port = self.first_hop
        return f"through the proxy {host}:{port}"

    @property
    def name(self) -> str:
        """For everyone to read: PhonePe's own host names, and nothing about our network. (Controls are told to few.)"""
        is_known = self.is_phonepe or self.role is Role.CONTROL
        shown = self.host if is_known else "configured address"
        return shown if self.proxy is None else f"{shown} (proxy)"

    @property
    def is_phonepe(self) -> bool:
        return self.host.endswith(PHONEPE)

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")

    def leads_to(self, role: Role) -> bool:
        return self.role is role or (role is Role.TOKEN and self.gives_tokens)

    @property
    def layers(self) -> tuple[str, ...]:
        needless = {"proxy"} if self.proxy is None or not self.is_tls else set()
        return tuple(layer for layer in PROOF if layer not in needless and (self.is_tls or layer != "tls"))


def doors(merchant: Merchant) -> tuple[Door, ...]:
    """PhonePe's doors, in the order payments use them."""
    found = [
        door for endpoint in merchant.endpoints for door in _doors(endpoint, merchant.identity.generation)
    ]
    return tuple(dict.fromkeys(found))


def controls(phonepe: Iterable[Door]) -> tuple[Door, ...]:
    """Hosts that have nothing to do with PhonePe, once for each way out that payments take."""
    ways = dict.fromkeys(door.proxy for door in phonepe)
    return tuple(Door(Role.CONTROL, url, proxy) for proxy in ways for url in settings.DIAGNOSIS_CONTROL_URLS)


def siblings(phonepe: Iterable[Door]) -> tuple[Door, ...]:
    """PhonePe's other environment: knocked at, never asked. Both shut at once is hardly an outage of PhonePe."""
    known = {host for host, environment in ENVIRONMENT_OF_HOST.items() if environment in ENVIRONMENTS}
    ours = [door for door in phonepe if door.is_phonepe]
    others = sorted(known - {door.host for door in ours})
    ways = dict.fromkeys(door.proxy for door in ours)
    return tuple(Door(Role.SIBLING, f"https://{host}", proxy) for proxy in ways for host in others)


def is_in_process(merchant: Merchant) -> bool:
    """The simulated PhonePe lives in this process: there is no network to knock at."""
    return merchant.endpoints[0].base_url.startswith(settings.SIMULATOR_ORIGIN)


def _doors(endpoint: Endpoint, generation: str) -> list[Door]:
    if not endpoint.signs:
        return [Door(Role.PAGE, endpoint.base_url, endpoint.proxy)]
    api = Door(Role.API, endpoint.base_url, endpoint.proxy)
    token = Door(Role.TOKEN, endpoint.auth_base_url, endpoint.proxy)
    if generation != Generation.V2:
        return [api]
    return [replace(api, gives_tokens=True)] if token.target == api.target else [api, token]


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
