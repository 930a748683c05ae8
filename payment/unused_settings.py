"""Settings and variables that are set and have no effect, because another one is missing or the name is not read.

Nobody sees from outside that they are unused: `manage.py check` warns of them, and every diagnosis repeats it.
"""

import difflib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.core import checks

from okpuja.environment import variables_set
from payment.checks import Problem, addresses, messages, production
from payment.phonepe.enums import Generation

PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
NO_PROXIES = ("NO_PROXY", "no_proxy")
AUTHORITIES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
PREFIX = "PHONEPE_"
AUTHORITY_IGNORED, UNUSED_SETTING, UNKNOWN_NAME, PROXY_IGNORED = "W015", "W016", "W017", "W018"
# What is set, when it has no effect, and what it needs.
UNUSED: tuple[tuple[str, Callable[[], bool], str], ...] = (
    (
        "PHONEPE_AUTH_BASE_URL",
        lambda: not settings.PHONEPE_BASE_URL,
        "it is used together with PHONEPE_BASE_URL only. Set both, or neither",
    ),
    (
        "PHONEPE_AUTH_BASE_URL",
        lambda: bool(settings.PHONEPE_BASE_URL) and _generation() == Generation.V1,
        "V1 takes no tokens. Leave it empty",
    ),
    (
        "PHONEPE_CLIENT_SECRET",
        lambda: not settings.PHONEPE_CLIENT_ID,
        "it belongs to PHONEPE_CLIENT_ID. Set both, or neither",
    ),
    (
        "PHONEPE_SALT_KEY",
        lambda: not settings.PHONEPE_MERCHANT_ID,
        "it belongs to PHONEPE_MERCHANT_ID. Set both, or neither",
    ),
    (
        "PHONEPE_MERCHANT_ID",
        lambda: not settings.PHONEPE_SALT_KEY and not settings.PHONEPE_CLIENT_ID,
        "V1 needs PHONEPE_SALT_KEY beside it. Set both, or use PHONEPE_CLIENT_ID and PHONEPE_CLIENT_SECRET",
    ),
    (
        "PHONEPE_CLIENT_ID",
        lambda: settings.PHONEPE_API_VERSION == Generation.V1 and not settings.PHONEPE_SALT_KEY,
        "PHONEPE_API_VERSION is v1, which needs PHONEPE_MERCHANT_ID and PHONEPE_SALT_KEY. Leave the version at auto",
    ),
    (
        "PHONEPE_SALT_KEY",
        lambda: settings.PHONEPE_API_VERSION == Generation.V2 and not settings.PHONEPE_CLIENT_ID,
        "PHONEPE_API_VERSION is v2, which needs PHONEPE_CLIENT_ID and PHONEPE_CLIENT_SECRET. Leave the version at auto",
    ),
    (
        "PHONEPE_WEBHOOK_USERNAME",
        lambda: not settings.PHONEPE_WEBHOOK_PASSWORD,
        "it is used together with PHONEPE_WEBHOOK_PASSWORD only. Set both, as in PhonePe's dashboard",
    ),
    (
        "PHONEPE_WEBHOOK_PASSWORD",
        lambda: not settings.PHONEPE_WEBHOOK_USERNAME,
        "it is used together with PHONEPE_WEBHOOK_USERNAME only. Set both, as in PhonePe's dashboard",
    ),
    (
        "PHONEPE_CA_BUNDLE",
        lambda: not settings.PHONEPE_SSL_VERIFY,
        "PHONEPE_SSL_VERIFY is off, so no certificate is compared with it. Set PHONEPE_SSL_VERIFY=True",
    ),
    (
        "STAFF_WEBHOOK_SECRET",
        lambda: not settings.STAFF_WEBHOOK_URL,
        "there is no STAFF_WEBHOOK_URL to send signed alerts to. Set both, or neither",
    ),
)


def unused_settings() -> list[Problem]:
    """A simulated PhonePe needs neither proxy nor certificates nor credentials."""
    if settings.PHONEPE_SIMULATION_MODE:
        return list(_unknown_names())
    return [*_unused_proxies(), *_unused_authorities(), *_unused_pairs(), *_unknown_names()]


def setting_warnings() -> list[checks.CheckMessage]:
    """What `manage.py check` warns of about payments; in production also what `check --deploy` does."""
    found = addresses(None) + warn_of_unused(None)
    if settings.PHONEPE_ENV == "PRODUCTION" and not settings.PHONEPE_SIMULATION_MODE:
        found += production(None)
    return [message for message in found if message.level == checks.WARNING]


@checks.register(checks.Tags.security)
def warn_of_unused(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    return messages(checks.Warning, unused_settings())


def _generation() -> str:
    if settings.PHONEPE_API_VERSION != "auto":
        return str(settings.PHONEPE_API_VERSION)
    return Generation.V2 if settings.PHONEPE_CLIENT_ID else Generation.V1


def _unused_proxies() -> Iterator[Problem]:
    """Their values may contain a login and are not repeated."""
    has_proxy = settings.PHONEPE_PROXY_URL or any(
        "|proxy=" in url for url in settings.PHONEPE_FALLBACK_BASE_URLS
    )
    found = _present(NO_PROXIES if has_proxy else PROXIES)
    if not found:
        return
    if has_proxy:
        remedy = (
            "The proxy of PHONEPE_PROXY_URL is used for every host of PhonePe. Remove them, or that setting."
        )
    else:
        found += _present(NO_PROXIES)
        remedy = (
            "If this server reaches the Internet through that proxy only, set "
            "PHONEPE_PROXY_URL=http://user:password@host:port to its address."
        )
    yield Problem(
        PROXY_IGNORED, f"{_listed(found)} in the environment: calls to PhonePe do not use it", remedy
    )


def _unused_authorities() -> Iterator[Problem]:
    if settings.PHONEPE_CA_BUNDLE or not (found := _present(AUTHORITIES)):
        return
    yield Problem(
        AUTHORITY_IGNORED,
        f"{_listed(found)} in the environment: calls to PhonePe do not use it",
        "If a proxy of yours reads encrypted traffic, set PHONEPE_CA_BUNDLE to the file with its certificate.",
    )


def _unused_pairs() -> Iterator[Problem]:
    for name, is_unused, need in UNUSED:
        if getattr(settings, name) and is_unused():
            yield Problem(UNUSED_SETTING, f"{name} is set and not used", f"{need[0].upper()}{need[1:]}.")


def _unknown_names() -> Iterator[Problem]:
    """A misspelt name is not read by anybody."""
    known = [name for name in dir(settings) if name.startswith(PREFIX)]
    for name in variables_set():
        if name.startswith(PREFIX) and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            remedy = f"Is {close[0]} meant?" if close else "Remove it."
            yield Problem(
                UNKNOWN_NAME, f"{name} is set in the environment, and no setting has this name", remedy
            )


def _present(names: Sequence[str]) -> list[str]:
    found = variables_set()
    return [name for name in names if name in found]


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} set"
