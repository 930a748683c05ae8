import pytest

from diagnostics.targets import Role, Target, control_targets, phonepe_targets, sibling_targets
from payment.phonepe.credentials import current

PROXY = "http://user:pass-word@10.0.0.7:3128"


@pytest.fixture
def real_v2(settings):
    settings.PHONEPE_SIMULATION_MODE = False
    settings.PHONEPE_CLIENT_ID = "CLIENTOKPUJA"
    settings.PHONEPE_CLIENT_SECRET = "a-client-secret"
    return settings


def roles(found):
    return [(target.role, target.host_port) for target in found]


def test_every_endpoint_is_a_target_and_page_hosts_have_their_role(real_v1):
    real_v1.PHONEPE_FALLBACK_BASE_URLS = ["https://mercury-uat.phonepe.com/apis/hermes"]
    assert roles(phonepe_targets(current())) == [
        (Role.API, "api-preprod.phonepe.com:443"),
        (Role.PAGE, "mercury-uat.phonepe.com:443"),
    ]


def test_tokens_have_their_own_target_only_at_another_host(real_v2):
    assert roles(phonepe_targets(current())) == [(Role.API, "api-preprod.phonepe.com:443")]
    real_v2.PHONEPE_BASE_URL = "https://payments.example/pg"
    real_v2.PHONEPE_AUTH_BASE_URL = "https://tokens.example/v1"
    assert roles(phonepe_targets(current())) == [
        (Role.API, "payments.example:443"),
        (Role.TOKEN, "tokens.example:443"),
    ]


def test_an_address_that_issues_its_own_tokens_is_marked(real_v2):
    first, second = "https://payments.example/pg", "https://all-in-one.example/pg"
    real_v2.PHONEPE_BASE_URL, real_v2.PHONEPE_AUTH_BASE_URL = first, "https://tokens.example/v1"
    real_v2.PHONEPE_FALLBACK_BASE_URLS = [f"{second}|auth={second}"]
    assert [target.host for target in phonepe_targets(current()) if target.serves(Role.TOKEN)] == [
        "tokens.example",
        "all-in-one.example",
    ]


def test_every_control_host_is_probed_by_every_route_that_payments_take(real_v1):
    real_v1.DIAGNOSIS_CONTROL_URLS = ["https://one.example", "https://two.example"]
    real_v1.PHONEPE_FALLBACK_BASE_URLS = [f"https://api-preprod.phonepe.com/apis/pg-sandbox|proxy={PROXY}"]
    found = control_targets(phonepe_targets(current()))
    assert [(target.host, target.route) for target in found] == [
        ("one.example", "directly"),
        ("two.example", "directly"),
        ("one.example", "through the proxy 10.0.0.7:3128"),
        ("two.example", "through the proxy 10.0.0.7:3128"),
    ]


def test_the_other_environment_is_probed_only_if_phonepe_itself_is_configured(real_v1):
    assert roles(sibling_targets(phonepe_targets(current()))) == [(Role.SIBLING, "api.phonepe.com:443")]
    real_v1.PHONEPE_BASE_URL = "http://127.0.0.1:9/apis/pg-sandbox"
    assert sibling_targets(phonepe_targets(current())) == ()


def test_the_login_of_a_proxy_is_shown_nowhere():
    target = Target(Role.API, "https://api.phonepe.com/apis/pg", PROXY)
    assert "pass-word" not in f"{target!r} {target.route} {target.public_name} {target.host_port}"


def test_public_names_contain_only_addresses_of_phonepe():
    assert Target(Role.API, "https://api.phonepe.com/apis/pg").public_name == "api.phonepe.com"
    assert Target(Role.API, "https://api.phonepe.com/apis/pg", PROXY).public_name == "api.phonepe.com (proxy)"
    assert Target(Role.API, "https://10.0.0.9/apis/pg").public_name == "configured address"
    assert Target(Role.API, "https://phonepe.com.evil.example/").public_name == "configured address"
