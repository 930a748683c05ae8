"""Rows about what was typed into the settings, and about credentials that PhonePe does not take."""

from collections.abc import Callable, Iterator
from typing import Any

from diagnostics.enums import Verdict
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import CONFIGURATION, HOSTING, PHONEPE, THIS_SERVER
from tests.system.lab.testbed import SANDBOX, Testbed, Wire


def alike(change: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The same for both generations."""
    return {"v1": change, "v2": change}


CREDENTIALS = "credentials"
FIRST = "https://api-preprod.phonepe.com"
# Settings of each generation, and what becomes of them.
ROWS: tuple[tuple[str, dict[str, dict[str, Any]], Verdict, str, str], ...] = (
    (
        "another secret",
        {"v1": {"PHONEPE_SALT_KEY": "not-the-salt-key"}, "v2": {"PHONEPE_CLIENT_SECRET": "not-the-client-secret"}},
        Verdict.BAD_CREDENTIALS, CREDENTIALS, "dashboard",
    ),
    (
        "a merchant without a key", {"v1": {"PHONEPE_MERCHANT_ID": "NOBODYKNOWSUS"}},
        Verdict.KEY_NOT_CONFIGURED, CREDENTIALS, "PHONEPE_CLIENT_ID",
    ),
    (
        "a client of the other environment", {"v2": {"PHONEPE_CLIENT_ID": "NOBODYKNOWSUS"}},
        Verdict.WRONG_ENVIRONMENT, CREDENTIALS, "PHONEPE_ENV",
    ),
    (
        "path of the other version",
        {
            "v1": {"PHONEPE_BASE_URL": f"{FIRST}/apis/pg", "PHONEPE_FALLBACK_BASE_URLS": []},
            "v2": {"PHONEPE_BASE_URL": f"{FIRST}/apis/hermes", "PHONEPE_FALLBACK_BASE_URLS": []},
        },
        Verdict.WRONG_BASE_URL, CONFIGURATION, "PHONEPE_BASE_URL",
    ),
    (
        "a secret is missing", {"v1": {"PHONEPE_SALT_KEY": ""}, "v2": {"PHONEPE_CLIENT_SECRET": ""}},
        Verdict.MISCONFIGURED, CONFIGURATION, "PHONEPE_CLIENT_SECRET",
    ),
    (
        "address of the other environment",
        alike({"PHONEPE_BASE_URL": "https://api.phonepe.com/apis/hermes"}),
        Verdict.MISCONFIGURED, CONFIGURATION, "PRODUCTION",
    ),
    (
        "misspelt address",
        alike(
            {"PHONEPE_BASE_URL": f"https://api.fonepe.example{SANDBOX}", "PHONEPE_FALLBACK_BASE_URLS": []},
        ),
        Verdict.DNS_FAILURE, CONFIGURATION, "PHONEPE_BASE_URL",
    ),
    (
        "simulator that is not started",
        alike(
            {"PHONEPE_BASE_URL": f"http://127.0.0.1:9{SANDBOX}", "PHONEPE_FALLBACK_BASE_URLS": []},
        ),
        Verdict.CONNECTION_REFUSED, CONFIGURATION, "127.0.0.1:9",
    ),
    (
        "simulation", alike({"PHONEPE_SIMULATION_MODE": True}),
        Verdict.SIMULATED, NONE, "Nothing",
    ),
)  # fmt: skip


def rows() -> Iterator[Case]:
    for title, changes, verdict, culprit, named in ROWS:
        for generation, change in changes.items():
            yield Case(title, generation, "settings", _with(change), verdict, culprit, named=named)
    for generation in ("v1", "v2"):
        yield Case(
            "no certificates are trusted", generation, "settings", _trusts_strangers,
            Verdict.TLS_UNTRUSTED, THIS_SERVER, named="PHONEPE_CA_BUNDLE",
        )  # fmt: skip
        yield Case("a network of ours is trusted", generation, "settings", _behind_a_gateway, OK, NONE)
    yield from _variables_of_the_environment()
    yield Case(
        "PhonePe refused, PHONEPE_AUTH_BASE_URL alone", "v2", "settings", _only_tokens_are_named,
        Verdict.CONNECTION_REFUSED, PHONEPE, named="PHONEPE_AUTH_BASE_URL",
    )  # fmt: skip
    for path, verdict, named in (
        ("/apis/pgsandbox", Verdict.WRONG_BASE_URL, "/apis/pg-sandbox"),
        ("/apis/pg-sandbox/checkout/v2", Verdict.WRONG_BASE_URL, "/apis/pg-sandbox"),
        ("/api/pg-sandbox", Verdict.WRONG_BASE_URL, "/apis/pg-sandbox"),
        ("", Verdict.WRONG_BASE_URL, "/apis/pg-sandbox"),
    ):
        yield Case(
            f"misspelt path {path or '/'}", "v2", "settings", _with(
                {"PHONEPE_BASE_URL": f"{FIRST}{path}", "PHONEPE_FALLBACK_BASE_URLS": []}
            ), verdict, CONFIGURATION, named=named,
        )  # fmt: skip


def _variables_of_the_environment() -> Iterator[Case]:
    for name, value in (
        ("HTTPS_PROXY", "http://okpuja:lab-proxy-password@proxy.hosting.example:3128"),
        ("https_proxy", "http://proxy.hosting.example:3128"),
        ("ALL_PROXY", "socks5h://proxy.hosting.example:1080"),
        ("HTTP_PROXY", "http://10.0.0.8:8080"),
        ("http_proxy", "http://okpuja:lab-proxy-password@10.0.0.8:8080"),
        ("all_proxy", "http://proxy.hosting.example:3128"),
    ):
        yield Case(
            f"PhonePe refused, {name} in the environment", "v2", "settings", _refused, Verdict.CONNECTION_REFUSED,
            PHONEPE, named=f"{name} is set in the environment: calls to PhonePe do not use it. If this server reaches "
            "the Internet through that proxy only, set PHONEPE_PROXY_URL", look=_in_environment(**{name: value}),
        )  # fmt: skip

    for title, variables, named in (
        (
            "PHONEPE_PROXY misspelt",
            {"PHONEPE_PROXY": "http://proxy.hosting.example:3128"},
            "PHONEPE_PROXY_URL",
        ),
        (
            "NO_PROXY without a proxy",
            {"NO_PROXY": ".phonepe.com", "HTTPS_PROXY": "http://10.0.0.8:3128"},
            "NO_PROXY",
        ),
    ):
        yield Case(
            f"PhonePe refused, {title}", "v2", "settings", _refused, Verdict.CONNECTION_REFUSED, PHONEPE, named=named,
            look=_in_environment(**variables),
        )  # fmt: skip
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        yield Case(
            f"intercepted, {name} in the environment", "v2", "settings", _intercepted, Verdict.TLS_UNTRUSTED, HOSTING,
            named=f"{name} is set in the environment: calls to PhonePe do not use it",
            look=_in_environment(**{name: "/etc/ssl/certs/company.pem"}),
        )  # fmt: skip


def _intercepted(testbed: Testbed) -> None:
    """Payments trust the built-in authorities."""
    del testbed.settings["PHONEPE_CA_BUNDLE"]
    for host in testbed.endpoints:
        host.certificate = testbed.stranger.issue(host.name, with_issuer=True)


def _only_tokens_are_named(testbed: Testbed) -> None:
    _refused(testbed)
    testbed.settings["PHONEPE_AUTH_BASE_URL"] = f"https://{testbed.first.name}/apis/identity-manager"


def _refused(testbed: Testbed) -> None:
    for host in testbed.phonepes[:2]:
        host.listens = False


def _in_environment(**variables: str) -> Callable[[Testbed], Wire]:
    return lambda testbed: testbed.ask_doctor(**variables)


def _with(change: dict[str, Any]) -> Callable[[Testbed], None]:
    return lambda testbed: testbed.settings.update(change)


def _trusts_strangers(testbed: Testbed) -> None:
    testbed.settings["PHONEPE_CA_BUNDLE"] = str(testbed.stranger.bundle)


def _behind_a_gateway(testbed: Testbed) -> None:
    """PhonePe's name leads into our own network, where somebody passes us on."""
    testbed.first.address = "10.66.0.1"
