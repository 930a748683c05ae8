"""Settings that would lose money or leak it: refused at start in production, explained by `manage.py check`.

Servers never run `check --deploy`, so the refusal happens when the app is loaded; whatever the command, it names
every reason at once. With PHONEPE_ENV=UAT the same reasons are warnings: they say what production would refuse.
"""

import itertools
import re
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

from core.gstin import registration
from payment.phonepe import credentials
from payment.phonepe.enums import Generation
from payment.services.frontends import configured_frontends, unheard_origins

SHORTEST_SECRET_KEY = 32
DISTINCT_CHARACTERS = 8
SHORTEST_SECRET = 16  # random letters and digits: 95 bits
SHORTEST_WEBHOOK_PASSWORD = 8  # PhonePe's dashboard takes 8 to 20 letters and digits
# What people type until they have something better: of these words, digits and signs alone.
COMMON_SECRET = re.compile(
    r"(?i)(?:[\W\d_]|password|passwort|passwd|pass|secret|change|admin|webhook|token|test|qwerty|letmein|okpuja|phonepe"
    r"|payments?|gateway|production|prod|live|staging|uat|sandbox|server|ops|api|key|my|our|the|me|sim|hmac|abcdefgh)*+"
)
# What we choose ourselves: knowing one must not give away another.
OUR_SECRETS = (
    "SECRET_KEY",
    "OPS_TOKEN",
    "DEMO_PASSWORD",
    "PHONEPE_WEBHOOK_PASSWORD",
    "PHONEPE_WEBHOOK_SECRET",
    "STAFF_WEBHOOK_SECRET",
    "EMAIL_HOST_PASSWORD",
    "BACKUP_KEY",
)
# Requests of one caller in a minute: above this a throttle does not stop anybody who guesses or floods.
MOST_PER_MINUTE = {
    "login": 240,
    "code": 60,
    "register": 60,
    "guest_payment": 120,
    "demo_payment": 60,
    "diagnosis": 120,
    "payment": 120,
    "promo": 120,
    "receipt": 120,
    "schema": 120,
}
MOST_PER_MINUTE_ELSEWHERE = 1_200
MOST_MINUTES_AT_ONCE = 20  # of a long span, all may come in its first second
SECONDS_OF_PERIOD = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
UNDOCUMENTED = "W014"
BUNDLES = ("PHONEPE_CA_BUNDLE", "DIAGNOSIS_CA_BUNDLE")


class Problem(NamedTuple):
    id: str
    text: str
    remedy: str


Rules = tuple[tuple[Callable[[], bool], Problem], ...]
Level = Callable[..., checks.CheckMessage]


def _has_weak_secret_key() -> bool:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(
        key.startswith(("insecure", "django-insecure")) or _is_weak(key, SHORTEST_SECRET_KEY) for key in keys
    )


def _is_weak(secret: str, shortest: int) -> bool:
    is_varied = len(set(secret)) >= min(DISTINCT_CHARACTERS, shortest - 2)
    return len(secret) < shortest or not is_varied or COMMON_SECRET.fullmatch(secret) is not None


def _has_weak_webhook_secret() -> bool:
    """Those of former credentials verify webhooks, too."""
    former = [entry for entry in settings.PHONEPE_PREVIOUS if isinstance(entry, dict)]
    passwords = [
        settings.PHONEPE_WEBHOOK_PASSWORD,
        *(str(each.get("webhook_password", "")) for each in former),
    ]
    secrets = [settings.PHONEPE_WEBHOOK_SECRET, *(str(each.get("webhook_secret", "")) for each in former)]
    return any(each and _is_weak(each, SHORTEST_WEBHOOK_PASSWORD) for each in passwords) or any(
        each and _is_weak(each, SHORTEST_SECRET) for each in secrets
    )


def _has_equal_secrets() -> bool:
    values = [getattr(settings, name) for name in OUR_SECRETS] + [
        settings.DATABASES["default"].get("PASSWORD")
    ]
    chosen = [value for value in values if value]
    return len(set(chosen)) < len(chosen)


def _takes_any_host() -> bool:
    """`.com` stands for every name below it."""
    return any(host in ("*", ".") or re.fullmatch(r"\.[^.]+", host) for host in settings.ALLOWED_HOSTS)


def _trusts_unsafe_origins() -> bool:
    origins = (*settings.CORS_ALLOWED_ORIGINS, *settings.CSRF_TRUSTED_ORIGINS)
    is_open = getattr(settings, "CORS_ALLOW_ALL_ORIGINS", False)
    patterns = getattr(settings, "CORS_ALLOWED_ORIGIN_REGEXES", ())
    return (
        is_open or bool(patterns) or any(not _is_public_https(origin) or "*" in origin for origin in origins)
    )


