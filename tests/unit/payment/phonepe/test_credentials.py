import pytest
from django.core.exceptions import ImproperlyConfigured

from okpuja.environment import simulator_credentials
from payment.phonepe import credentials
from payment.phonepe.credentials import Endpoint, Identity, NotConfigured

DOCUMENTED = {
    ("v1", "UAT"): ("https://api-preprod.phonepe.com/apis/pg-sandbox",) * 2,
    ("v1", "PRODUCTION"): ("https://api.phonepe.com/apis/hermes",) * 2,
    ("v2", "UAT"): ("https://api-preprod.phonepe.com/apis/pg-sandbox",) * 2,
    ("v2", "PRODUCTION"): (
        "https://api.phonepe.com/apis/pg",
        "https://api.phonepe.com/apis/identity-manager",
    ),
}


@pytest.fixture
def real(settings):
    """No simulation; a V1 and a V2 account are configured."""
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_MERCHANT_ID = "M2OURS"
    settings.PHONEPE_SALT_KEY = "our-salt"
    settings.PHONEPE_CLIENT_ID = "SU123"
    settings.PHONEPE_CLIENT_SECRET = "our-secret"
    settings.PHONEPE_WEBHOOK_USERNAME = "our_hook"
    settings.PHONEPE_WEBHOOK_PASSWORD = "hook-pass-1"
    return settings


# --- which merchant ---


