"""Settings that would lose money or leak it: refused at start in production, explained by `manage.py check`.

Servers never run `check --deploy`, so the refusal happens when the app is loaded; whatever the command, it names
every reason at once. With PHONEPE_ENV=UAT the same reasons are warnings: they say what production would refuse.
"""

import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from payment.phonepe import credentials
from payment.phonepe.enums import Generation

SHORTEST_SECRET_KEY = 32
DISTINCT_CHARACTERS = 8
BUNDLES = ("PHONEPE_CA_BUNDLE", "DIAGNOSIS_CA_BUNDLE")


class Problem(NamedTuple):
    id: str
    text: str
    remedy: str


Rules = tuple[tuple[Callable[[], bool], Problem], ...]


def _has_weak_secret_key() -> bool:
    key = settings.SECRET_KEY
    is_known = key.startswith(("insecure", "django-insecure"))
    return is_known or len(key) < SHORTEST_SECRET_KEY or len(set(key)) < DISTINCT_CHARACTERS


def _has_unprovable_webhooks() -> bool:
    """V1 callbacks are signed with the salt key; V2 webhooks need a login or a secret of their own."""
    uses_v2 = bool(settings.PHONEPE_CLIENT_ID)
    has_login = settings.PHONEPE_WEBHOOK_USERNAME and settings.PHONEPE_WEBHOOK_PASSWORD
    return uses_v2 and not (has_login or settings.PHONEPE_WEBHOOK_SECRET)


DANGEROUS: Rules = (
    (
        lambda: settings.PHONEPE_SIMULATION_MODE,
        Problem(
            "E001",
            "PHONEPE_SIMULATION_MODE is on: bookings would be paid with simulated money",
            "Set it to False.",
        ),
    ),
    (
        lambda: settings.DEBUG,
        Problem("E002", "DEBUG is on: error pages show settings and data to everyone", "Set it to False."),
    ),
    (
        _has_unprovable_webhooks,
        Problem(
            "E003",
            "No V2 webhook can prove to come from PhonePe",
            "Set PHONEPE_WEBHOOK_USERNAME and _PASSWORD, or PHONEPE_WEBHOOK_SECRET, as in PhonePe's dashboard.",
        ),
    ),
    (
        lambda: bool(settings.PHONEPE_CLIENT_ID and not settings.PHONEPE_CLIENT_SECRET),
        Problem(
            "E004", "PHONEPE_CLIENT_ID is set without PHONEPE_CLIENT_SECRET", "Copy both from the dashboard."
        ),
    ),
    (
        lambda: not settings.PHONEPE_SSL_VERIFY,
        Problem(
            "E005",
            "PHONEPE_SSL_VERIFY is off: anybody on the network path may answer for PhonePe",
            "Set it to True; a certificate authority of your own goes into PHONEPE_CA_BUNDLE.",
        ),
    ),
    (
        lambda: not settings.PUBLIC_BASE_URL.startswith("https://"),
        Problem(
            "E006",
            "PUBLIC_BASE_URL is not https: PhonePe calls no such webhook, and logins travel in the clear",
            "Give this server's https address.",
        ),
    ),
    (
        _has_weak_secret_key,
        Problem(
            "E007",
            "SECRET_KEY is short or a published default: payment links and logins could be forged",
            f"Use at least {SHORTEST_SECRET_KEY} random characters.",
        ),
    ),
    (
        lambda: settings.PAYMENT_TIME_SCALE != 1,
        Problem("E008", "PAYMENT_TIME_SCALE is for tests: holds and polls would end early", "Set it to 1."),
    ),
)


