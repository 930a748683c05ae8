"""The sender in docs/message-senders.md, as it stands there, against a server that plays an SMS provider."""

import json
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from notifications.message_sender import MessageNotSent, MessageRefused, TextMessage, send_text

pytestmark = pytest.mark.sockets
PAGE = Path(__file__).parents[3] / "docs" / "message-senders.md"
MESSAGE = TextMessage(
    "<1@localhost>", "booked", "+919876543210", "hi", "OkPuja: …", {"puja": "गणेश", "book_id": "BK-1"}
)


class Provider(ThreadingHTTPServer):
    """Answers with the next of `statuses`, and keeps what it was sent."""

    class RequestHandlerClass(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.server.seen.append((self.headers["Authorization"], body))
            self.send_response(self.server.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)
        self.seen, self.statuses = [], []


@pytest.fixture
def provider(monkeypatch, tmp_path, settings):
    """With the module of the page on the Python path."""
    _before, _is, code = PAGE.read_text().partition("    # okpuja_messages.py")
    lines = [line for line in code.splitlines()[1:] if line.startswith("    ") or not line]
    end = next(number for number, line in enumerate(code.splitlines()[1:]) if line and line[0] != " ")
    (tmp_path / "okpuja_messages.py").write_text(textwrap.dedent("\n".join(lines[:end])))
    monkeypatch.syspath_prepend(tmp_path)
    settings.MESSAGE_SENDER = "okpuja_messages.Sender"
    with Provider() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("SMS_URL", f"http://127.0.0.1:{server.server_port}/send")
        monkeypatch.setenv("SMS_KEY", "key-of-the-provider")
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_it_sends_the_text_with_its_template_and_the_same_reference_at_every_try(provider):
    provider.statuses += [503, 200]
    with pytest.raises(MessageNotSent) as failed:
        send_text(MESSAGE)
    send_text(MESSAGE)

    (login, first), (_login, second) = provider.seen
    assert login == "Bearer key-of-the-provider"
    assert first == second
    assert first == {
        "to": MESSAGE.phone,
        "text": MESSAGE.text,
        "template": "1007161",
        "values": MESSAGE.values,
        "reference": MESSAGE.id,
    }
    assert MESSAGE.phone not in str(failed.value)


@pytest.mark.django_db(transaction=True)
def test_a_number_that_the_provider_refuses_is_not_tried_again(provider):
    provider.statuses += [422]
    with pytest.raises(MessageRefused):
        send_text(MESSAGE)


@pytest.mark.django_db(transaction=True)
def test_a_provider_that_is_down_is_tried_later(provider, monkeypatch):
    monkeypatch.setenv("SMS_URL", "http://127.0.0.1:9/send")
    with pytest.raises(MessageNotSent):
        send_text(MESSAGE)
