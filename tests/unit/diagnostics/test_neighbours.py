import pytest

from diagnostics import neighbours
from tests.unit.diagnostics.servers import refusing_port, scripted

pytestmark = pytest.mark.sockets


@pytest.fixture
def mail_server(settings):
    settings.EMAIL_BACKEND = neighbours.SMTP
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    return settings


def test_a_mail_server_that_greets_is_well(mail_server):
    with scripted(b"220 mail ready\r\n", b"250 mail\r\n", b"221 bye\r\n") as port:
        mail_server.EMAIL_PORT = port
        hop = neighbours.mail()
    assert (hop.ok, hop.target) == (True, f"127.0.0.1:{port}")
    assert "250" in hop.detail


def test_a_mail_server_that_refuses_is_named_with_its_address(mail_server):
    mail_server.EMAIL_PORT = refusing_port()
    hop = neighbours.mail()
    assert (hop.ok, hop.fault, hop.target) == (False, "down", f"127.0.0.1:{mail_server.EMAIL_PORT}")
    assert "refused" in hop.detail


def test_a_mail_server_that_turns_us_away_is_down(mail_server):
    with scripted(b"554 no service for you\r\n") as port:
        mail_server.EMAIL_PORT = port
        hop = neighbours.mail()
    assert (hop.ok, hop.fault) == (False, "down")
    assert "no service for you" in hop.detail


def test_a_mail_server_that_offers_no_encryption_is_down_where_mails_need_it(mail_server):
    mail_server.EMAIL_USE_TLS = True
    with scripted(b"220 mail ready\r\n", b"250 mail\r\n", b"221 bye\r\n") as port:
        mail_server.EMAIL_PORT = port
        assert neighbours.mail().fault == "down"


def test_without_a_mail_server_there_is_nothing_to_reach(settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert neighbours.mail().ok is True


def test_no_broker_is_no_fault(settings):
    settings.BROKER_URL = ""
    assert neighbours.broker() is None


def test_a_broker_that_takes_connections_is_well(settings):
    with scripted() as port:
        settings.BROKER_URL = f"redis://127.0.0.1:{port}/0"
        assert neighbours.broker().ok is True


def test_a_broker_that_refuses_is_named_with_its_address_and_without_its_login(settings):
    port = refusing_port()
    settings.BROKER_URL = f"amqp://okpuja:the-broker-password@127.0.0.1:{port}//"
    hop = neighbours.broker()
    assert (hop.ok, hop.fault, hop.target) == (False, "down", f"127.0.0.1:{port}")
    assert "Connection refused" in hop.detail
    assert "the-broker-password" not in repr(hop)


def test_a_broker_url_that_is_none_is_said_to_be_none(settings):
    settings.BROKER_URL = "amqp://broker:port"
    assert neighbours.broker().fault == "down"


def test_room_on_the_disk_is_counted():
    assert neighbours.disk().ok is True
    hop = neighbours.disk(least_free=1 << 62)
    assert (hop.ok, hop.fault) == (False, "full")
    assert "MiB" in hop.detail
