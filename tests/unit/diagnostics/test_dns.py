import socket
import threading

import pytest

from diagnostics.dns import DnsClients, resolve
from diagnostics.enums import Finding
from payment.phonepe.transport import Deadline, Resolver
from tests.harness.name_server import NameServer

pytestmark = pytest.mark.sockets
HOST = "api.phonepe.com"


def unknown(*_, **__):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def leads_to(*addresses):
    families = {".": socket.AF_INET, ":": socket.AF_INET6}
    found = [
        (families["." if "." in each else ":"], socket.SOCK_STREAM, 6, "", (each, 443)) for each in addresses
    ]
    return lambda *_, **__: found


def looked_up(lookup, servers=None, host=HOST, seconds=5.0, is_public=True):
    deadline = Deadline(seconds)
    pending = resolve(host, 443, deadline, DnsClients(Resolver(lookup), servers), is_public=is_public)
    return pending.finish(deadline)


@pytest.mark.parametrize(
    ("said", "finding"),
    [
        ("NXDOMAIN", Finding.NAME_UNKNOWN),
        ("SERVFAIL", Finding.NAME_SERVER_FAILED),
        ("REFUSED", Finding.NAME_SERVER_FAILED),
        ("silence", Finding.NAME_SERVER_SILENT),
    ],
)
def test_unknown_name_failing_and_silent_name_server_are_distinguished(said, finding):
    """The system's resolver says the same of all of them."""
    with NameServer(api_phonepe_com=said) as server:
        resolution = looked_up(unknown, [server.address], seconds=1.0)
    assert resolution.finding == finding
    assert resolution.error == "gaierror: [Errno -2] Name or service not known"


def test_an_unreachable_name_server_is_silent_not_failing():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    assert looked_up(unknown, [f"127.0.0.1:{port}"], seconds=1.0).finding == Finding.NAME_SERVER_SILENT


def test_a_name_that_only_this_system_cannot_resolve_is_its_own_fault():
    with NameServer(api_phonepe_com=["192.0.2.7"]) as server:
        resolution = looked_up(unknown, [server.address])
    assert resolution.finding == Finding.SYSTEM_RESOLVER_FAILED
    assert resolution.name_server.addresses == ("192.0.2.7",)


def test_the_responding_server_and_its_addresses_are_reported_by_family():
    with NameServer(api_phonepe_com=["192.0.2.7", "2001:db8::7"]) as server:
        resolution = looked_up(leads_to("192.0.2.7", "2001:db8::7"), [server.address])
    assert resolution.name_server.addresses == ("192.0.2.7", "2001:db8::7")
    assert "127.0.0.1" in resolution.source
    assert (resolution.of_family("ipv4"), resolution.of_family("ipv6")) == (("192.0.2.7",), ("2001:db8::7",))
    assert resolution.finding == ""


@pytest.mark.parametrize(
    "address", ["10.3.4.5", "192.168.1.1", "172.20.0.1", "100.64.0.9", "fd00::1", "169.254.1.1"]
)
def test_a_private_address_of_phonepe_is_reported(address):
    assert looked_up(leads_to(address)).finding == Finding.PRIVATE_ANSWER


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "::", "::1"])  # noqa: S104 - nobody binds
def test_an_unroutable_address_is_a_sinkhole(address):
    assert looked_up(leads_to(address)).finding == Finding.SINKHOLE_ANSWER


def test_phonepe_may_be_in_a_trusted_network(settings):
    settings.DIAGNOSIS_TRUSTED_NETWORKS = ["10.0.0.0/8"]
    assert looked_up(leads_to("10.3.4.5")).finding == ""
    assert looked_up(leads_to("192.168.1.1")).finding == Finding.PRIVATE_ANSWER


def test_configured_names_may_be_in_private_networks():
    assert looked_up(leads_to("10.3.4.5"), is_public=False).finding == ""


def test_an_ip_address_is_not_looked_up():
    resolution = looked_up(None, ["127.0.0.1:1"], host="127.0.0.1")
    assert (resolution.all_addresses, resolution.source) == (("127.0.0.1",), "given as an address")


def test_a_silent_resolver_does_not_exceed_the_deadline():
    never, deadline = threading.Event(), Deadline(30)
    with NameServer(api_phonepe_com="silence") as server:
        resolution = looked_up(lambda *_, **__: never.wait(30), [server.address], seconds=0.5)
    never.set()
    assert resolution.finding == Finding.NAME_SERVER_SILENT
    assert deadline.remaining() > 28


@pytest.mark.parametrize(
    ("code", "finding"),
    [(socket.EAI_NONAME, Finding.NAME_UNKNOWN), (socket.EAI_AGAIN, Finding.NAME_SERVER_FAILED)],
)
def test_without_a_name_server_the_error_of_the_system_decides(code, finding):
    def failing(*_, **__):
        raise socket.gaierror(code, "no")

    assert looked_up(failing).finding == finding