def _is_public_https(url: str) -> bool:
    return url.startswith("https://") and not _is_on_this_machine(urlsplit(url).hostname or "")


def _is_on_this_machine(host: str) -> bool:
    """A name without a dot is one of this machine, or of a network of containers."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return "." not in host or host.endswith(".localhost")


def _foreign_hosts() -> Iterator[str]:
    """Hosts in the settings of PhonePe's API that are not PhonePe's."""
    try:
        merchants = credentials.configured()
    except ImproperlyConfigured:  # reported as E009
        return
    for endpoint in itertools.chain.from_iterable(merchant.endpoints for merchant in merchants):
        for address in filter(None, (endpoint.base_url, endpoint.auth_base_url)):
            host = credentials.host_and_port(address)[0]
            if not f".{host}".endswith(".phonepe.com"):
                yield host


def _has_no_credentials() -> bool:
    has_v1 = settings.PHONEPE_MERCHANT_ID and settings.PHONEPE_SALT_KEY
    is_needed = settings.PHONEPE_ENV == "PRODUCTION" and settings.PAYMENT_ENABLED
    return is_needed and not settings.PHONEPE_CLIENT_ID and not has_v1


def _sends_mail_login_in_clear() -> bool:
    parts = urlsplit(settings.EMAIL_URL)
    return parts.scheme == "smtp" and bool(parts.username) and not _is_on_this_machine(parts.hostname or "")


def _absurd_rates() -> list[str]:
    """Throttles that no caller would ever meet."""
    rest_framework: dict[str, Any] = settings.REST_FRAMEWORK
    return [
        scope
        for scope, rate in rest_framework["DEFAULT_THROTTLE_RATES"].items()
        if _is_absurd(rate, MOST_PER_MINUTE.get(scope, MOST_PER_MINUTE_ELSEWHERE))
    ]


def _is_absurd(rate: str | None, most: int) -> bool:
    """In the mean of its span, or in the burst that passes when all of it comes at once."""
    if rate is None:  # REST framework's word for no limit
        return True
    count, _, period = rate.partition("/")
    return int(count) * 60 / SECONDS_OF_PERIOD[period[0]] > most or int(count) > most * MOST_MINUTES_AT_ONCE


def _has_open_cookies() -> bool:
    flags = ("SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY")
    return settings.PUBLIC_BASE_URL.startswith("https://") and not all(
        getattr(settings, name) for name in flags
    )


def _has_open_database() -> bool:
    """PostgreSQL or Redis over the network without a password of ours."""
    database = settings.DATABASES["default"]
    host = str(database.get("HOST") or "")
    options = database.get("OPTIONS", {})
    proves_itself = database.get("PASSWORD") or options.keys() & {"passfile", "sslcert", "service"}
    cache = urlsplit(settings.CACHE_URL)
    has_open_cache = cache.scheme in ("redis", "rediss") and not cache.password
    return (not host.startswith("/") and not _is_on_this_machine(host) and not proves_itself) or (
        has_open_cache and not _is_on_this_machine(cache.hostname or "")
    )


def _is_simulation_reachable() -> bool:
    host = urlsplit(settings.PUBLIC_BASE_URL).hostname or ""
    return settings.PHONEPE_SIMULATION_MODE and not _is_on_this_machine(host)


def _may_simulate_at_itself() -> bool:
    """Behind a public name nobody can tell whether an address of this machine is this site."""
    try:
        host = urlsplit(settings.PHONEPE_BASE_URL).hostname
    except ValueError:  # no address at all
        return False
    return bool(
        host
        and _is_on_this_machine(host)
        and _is_simulation_reachable()
        and not settings.SIMULATOR_PUBLISHED_KEYS
    )


def _logs_everything() -> bool:
    logging: dict[str, Any] = settings.LOGGING
    return bool(logging["root"]["level"] == "DEBUG")


def _readable_files() -> list[Path]:
    """Files with secrets or personal data that other users of this machine may read."""
    database = settings.DATABASES["default"]
    files = [Path(settings.DOTENV_FILE)] if settings.DOTENV_FILE else []
    if database["ENGINE"].endswith("sqlite3"):
        files.append(Path(str(database["NAME"])))
    if settings.EMAIL_URL.startswith("file:"):
        files.append(Path(unquote(urlsplit(settings.EMAIL_URL).path)))
    return [file for file in files if file.exists() and file.stat().st_mode & 0o077]


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
            "No V2 webhook can be authenticated",
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
            "PHONEPE_SSL_VERIFY is off: anybody on the network path can impersonate PhonePe",
            "Set it to True; a certificate authority of your own goes into PHONEPE_CA_BUNDLE.",
        ),
    ),
    (
        lambda: not settings.PUBLIC_BASE_URL.startswith("https://"),
        Problem(
            "E006",
            "PUBLIC_BASE_URL is not https: PhonePe calls no such webhook, and logins are sent unencrypted",
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
    (
        lambda: bool(settings.OPS_TOKEN) and _is_weak(settings.OPS_TOKEN, SHORTEST_SECRET),
        Problem(
            "E011",
            "OPS_TOKEN can be guessed: whoever has it reads the full diagnosis",
            f"Use at least {SHORTEST_SECRET} random characters.",
        ),
    ),
    (
        _has_weak_webhook_secret,
        Problem(
            "E012",
            "PHONEPE_WEBHOOK_PASSWORD or PHONEPE_WEBHOOK_SECRET can be guessed: webhooks could be forged",
            "Enter a random password of 20 letters and digits, or a random secret, here and in PhonePe's dashboard.",
        ),
    ),
    (
        lambda: (
            bool(settings.STAFF_WEBHOOK_URL)
            and bool(settings.STAFF_WEBHOOK_SECRET)
            and _is_weak(settings.STAFF_WEBHOOK_SECRET, SHORTEST_SECRET)
        ),
        Problem(
            "E013",
            "STAFF_WEBHOOK_SECRET can be guessed: alerts could be forged",
            f"Use at least {SHORTEST_SECRET} random characters.",
        ),
    ),
    (
        _has_equal_secrets,
        Problem(
            "E014",
            "Two secrets have the same value: whoever learns one has the other",
            "Give SECRET_KEY, OPS_TOKEN and each password a random value of its own.",
        ),
    ),
    (
        _takes_any_host,
        Problem(
            "E015",
            "ALLOWED_HOSTS takes every name: links could be made with a foreign one",
            "Name the hosts of this server.",
        ),
    ),
    (
        _trusts_unsafe_origins,
        Problem(
            "E016",
            "CORS_ALLOWED_ORIGINS or CSRF_TRUSTED_ORIGINS trusts http, this machine or everybody",
            "Name the https origins of your frontend, nothing else.",
        ),
    ),
    (
        lambda: any(_foreign_hosts()),
        Problem(
            "E017",
            "PhonePe's addresses lead to a host that is not PhonePe's: it would get the credentials",
            "Leave PHONEPE_BASE_URL empty; a gateway of your own goes into PHONEPE_PROXY_URL.",
        ),
    ),
    (
        _has_no_credentials,
        Problem(
            "E018",
            "There are no PhonePe credentials: no payment can start",
            "Set PHONEPE_CLIENT_ID and _SECRET (V2), or PHONEPE_MERCHANT_ID and PHONEPE_SALT_KEY (V1).",
        ),
    ),
    (
        _sends_mail_login_in_clear,
        Problem("E019", "EMAIL_URL sends its login unencrypted", "Use smtp+tls:// (STARTTLS) or smtps://."),
    ),
    (
        lambda: bool(_absurd_rates()),
        Problem(
            "E020",
            "A throttle is so high that it stops nobody",
            "Set LOGIN_RATE, REGISTER_RATE and the other rates to what people need.",
        ),
    ),
    (
        lambda: not all(url.startswith("https://") for url in configured_frontends()),
        Problem(
            "E021",
            "FRONTEND_BASE_URL or FRONTENDS is not https: customers come back to a page that others can change",
            "Give the https address of the shop.",
        ),
    ),
    (
        _has_open_cookies,
        Problem(
            "E022",
            "Cookies of logins are sent over http, or scripts can read them",
            "Leave the cookie settings as they are.",
        ),
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
    (
        _is_simulation_reachable,
        Problem(
            "W007",
            "Others can reach this simulation: bookings are paid there without money",
            "Set PHONEPE_SIMULATION_MODE to False, or keep strangers out at the proxy.",
        ),
    ),
    (
        _has_open_database,
        Problem(
            "W008",
            "DATABASE_URL or CACHE_URL has no password and is on another machine",
            "Set a password, or use a client certificate.",
        ),
    ),
    (
        lambda: any(
            url and not url.startswith("https://")
            for url in (settings.STAFF_WEBHOOK_URL, settings.DEAD_MAN_URL)
        ),
        Problem(
            "W009",
            "STAFF_WEBHOOK_URL or DEAD_MAN_URL is not https: their keys and alerts are sent unencrypted",
            "Give the https addresses.",
        ),
    ),
    (
        _logs_everything,
        Problem("W010", "LOG_LEVEL is DEBUG: libraries log what they send and receive", "Set it to INFO."),
    ),
    (
        lambda: bool(_readable_files()),
        Problem(
            "W011",
            ".env, the SQLite file or the folder of mails can be read by other users of this machine",
            "Run chmod go= on them.",
        ),
    ),
    (
        lambda: bool(settings.STAFF_WEBHOOK_URL and not settings.STAFF_WEBHOOK_SECRET),
        Problem(
            "W012",
            "STAFF_WEBHOOK_SECRET is empty: anybody may send alerts to STAFF_WEBHOOK_URL",
            "Set it to a long random text.",
        ),
    ),
    (
        lambda: bool(unheard_origins()),
        Problem(
            "W020",
            "CORS_ALLOWED_ORIGINS does not name the origin of FRONTEND_BASE_URL or of one of FRONTENDS: browsers there"
            " cannot call this server",
            "Add it, unless that site reaches this server under its own name.",
        ),
    ),
    (
        lambda: bool(settings.PHONEPE_CLIENT_ID and not settings.PHONEPE_MERCHANT_ID),
        Problem(
            "W021",
            "PHONEPE_MERCHANT_ID is empty: PhonePe's SDK needs it, so our app cannot open payments",
            "Copy it from PhonePe's dashboard, if customers pay in the app; the page does not need it.",
        ),
    ),
)


PUBLISHED_KEYS = Problem(
    "E023",
    "SIMULATOR_PUBLISHED_KEYS is on, and others can reach this simulation: with them anybody sends webhooks",
    "Set it to False.",
)


OWN_SIMULATOR = Problem(
    "W013",
    "PHONEPE_BASE_URL is a simulator on this machine: a process of its own has the published keys, which the shop takes"
    " for it. The simulator inside this site has other keys, and refuses these",
    "Leave PHONEPE_BASE_URL empty to use the simulator inside this site, or set SIMULATOR_PUBLISHED_KEYS to True on a"
    " machine that others do not reach.",
)


def refuse_unsafe() -> None:
    """Raises ImproperlyConfigured with every reason not to start. Needs no database."""
    registration()  # a GSTIN that is mistyped would be on every paper
    problems = address_problems()
    if settings.SIMULATOR_PUBLISHED_KEYS and _is_simulation_reachable():
        problems.append(PUBLISHED_KEYS)
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
        credentials.known_merchants()
    except ImproperlyConfigured as error:
        problems.append(Problem("E009", str(error), 'See "Addresses" in docs/phonepe.md.'))
    return problems


@checks.register(checks.Tags.security)
def addresses(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    if problems := address_problems():
        return messages(checks.Error, problems)
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
            else:
                warnings += _undocumented(merchant, endpoint)
    if _may_simulate_at_itself():
        warnings.append(OWN_SIMULATOR)
    return messages(checks.Warning, warnings)


@checks.register(checks.Tags.security, deploy=True)
def production(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    level = checks.Error if settings.PHONEPE_ENV == "PRODUCTION" else checks.Warning
    return messages(level, _violated(DANGEROUS)) + messages(checks.Warning, _violated(UNWISE))


def _violated(rules: Rules) -> list[Problem]:
    return [problem for is_violated, problem in rules if is_violated()]


def messages(level: Level, problems: Iterable[Problem]) -> list[checks.CheckMessage]:
    return [level(problem.text, problem.remedy, id=f"payment.{problem.id}") for problem in problems]


def _undocumented(merchant: credentials.Merchant, endpoint: credentials.Endpoint) -> list[Problem]:
    generation, environment = merchant.identity.generation, merchant.identity.environment
    documented_addresses = credentials.DOCUMENTED[Generation(generation), environment]
    documented = " and ".join(filter(None, dict.fromkeys(documented_addresses)))
    return [
        Problem(
            UNDOCUMENTED,
            f"{address} is no address that PhonePe documents for {generation} in {environment}; that is {documented}",
            "Correct it, or leave PHONEPE_BASE_URL and PHONEPE_AUTH_BASE_URL empty.",
        )
        for address in credentials.undocumented_addresses(replace(merchant, endpoints=(endpoint,)))
    ]


def _has_wrong_path(merchant: credentials.Merchant, endpoint: credentials.Endpoint) -> bool:
    """V1 lives under /apis/hermes, V2 under /apis/pg, and the sandbox has no identity manager."""
    if merchant.identity.generation == Generation.V1:
        return endpoint.base_url.endswith("/apis/pg")
    is_sandbox = endpoint.host == "api-preprod.phonepe.com"
    no_tokens = is_sandbox and endpoint.auth_base_url.endswith("/identity-manager")
    return endpoint.base_url.endswith("/apis/hermes") or no_tokens