def test_without_credentials_no_payment_can_start(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    with pytest.raises(NotConfigured):
        credentials.current()


def test_a_client_id_means_v2(real):
    assert credentials.current().identity == Identity("v2", "UAT", "SU123", False)


def test_a_merchant_id_with_a_salt_key_means_v1(real):
    real.PHONEPE_CLIENT_ID = ""
    assert credentials.current().identity == Identity("v1", "UAT", "M2OURS", False)


def test_the_generation_can_be_chosen_and_the_other_stays_known(real):
    real.PHONEPE_API_VERSION = "v1"
    assert credentials.current().identity.generation == "v1"
    assert [merchant.identity.generation for merchant in credentials.known_merchants()] == ["v1", "v2"]
    assert credentials.for_identity(Identity("v2", "UAT", "SU123", False)).client_secret == "our-secret"


def test_a_generation_chosen_without_its_credentials_is_not_replaced_by_the_other(real):
    real.PHONEPE_API_VERSION = "v1"
    real.PHONEPE_SALT_KEY = ""
    with pytest.raises(NotConfigured):
        credentials.current()


@pytest.mark.parametrize(("generation", "environment"), DOCUMENTED)
def test_without_a_base_url_the_documented_addresses_are_used(real, generation, environment):
    real.PHONEPE_API_VERSION, real.PHONEPE_ENV = generation, environment
    (endpoint,) = credentials.current().endpoints
    assert (endpoint.base_url, endpoint.auth_base_url) == DOCUMENTED[generation, environment]


def test_a_base_url_is_for_the_generation_in_use_only(real):
    real.PHONEPE_API_VERSION = "v1"
    real.PHONEPE_BASE_URL = "https://api-preprod.phonepe.com/apis/hermes"
    v1, v2 = credentials.known_merchants()
    assert v1.endpoints[0].base_url == "https://api-preprod.phonepe.com/apis/hermes"
    assert v2.endpoints[0].base_url == "https://api-preprod.phonepe.com/apis/pg-sandbox"


def test_no_secret_shows_in_a_merchant(real):
    real.PHONEPE_WEBHOOK_SECRET = "whsec-1"
    real.PHONEPE_PROXY_URL = "http://me:proxy-pass@proxy.example:3128"
    for merchant in credentials.known_merchants():
        shown = repr(merchant)
        for secret in ("our-salt", "our-secret", "hook-pass-1", "whsec-1", "proxy-pass"):
            assert secret not in shown
        assert merchant.endpoints[0].proxy_name == "http://proxy.example:3128"


# --- former credentials ---


def test_former_credentials_serve_their_own_old_orders_and_nothing_else(real):
    real.PHONEPE_PREVIOUS = [{"merchant_id": "M1OLD", "salt_key": "old-salt", "salt_index": 2}]
    old = credentials.for_identity(Identity("v1", "UAT", "M1OLD", False))
    assert (old.salt_keys, old.salt_index) == ({2: "old-salt"}, 2)
    assert credentials.current().identity.merchant == "SU123"


def test_an_order_of_another_environment_is_not_asked_about_with_our_key(real):
    with pytest.raises(NotConfigured):
        credentials.for_identity(Identity("v2", "PRODUCTION", "SU123", False))


def test_after_a_change_of_keys_the_old_ones_verify_and_the_new_ones_ask(real):
    real.PHONEPE_CLIENT_ID = ""
    real.PHONEPE_PREVIOUS = [{"merchant_id": "M2OURS", "salt_key": "old-salt", "salt_index": 2}]
    assert [merchant.salt_keys for merchant in credentials.known_merchants()] == [
        {1: "our-salt"},
        {2: "old-salt"},
    ]
    assert credentials.for_identity(Identity("v1", "UAT", "M2OURS", False)).salt_keys == {1: "our-salt"}


@pytest.mark.parametrize(
    "previous",
    [
        {"merchant_id": "M1"},
        ["M1"],
        [{"merchant": "M1"}],
        [{"merchant_id": "M1", "salt_key": "s", "salt_index": "one"}],
        [{"merchant_id": "M1", "salt_key": "s", "env": "LIVE"}],
    ],
)
def test_former_credentials_that_make_no_sense_are_refused(real, previous):
    real.PHONEPE_PREVIOUS = previous
    with pytest.raises(ImproperlyConfigured, match="PHONEPE_PREVIOUS"):
        credentials.known_merchants()


# --- simulation ---


@pytest.mark.parametrize(
    ("version", "identity"),
    [
        ("auto", Identity("v2", "UAT", "SIM-CLIENT", True)),
        ("v1", Identity("v1", "UAT", "PGTESTPAYUAT", True)),
    ],
)
def test_simulation_needs_no_credentials(settings, version, identity):
    settings.PHONEPE_API_VERSION = version
    merchant = credentials.current()
    assert merchant.identity == identity
    assert merchant.endpoints[0].base_url == "http://phonepe.simulator/simulator/apis/pg-sandbox"


def test_no_real_secret_ever_enters_the_simulation(real):
    real.PHONEPE_SIMULATION_MODE = True
    merchant = credentials.current()
    assert (merchant.client_secret, merchant.webhook_password) == ("sim-secret", "Sim-pass-9")
    assert merchant.identity.simulated


def test_simulation_rehearses_the_generation_that_is_configured(real):
    real.PHONEPE_SIMULATION_MODE, real.PHONEPE_CLIENT_ID = True, ""
    real.PHONEPE_BASE_URL = "https://api-preprod.phonepe.com/apis/hermes"
    merchant = credentials.current()
    assert merchant.identity == Identity("v1", "UAT", "PGTESTPAYUAT", True)
    assert merchant.endpoints[0].host == "phonepe.simulator"


def test_real_orders_can_still_be_asked_about_during_simulation(real):
    real.PHONEPE_SIMULATION_MODE = True
    assert credentials.for_identity(Identity("v2", "UAT", "SU123", False)).client_secret == "our-secret"


def test_simulated_orders_are_parked_once_simulation_is_off(real):
    with pytest.raises(NotConfigured):
        credentials.for_identity(Identity("v2", "UAT", "SIM-CLIENT", True))


def test_a_simulator_of_its_own_process_is_used_with_its_fallbacks(settings):
    settings.PHONEPE_BASE_URL = "http://127.0.0.1:9000/simulator/apis/pg-sandbox"
    settings.PHONEPE_FALLBACK_BASE_URLS = [
        "http://127.0.0.1:9001/simulator/apis/pg-sandbox",
        "https://api.phonepe.com",
    ]
    assert [endpoint.port for endpoint in credentials.current().endpoints] == [9000, 9001]


@pytest.mark.parametrize(
    ("own", "base", "is_own"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "http://localhost:8000", True),
        ("http://localhost:8000", "http://127.0.0.1:8000", True),
        ("http://localhost:8000", "http://[::1]:8000", True),
        ("http://localhost", "http://127.0.0.1:80", True),
        ("http://127.0.0.1:8000", "http://LOCALHOST.:8000", True),
        ("http://127.0.0.1:8000", "http://127.0.0.1:9000", False),
        ("http://127.0.0.1:800", "http://127.0.0.1:8000", False),
        ("https://shop.example", "http://127.0.0.1:443", False),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_simulator_inside_this_site_has_its_own_keys_however_it_is_spelled(
    settings, own, base, is_own, version
):
    settings.PUBLIC_BASE_URL, settings.PHONEPE_BASE_URL = own, f"{base}/simulator/apis/pg-sandbox"
    settings.PHONEPE_API_VERSION = version
    settings.SIMULATOR_CREDENTIALS = simulator_credentials("the-secret-key-of-this-installation")
    keys = settings.SIMULATOR_CREDENTIALS[version]
    merchant = credentials.current()
    used = merchant.client_secret if version == "v2" else merchant.salt_keys[1]

    assert (used == (keys.get("client_secret") or keys.get("salt_key"))) is is_own
    assert (used in ("sim-secret", "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399")) is not is_own


def test_money_of_this_machine_is_never_real(real):
    real.PHONEPE_BASE_URL = "http://localhost:9000/apis/pg-sandbox"
    merchant = credentials.current()
    assert merchant.identity == Identity("v2", "UAT", "SU123", True)
    assert merchant.client_secret == "our-secret"


# --- addresses ---


def test_a_fallback_may_have_a_proxy_and_a_token_address_of_its_own(real):
    real.PHONEPE_PROXY_URL = "http://common.example:3128"
    real.PHONEPE_FALLBACK_BASE_URLS = [
        "https://api-preprod.phonepe.com/apis/pg-sandbox|proxy=http://u:p@other.example:8080|auth=https://a.example/t",
        "https://relay.example/apis/pg-sandbox/",
    ]
    first, second, third = credentials.current().endpoints
    assert first.proxy == "http://common.example:3128"
    assert (second.proxy, second.auth_base_url) == ("http://u:p@other.example:8080", "https://a.example/t")
    assert third == Endpoint(
        "https://relay.example/apis/pg-sandbox", "https://relay.example/apis/pg-sandbox", first.proxy
    )


def test_a_loopback_endpoint_takes_no_proxy(real):
    real.PHONEPE_PROXY_URL = "http://common.example:3128"
    real.PHONEPE_BASE_URL = "http://[::1]:9000/apis/pg-sandbox"
    assert credentials.current().endpoints[0].proxy is None


def test_a_host_of_pages_is_never_signed_for(real):
    real.PHONEPE_FALLBACK_BASE_URLS = ["https://mercury-t2.phonepe.com/apis/hermes"]
    assert [endpoint.signs for endpoint in credentials.current().endpoints] == [True, False]


def test_a_host_of_pages_as_base_url_is_replaced_by_the_documented_address(real):
    real.PHONEPE_BASE_URL = "https://mercury-t2.phonepe.com/apis/hermes"
    called, probed = credentials.current().endpoints
    assert (called.base_url, called.signs) == (credentials.SANDBOX, True)
    assert (probed.host, probed.signs) == ("mercury-t2.phonepe.com", False)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PHONEPE_FALLBACK_BASE_URLS", ["https://api.phonepe.com/apis/pg"], "PHONEPE_ENV is UAT"),
        (
            "PHONEPE_FALLBACK_BASE_URLS",
            ["https://x.example|auth=https://api.phonepe.com/apis/identity-manager"],
            "UAT",
        ),
        ("PHONEPE_FALLBACK_BASE_URLS", ["http://127.0.0.1:9000/apis"], "in one list"),
        ("PHONEPE_FALLBACK_BASE_URLS", ["https://x.example|via=proxy"], "is not URL"),
        ("PHONEPE_BASE_URL", "https://api.phonepe.com/apis/pg", "belongs to PRODUCTION"),
        ("PHONEPE_BASE_URL", "https://api-testing.phonepe.com/apis/hermes", "own test stage"),
        ("PHONEPE_BASE_URL", "http://relay.example/apis", "must be https"),
        ("PHONEPE_BASE_URL", "https://user:pass@relay.example/apis", "is not a base URL"),
        ("PHONEPE_BASE_URL", "relay.example", "is not a base URL"),
        ("PHONEPE_BASE_URL", "https://relay.example:port", "is not a base URL"),
        ("PHONEPE_PROXY_URL", "socks5://proxy.example", "A proxy"),
    ],
)
def test_addresses_that_mix_money_or_leak_credentials_are_refused(real, name, value, reason):
    setattr(real, name, value)
    with pytest.raises(ImproperlyConfigured, match=reason):
        credentials.current()


