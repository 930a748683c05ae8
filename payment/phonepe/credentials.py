"""Our merchants at PhonePe and PhonePe's endpoints, parsed from the settings once.

An order of one environment, merchant or generation is never polled with the credentials of another: an attempt
keeps the `Identity` it was opened under, and `for_identity` returns exactly that merchant or none.
"""

import functools
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.utils.translation import gettext_lazy as _

from core.errors import Refusal
from payment.phonepe.enums import ErrorCategory, Generation, Operation

SANDBOX = "https://api-preprod.phonepe.com/apis/pg-sandbox"
PRODUCTION = "https://api.phonepe.com/apis"
# PhonePe's documented base URLs: (calls, tokens). The sandbox has no identity manager of its own.
DOCUMENTED = {
    (Generation.V1, "UAT"): (SANDBOX, ""),
    (Generation.V1, "PRODUCTION"): (f"{PRODUCTION}/hermes", ""),
    (Generation.V2, "UAT"): (SANDBOX, SANDBOX),
    (Generation.V2, "PRODUCTION"): (f"{PRODUCTION}/pg", f"{PRODUCTION}/identity-manager"),
}
# Base URLs of the sandbox that older pages of PhonePe's documentation name for V1.
FORMERLY_DOCUMENTED = (
    "https://api-preprod.phonepe.com/apis/hermes",
    "https://api-preprod.phonepe.com/apis/merchant-simulator",
)
ENVIRONMENT_OF_HOST = {
    "api.phonepe.com": "PRODUCTION",
    "api-preprod.phonepe.com": "UAT",
    "api-testing.phonepe.com": "PhonePe's own test stage",
}
NAMES = (
    "env",
    "api_version",
    "merchant_id",
    "salt_key",
    "salt_index",
    "client_id",
    "client_secret",
    "client_version",
    "base_url",
    "auth_base_url",
    "fallback_base_urls",
    "proxy_url",
    "webhook_username",
    "webhook_password",
    "webhook_secret",
)
DEFAULTS: Mapping[str, Any] = dict.fromkeys(NAMES, "") | {
    "env": "UAT",
    "api_version": "auto",
    "salt_index": 1,
    "client_version": 1,
    "fallback_base_urls": (),
}
# Public in the code of the simulator, so that no real secret ever enters it. The embedded one has random keys.
SIMULATED = {
    "merchant_id": "SIMMERCHANT",
    "client_id": "SIM-CLIENT",
    "client_secret": "sim-secret",
    "webhook_username": "sim_hook",
    "webhook_password": "Sim-pass-9",
    "webhook_secret": "sim-hmac-secret",
}
SIMULATED_V1 = {"merchant_id": "PGTESTPAYUAT", "salt_key": "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399"}
SIMULATOR_PATH = "/simulator/apis/pg-sandbox"


class NotConfigured(Refusal):
    """No credentials for this: taking money is off, or the credentials of an old order are gone."""

    status_code = 503
    default_code = "payment_not_configured"
    default_detail = _("Payments are not available at the moment.")
    error_category = ErrorCategory.AUTHENTICATION


@dataclass(frozen=True)
class Identity:
    """Where and for whom an order was opened. `merchant` is the merchant id in V1, the client id in V2."""

    generation: str
    environment: str
    merchant: str
    simulated: bool


@dataclass(frozen=True)
class Endpoint:
    """One base URL, reached directly or through one proxy. `signs=False`: a page host, which gets no signed request."""

    base_url: str
    auth_base_url: str
    proxy: str | None = field(default=None, repr=False)
    signs: bool = True

    @property
    def host(self) -> str:
        return host_and_port(self.base_url)[0]

    @property
    def port(self) -> int:
        return host_and_port(self.base_url)[1]

    def base_url_for(self, operation: Operation) -> str:
        return self.auth_base_url if operation is Operation.TOKEN else self.base_url

    @property
    def proxy_name(self) -> str:
        """The proxy without its login, for logs and rows."""
        if self.proxy is None:
            return ""
        parts = urlsplit(self.proxy)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    @property
    def is_loopback(self) -> bool:
        return _is_loopback(self.host)


