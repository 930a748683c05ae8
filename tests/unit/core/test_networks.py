"""Who a request comes from, with and without proxies in front."""

import pytest
from django.test import RequestFactory

from core.networks import client_address, network_of

PROXY = "10.0.0.1"


def address(settings, proxies, forwarded=None, peer=PROXY):
    settings.NUM_PROXIES = proxies
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers))


@pytest.mark.parametrize(
    ("proxies", "forwarded", "found"),
    [
        (0, None, PROXY),
        (0, "203.0.113.5", PROXY),
        (1, None, PROXY),
        (1, "203.0.113.5", "203.0.113.5"),
        (1, "192.0.2.1, 203.0.113.5", "203.0.113.5"),
        (2, "192.0.2.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),
        (2, "203.0.113.5", "203.0.113.5"),
        (1, "203.0.113.5:4711", "203.0.113.5"),
        (1, "[2001:db8::1]:4711", "2001:db8::1"),
        (1, "2001:DB8:0::1", "2001:db8::1"),
        (1, "::ffff:203.0.113.5", "203.0.113.5"),
        (1, "fe80::1%eth0", "fe80::1"),
        (1, "nonsense", "unknown"),
        (1, "", PROXY),
    ],
)
def test_the_address_is_what_the_outermost_proxy_of_ours_saw(settings, proxies, forwarded, found):
    assert address(settings, proxies, forwarded) == found


@pytest.mark.parametrize(
    "peer",
    [
        "2002:c633:6407::1",
        "2002:c633:6407:ffff::1",
        "64:ff9b::c633:6407",
        "::ffff:198.51.100.7",
        "[64:ff9b::c633:6407]:80",
    ],
)
def test_an_ipv4_host_behind_a_gateway_to_ipv6_is_that_host(settings, peer):
    """One IPv4 address has 65,536 networks of 6to4; all hosts share the one network of NAT64."""
    assert network_of(address(settings, 0, peer=peer)) == "198.51.100.7"


def test_a_socket_file_has_no_address(settings):
    assert address(settings, 0, peer="") == "unknown"


@pytest.mark.parametrize(
    ("one", "network"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_network_is_what_one_customer_of_a_provider_has(one, network):
    assert network_of(one) == network