@pytest.mark.parametrize(
    "base",
    [
        "https://api-preprod.phonepe.com/apis/pg-sandbox",
        "http://127.0.0.1:9000/apis",
        # A dot after the name changes nothing about whose host it is.
        "https://api-preprod.phonepe.com./apis/pg-sandbox",
        "https://localhost.:9000/apis",
    ],
)
def test_production_never_falls_back_to_play_money(real, base):
    real.PHONEPE_ENV = "PRODUCTION"
    real.PHONEPE_BASE_URL = base
    with pytest.raises(ImproperlyConfigured, match="PHONEPE_ENV is PRODUCTION"):
        credentials.current()


def test_a_dot_after_the_name_lets_nobody_sign_for_a_host_of_pages(real):
    real.PHONEPE_FALLBACK_BASE_URLS = ["https://mercury-t2.phonepe.com./apis/hermes"]
    endpoints = credentials.current().endpoints
    assert [(each.host, each.signs) for each in endpoints] == [
        ("api-preprod.phonepe.com", True),
        ("mercury-t2.phonepe.com", False),
    ]


@pytest.mark.parametrize(
    ("base", "port"),
    [("https://a.example/x", 443), ("http://127.0.0.1/x", 80), ("https://a.example:8443", 8443)],
)
def test_an_endpoint_knows_its_port(base, port):
    assert Endpoint(base, base).port == port


def test_the_settings_are_parsed_once_and_again_only_after_a_change(settings):
    first = credentials.config()
    assert credentials.config() is first
    settings.PHONEPE_MAX_RETRIES = first.max_retries + 1
    assert credentials.config().max_retries == first.max_retries + 1