@dataclass(frozen=True)
class Merchant:
    """Credentials and endpoints of one identity. `salt_keys` by index; a scheme without its secret is off."""

    identity: Identity
    endpoints: tuple[Endpoint, ...]
    merchant_id: str = ""
    salt_keys: Mapping[int, str] = field(default_factory=dict, repr=False, hash=False)
    salt_index: int = 1
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    client_version: int = 1
    webhook_username: str = ""
    webhook_password: str = field(default="", repr=False)
    webhook_secret: str = field(default="", repr=False)

    @property
    def webhook_authorization(self) -> str:
        """The one value PhonePe sends in `Authorization`: lower-case hex; "" while the login is not set."""
        if not (self.webhook_username and self.webhook_password):
            return ""
        return hashlib.sha256(f"{self.webhook_username}:{self.webhook_password}".encode()).hexdigest()


@dataclass(frozen=True)
class PhonePeConfig:
    """The settings about PhonePe, parsed. `current` is the merchant of new orders; None when there is none.

    `known` are all merchants whose webhooks can be verified and whose orders have a status, the current one first.
    After a change of keys one identity is in it twice: its old keys still verify.
    """

    current: Merchant | None
    configured: tuple[Merchant, ...]
    previous: tuple[Merchant, ...]
    known: tuple[Merchant, ...]
    max_retries: int


@functools.cache
def config() -> PhonePeConfig:
    """Parsed once in a process. Raises ImproperlyConfigured for addresses or credentials that cannot be used."""
    configured = _build({name: getattr(settings, f"PHONEPE_{name.upper()}") for name in NAMES})
    previous = _parse_previous(settings.PHONEPE_PREVIOUS)
    simulated: tuple[Merchant, ...] = ()
    if settings.PHONEPE_SIMULATION_MODE:
        generation = _simulated_generation()
        other = Generation.V1 if generation == Generation.V2 else Generation.V2
        simulated = (_simulated(generation), _simulated(other))
    generation_setting = settings.PHONEPE_API_VERSION
    usable = [
        merchant for merchant in configured if generation_setting in ("auto", merchant.identity.generation)
    ]
    return PhonePeConfig(
        current=next(iter((*simulated, *usable)), None),
        configured=configured,
        previous=previous,
        known=tuple(dict.fromkeys((*simulated, *configured, *previous))),
        max_retries=settings.PHONEPE_MAX_RETRIES,
    )


@receiver(setting_changed)
def _forget_config(*, setting: str, **kwargs: object) -> None:
    if setting.startswith(("PHONEPE_", "SIMULATOR_", "PUBLIC_BASE_URL")):
        config.cache_clear()


def current() -> Merchant:
    """The merchant that new orders are opened under. Raises NotConfigured."""
    merchant = config().current
    if merchant is None:
        raise NotConfigured()
    return merchant


def for_identity(identity: Identity) -> Merchant:
    """Exactly the merchant an order was opened under. Raises NotConfigured when its credentials are gone."""
    for merchant in known_merchants():
        if merchant.identity == identity:
            return merchant
    raise NotConfigured()


def known_merchants() -> tuple[Merchant, ...]:
    return config().known


def configured() -> tuple[Merchant, ...]:
    return config().configured


def undocumented_addresses(merchant: Merchant) -> tuple[str, ...]:
    """Base URLs for calls or tokens that PhonePe documents for no such merchant; none on this machine."""
    generation, environment = Generation(merchant.identity.generation), merchant.identity.environment
    calls, tokens = DOCUMENTED[generation, environment]
    hosts = {calls, *(FORMERLY_DOCUMENTED if (generation, environment) == (Generation.V1, "UAT") else ())}
    endpoints = [each for each in merchant.endpoints if each.signs and not each.is_loopback]
    unknown = [each.base_url for each in endpoints if each.base_url not in hosts]
    if generation == Generation.V2:
        unknown += [each.auth_base_url for each in endpoints if each.auth_base_url not in {tokens, *unknown}]
    return tuple(dict.fromkeys(unknown))


def host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    return _host(address), parts.port or (443 if parts.scheme == "https" else 80)


