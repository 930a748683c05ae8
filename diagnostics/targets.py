"""What is probed: every PhonePe address in the settings, and the hosts that results are compared with."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from django.conf import settings

from payment.phonepe.credentials import ENVIRONMENT_OF_HOST, Merchant
from payment.phonepe.enums import Generation, Stage

PHONEPE = ".phonepe.com"
ENVIRONMENTS = {"UAT", "PRODUCTION"}
# The layers of one probe, and the stage of the connection that proves each.
STAGE_OF_LAYER = {
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
class Target:
    """One URL and one route to it. `proxy` may carry a login and is never shown.

    `issues_tokens`: the address takes payments and issues access tokens too.
    """

    role: Role
    url: str
    proxy: str | None = field(default=None, repr=False)
    issues_tokens: bool = field(default=False, compare=False)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return _port(self.url)

    @property
    def host_port(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def peer(self) -> tuple[str, int]:
        """Host and port that the socket connects to: the proxy, if there is one."""
        address = self.proxy or self.url
        return urlsplit(address).hostname or "", _port(address)

    @property
    def route(self) -> str:
        if self.proxy is None:
            return "directly"
        host, port = self.peer
        return f"through the proxy {host}:{port}"

    @property
    def public_name(self) -> str:
        """For everyone: PhonePe's own host names, nothing about our network. Only operators see control hosts."""
        is_public = self.is_phonepe or self.role is Role.CONTROL
        name = self.host if is_public else "configured address"
        return name if self.proxy is None else f"{name} (proxy)"

    @property
    def is_phonepe(self) -> bool:
        return self.host.endswith(PHONEPE)

    @property
    def is_tls(self) -> bool:
        return self.url.startswith("https:")

    @property
    def has_tunnel(self) -> bool:
        """The proxy opens a tunnel by CONNECT."""
        return self.proxy is not None and self.is_tls

    @property
    def layers(self) -> tuple[str, ...]:
        absent = {layer for layer, used in (("proxy", self.has_tunnel), ("tls", self.is_tls)) if not used}
        return tuple(layer for layer in STAGE_OF_LAYER if layer not in absent)

    def serves(self, role: Role) -> bool:
        return self.role is role or (role is Role.TOKEN and self.issues_tokens)


def phonepe_targets(merchant: Merchant) -> tuple[Target, ...]:
    """PhonePe's addresses, in the order in which payments use them."""
    targets = []
    for endpoint in merchant.endpoints:
        if not endpoint.signs:
            targets.append(Target(Role.PAGE, endpoint.base_url, endpoint.proxy))
            continue
        api = Target(Role.API, endpoint.base_url, endpoint.proxy)
        token = Target(Role.TOKEN, endpoint.auth_base_url, endpoint.proxy)
        if merchant.identity.generation != Generation.V2:
            targets.append(api)
        elif token.host_port == api.host_port:
            targets.append(replace(api, issues_tokens=True))
        else:
            targets += [api, token]
    return tuple(dict.fromkeys(targets))


def control_targets(phonepe: Iterable[Target]) -> tuple[Target, ...]:
    """Hosts unrelated to PhonePe, once for each route that payments take."""
    proxies = dict.fromkeys(target.proxy for target in phonepe)
    return tuple(
        Target(Role.CONTROL, url, proxy) for proxy in proxies for url in settings.DIAGNOSIS_CONTROL_URLS
    )


def sibling_targets(phonepe: Iterable[Target]) -> tuple[Target, ...]:
    """PhonePe's other environment. It is probed and gets no API request.

    Both environments down at the same time is hardly an outage of PhonePe.
    """
    hosts = {host for host, environment in ENVIRONMENT_OF_HOST.items() if environment in ENVIRONMENTS}
    configured = [target for target in phonepe if target.is_phonepe]
    others = sorted(hosts - {target.host for target in configured})
    proxies = dict.fromkeys(target.proxy for target in configured)
    return tuple(Target(Role.SIBLING, f"https://{host}", proxy) for proxy in proxies for host in others)


def is_in_process(merchant: Merchant) -> bool:
    """The simulated PhonePe runs inside this process: there is no network to probe."""
    return merchant.endpoints[0].base_url.startswith(settings.SIMULATOR_ORIGIN)


def _port(address: str) -> int:
    parts = urlsplit(address)
    return parts.port or (443 if parts.scheme == "https" else 80)
