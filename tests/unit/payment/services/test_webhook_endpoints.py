"""Which addresses may be called: the URL when it is typed, and where its name leads when it is called."""

import socket

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone

from payment.models import WebhookDelivery, WebhookEndpoint
from payment.services import webhook_endpoints, webhook_sending
from payment.services.webhook_endpoints import (
    NotPublic,
    check_url,
    create_endpoint,
    public_addresses,
    rotate_secret,
    secrets_of,
)
from worker.jobs import run_due


@pytest.fixture
def real_money(settings):
    settings.PHONEPE_SIMULATION_MODE = False


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hooks",
        "https://user:word@example.com/hooks",
        "https://example.com:22/hooks",
        "https://example.com:99999/",
        "https://example.com/#part",
        "ftp://example.com/",
        "example.com",
    ],
)
def test_what_is_refused_when_it_is_typed(url, real_money):
    with pytest.raises(ValidationError):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://example.com/hooks?team=1", "https://example.com:8443/", "https://a.b:443"]
)
def test_what_is_taken(url, real_money):
    check_url(url)


PRIVATE = [
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "240.0.0.1"),  # noqa: S104
    *("::1", "::", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a00:1::"),
]


@pytest.fixture
def dns(monkeypatch):
    def answer(*addresses):
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]
        monkeypatch.setattr(webhook_endpoints.socket, "getaddrinfo", lambda *_, **__: found)

    return answer


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_into_a_private_network_is_not_called(address, dns, real_money):
    dns(address)
    with pytest.raises(NotPublic):
        public_addresses("example.com", 443)


@pytest.mark.parametrize("address", PRIVATE)
def test_one_private_address_among_public_ones_is_enough(address, dns, real_money):
    dns("93.184.216.34", address)
    with pytest.raises(NotPublic):
        public_addresses("example.com", 443)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"]
)
def test_public_addresses_are_called(address, dns, real_money):
    dns(address)
    assert public_addresses("example.com", 443)


@pytest.mark.parametrize(
    "address", [each for each in PRIVATE if each not in ("127.0.0.1", "127.8.8.8", "::1")]
)
def test_simulation_opens_this_machine_and_no_private_network(address, dns):
    dns(address)
    with pytest.raises(NotPublic):
        public_addresses("example.com", 443)


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433"])
def test_nothing_is_sent_to_this_machine_beside_real_money(host, real_money):
    """However it is spelled: the connection is refused before it is made, and the log says why."""
    endpoint = WebhookEndpoint.objects.create(
        url=f"https://{host}/", secret=webhook_endpoints.encrypt("whsec_AAAA")
    )
    webhook_sending.send_test_event(endpoint)
    run_due(["webhooks"])

    made = WebhookDelivery.objects.get().tries[0]
    assert made["status"] is None
    assert "not on the public internet" in made["error"]


@pytest.mark.sockets
@pytest.mark.django_db(transaction=True)
def test_a_name_that_changes_between_look_and_connection_changes_nothing(monkeypatch, real_money):
    """DNS says a public address first and this machine a moment later: what was looked at is what is called."""
    asked, called = [], []

    def rebinding(host, port, **how):
        asked.append(host)
        target = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (target, port))]

    def connect(self, target):
        called.append(target[0])
        raise OSError("no way out in this test")

    monkeypatch.setattr(webhook_endpoints.socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket.socket, "connect", connect)
    webhook_sending._post("https://rebinding.example/", b"{}", {})

    assert asked == ["rebinding.example"]
    assert called == ["93.184.216.34"]


@pytest.mark.django_db
def test_a_new_endpoint_has_a_secret_of_its_own():
    (_, first), (_, second) = (create_endpoint("https://example.com/hooks") for _ in range(2))

    assert first != second
    assert first.startswith("whsec_")


@pytest.mark.django_db
def test_secrets_move_to_the_first_key_and_the_former_one_may_go(settings):
    endpoint, secret = create_endpoint("https://example.com/hooks")
    new = rotate_secret(endpoint)
    settings.DATA_KEYS = ["a-new-key-of-many-letters"]
    call_command("reencrypt_webhook_secrets")
    settings.SECRET_KEY = "another-secret-key-" + "x" * 40

    assert secrets_of(WebhookEndpoint.objects.get(), timezone.now()) == [new, secret]
    settings.DATA_KEYS = ["lost"]
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("reencrypt_webhook_secrets")