def _parse_previous(entries: object) -> tuple[Merchant, ...]:
    """Former credentials: they verify webhooks and fetch the status of old orders; no order is opened under them."""
    if not isinstance(entries, list):
        raise ImproperlyConfigured("PHONEPE_PREVIOUS must be a JSON list of former credentials")
    merchants: list[Merchant] = []
    for entry in entries:
        if not isinstance(entry, dict) or not entry.keys() <= set(NAMES):
            raise ImproperlyConfigured(
                f"PHONEPE_PREVIOUS: every entry is an object with names from {', '.join(NAMES)}"
            )
        former = {**DEFAULTS, **{name: str(value).strip() for name, value in entry.items()}}
        if not str(former["salt_index"]).isdigit() or not str(former["client_version"]).isdigit():
            raise ImproperlyConfigured("PHONEPE_PREVIOUS: salt_index and client_version are whole numbers")
        if former["env"] not in ("UAT", "PRODUCTION"):
            raise ImproperlyConfigured("PHONEPE_PREVIOUS: env is UAT or PRODUCTION")
        fallbacks = entry.get("fallback_base_urls", "").split(",")
        former["fallback_base_urls"] = [item.strip() for item in fallbacks if item.strip()]
        merchants += _build(former)
    return tuple(merchants)


def _build(config: Mapping[str, Any]) -> tuple[Merchant, ...]:
    generations = [Generation.V2] if config["client_id"] else []
    if config["merchant_id"] and config["salt_key"]:
        generations.append(Generation.V1)
    # A base URL in the settings is that of one generation: the one in use. For old orders of the other one PhonePe's
    # documented base URL is used.
    generations.sort(key=lambda generation: config["api_version"] not in ("auto", generation))
    return tuple(
        _merchant(
            config if position == 0 else {**config, "base_url": "", "fallback_base_urls": ()}, generation
        )
        for position, generation in enumerate(generations)
    )


def _merchant(config: Mapping[str, Any], generation: Generation) -> Merchant:
    endpoints = _endpoints(config, generation)
    merchant = config["client_id"] if generation is Generation.V2 else config["merchant_id"]
    index = int(config["salt_index"])
    return Merchant(
        identity=Identity(generation.value, config["env"], merchant, endpoints[0].is_loopback),
        endpoints=endpoints,
        merchant_id=config["merchant_id"],
        salt_keys={index: config["salt_key"]} if generation is Generation.V1 else {},
        salt_index=index,
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        client_version=int(config["client_version"]),
        webhook_username=config["webhook_username"],
        webhook_password=config["webhook_password"],
        webhook_secret=config["webhook_secret"],
    )


def _simulated_generation() -> Generation:
    """The generation that the settings would use without simulation."""
    if settings.PHONEPE_API_VERSION != "auto":
        return Generation(settings.PHONEPE_API_VERSION)
    has_salt = settings.PHONEPE_MERCHANT_ID and settings.PHONEPE_SALT_KEY
    return Generation.V1 if has_salt and not settings.PHONEPE_CLIENT_ID else Generation.V2


def _simulated(generation: Generation) -> Merchant:
    credentials = SIMULATED if generation is Generation.V2 else SIMULATED_V1
    base, auth = settings.PHONEPE_BASE_URL, settings.PHONEPE_AUTH_BASE_URL
    fallbacks = [
        item for item in settings.PHONEPE_FALLBACK_BASE_URLS if _is_loopback(_host(item.split("|")[0]))
    ]
    if not _is_loopback(_host(base)):
        base, auth, fallbacks = settings.SIMULATOR_ORIGIN + SIMULATOR_PATH, "", []
    if base.startswith(f"{settings.SIMULATOR_ORIGIN}/") or _is_this_site(base):
        # The simulator inside this site has keys of its own; a process of its own has the published ones.
        credentials = credentials | settings.SIMULATOR_CREDENTIALS.get(generation.value, {})
    addresses = {"base_url": base, "auth_base_url": auth, "fallback_base_urls": fallbacks}
    merchant = _merchant({**DEFAULTS, **credentials, **addresses}, generation)
    return replace(merchant, identity=replace(merchant.identity, simulated=True))