UNWISE: Rules = (
    (
        lambda: not settings.OPS_TOKEN,
        Problem(
            "W002", "OPS_TOKEN is empty: full diagnosis needs a staff login", "Set it to a long random text."
        ),
    ),
    (
        lambda: (
            settings.PHONEPE_ENV == "PRODUCTION"
            and not settings.PHONEPE_CLIENT_ID
            and not (settings.PHONEPE_MERCHANT_ID and settings.PHONEPE_SALT_KEY)
        ),
        Problem(
            "W003",
            "There are no PhonePe credentials: no payment can start",
            "Set PHONEPE_CLIENT_ID and _SECRET (V2), or PHONEPE_MERCHANT_ID and PHONEPE_SALT_KEY (V1).",
        ),
    ),
    (
        lambda: not settings.EMAIL_URL.startswith("smtp"),
        Problem(
            "W005",
            "EMAIL_URL names no mail server: no notification reaches customers or staff",
            "Set it to smtp+tls://user:password@host:587.",
        ),
    ),
    (
        lambda: not settings.NUM_PROXIES,
        Problem(
            "W006",
            "NUM_PROXIES is 0: behind a proxy all callers have its address and share one limit",
            "Set it to the number of proxies in front, 1 as a rule.",
        ),
    ),
)


def refuse_unsafe() -> None:
    """Raises ImproperlyConfigured with every reason not to start. Needs no database."""
    problems = address_problems()
    if settings.PHONEPE_ENV == "PRODUCTION":
        problems += _violated(DANGEROUS)
    if problems:
        reasons = "".join(
            f"\n  payment.{problem.id}: {problem.text}. {problem.remedy}" for problem in problems
        )
        raise ImproperlyConfigured(f"These settings are not safe to take payments with:{reasons}")


def address_problems() -> list[Problem]:
    """Addresses, former credentials and certificates that cannot be used anywhere, UAT included."""
    problems = []
    for name in BUNDLES:
        file = getattr(settings, name)
        try:
            if file:
                ssl.create_default_context(cafile=file)
        except OSError as error:  # also for a file that `ssl` cannot read as certificates
            problem = Problem(
                "E010",
                f"{name}: no certificates can be read from {file!r} ({error.strerror})",
                "Name a file of PEM certificates, or leave it empty: the built-in ones are then trusted.",
            )
            problems.append(problem)
    try:
        credentials.known()
    except ImproperlyConfigured as error:
        problems.append(Problem("E009", str(error), 'See "Addresses" in docs/phonepe.md.'))
    return problems


@checks.register(checks.Tags.security)
def addresses(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    if problems := address_problems():
        return _messages(checks.Error, problems)
    warnings = []
    for merchant in credentials.configured():
        for endpoint in merchant.endpoints:
            if not endpoint.signs:
                warning = Problem(
                    "W001",
                    f"{endpoint.base_url} is a host of payment pages, not of the API: only the diagnosis calls it",
                    "Take it out of the settings; a second way to the same API is |proxy=URL in"
                    " PHONEPE_FALLBACK_BASE_URLS.",
                )
                warnings.append(warning)
            elif _has_wrong_path(merchant, endpoint):
                warning = Problem(
                    "W004",
                    f"{endpoint.base_url} speaks the other generation of PhonePe's protocol, or issues no tokens",
                    "Leave PHONEPE_BASE_URL and PHONEPE_AUTH_BASE_URL empty: the documented addresses are then used.",
                )
                warnings.append(warning)
    return _messages(checks.Warning, warnings)


@checks.register(checks.Tags.security, deploy=True)
def production(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    level = checks.Error if settings.PHONEPE_ENV == "PRODUCTION" else checks.Warning
    return _messages(level, _violated(DANGEROUS)) + _messages(checks.Warning, _violated(UNWISE))


def _violated(rules: Rules) -> list[Problem]:
    return [problem for is_violated, problem in rules if is_violated()]


def _messages(
    level: Callable[..., checks.CheckMessage], problems: Iterable[Problem]
) -> list[checks.CheckMessage]:
    return [level(problem.text, problem.remedy, id=f"payment.{problem.id}") for problem in problems]


def _has_wrong_path(merchant: credentials.Merchant, endpoint: credentials.Endpoint) -> bool:
    """V1 lives under /apis/hermes, V2 under /apis/pg, and the sandbox has no identity manager."""
    if merchant.identity.generation == Generation.V1:
        return endpoint.base_url.endswith("/apis/pg")
    is_sandbox = endpoint.host == "api-preprod.phonepe.com"
    no_tokens = is_sandbox and endpoint.auth_base_url.endswith("/identity-manager")
    return endpoint.base_url.endswith("/apis/hermes") or no_tokens