def _is_this_site(address: str) -> bool:
    """However this machine is spelled. False behind a public name, which does not tell our port (payment.W013)."""
    hosts = (_host(address), _host(settings.PUBLIC_BASE_URL))
    ports = {host_and_port(each)[1] for each in (address, settings.PUBLIC_BASE_URL)}
    return all(map(_is_loopback, hosts)) and len(ports) == 1


def _endpoints(config: Mapping[str, Any], generation: Generation) -> tuple[Endpoint, ...]:
    """The address in the settings, else the documented one. A page host is only probed, and the documented one used."""
    proxy, endpoints = config["proxy_url"], []
    if config["base_url"]:
        endpoints.append(_endpoint(config["base_url"], config["auth_base_url"], proxy))
    if not any(endpoint.signs for endpoint in endpoints):
        endpoints.insert(0, _endpoint(*DOCUMENTED[generation, config["env"]], proxy))
    for item in config["fallback_base_urls"]:
        # `URL[|proxy=URL][|auth=URL]`; without a proxy of its own it takes the common one.
        base, *rest = (part.strip() for part in item.split("|"))
        options = dict(part.partition("=")[::2] for part in rest)
        if not options.keys() <= {"proxy", "auth"}:
            raise ImproperlyConfigured(
                f"PHONEPE_FALLBACK_BASE_URLS: {item!r} is not URL[|proxy=URL][|auth=URL]"
            )
        endpoints.append(_endpoint(base, options.get("auth", ""), options.get("proxy", proxy)))
    _refuse_mixture(endpoints, config["env"])
    return tuple(dict.fromkeys(endpoints))


def _endpoint(base: str, auth: str, proxy: str) -> Endpoint:
    base = base.rstrip("/")
    # In production tokens are issued beside the API, not under it; everywhere else at the same base.
    production = DOCUMENTED[Generation.V2, "PRODUCTION"]
    auth = auth.rstrip("/") or (production[1] if base == production[0] else base)
    for address in (base, auth):
        parts, host = _split(address), _host(address)
        if not host or parts.scheme not in ("http", "https") or parts.query or parts.username:
            raise ImproperlyConfigured(f"{address!r} is not a base URL like {SANDBOX}")
        is_ours = address.startswith(settings.SIMULATOR_ORIGIN) or _is_loopback(host)
        if parts.scheme == "http" and not is_ours:
            raise ImproperlyConfigured(f"{address!r} must be https: credentials travel to it")
    if proxy and _split(proxy).scheme not in ("http", "https"):
        raise ImproperlyConfigured("A proxy of PhonePe's endpoints must be an http:// or https:// address")
    needs_proxy = bool(proxy) and not _is_loopback(_host(base))
    # mercury.phonepe.com, mercury-t2, mercury-uat …: they serve pages to browsers, not the API.
    is_page_host = _host(base).startswith("mercury") and _host(base).endswith(".phonepe.com")
    return Endpoint(base, auth, proxy if needs_proxy else None, signs=not is_page_host)


def _split(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        return SplitResult("", "", "", "", "")
    return parts


def _refuse_mixture(endpoints: Iterable[Endpoint], environment: str) -> None:
    signing = [endpoint for endpoint in endpoints if endpoint.signs]
    addresses = [address for each in signing for address in (each.base_url, each.auth_base_url)]
    for address in addresses:
        belongs = ENVIRONMENT_OF_HOST.get(_host(address), environment)
        if belongs != environment:
            raise ImproperlyConfigured(f"PHONEPE_ENV is {environment}, but {address} belongs to {belongs}")
    if len({endpoint.is_loopback for endpoint in signing}) > 1:
        raise ImproperlyConfigured("PhonePe's addresses and a simulator on this machine stand in one list")
    if environment == "PRODUCTION" and any(endpoint.is_loopback for endpoint in signing):
        raise ImproperlyConfigured("PHONEPE_ENV is PRODUCTION, but PHONEPE_BASE_URL is on this machine")


def _host(address: str) -> str:
    """Without the dot that may stand at its end."""
    return (_split(address).hostname or "").rstrip(".")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
