"""An HTTP server that answers every probe as a PhonePe host would, without credentials and orders."""

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ORDER_UNKNOWN = (404, {"success": False, "code": "TRANSACTION_NOT_FOUND", "message": "none", "data": {}})
NOT_MAPPED = (400, {"message": "Bad Request - Api Mapping Not Found"})


class FakePhonePe:
    """PhonePe as a diagnosis probes it. Requests that need credentials get `answer`; all of them stand in `asked`."""

    def __init__(self, answer: tuple[int, Any] = ORDER_UNKNOWN, certificate: Path | None = None) -> None:
        self.answer = answer
        self.date: str | None = None
        self.is_mute = False  # to questions
        self.over = threading.Event()
        self.asked: list[tuple[str, str]] = []
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.handle_error = lambda *_: None  # a caller who hangs up is what some tests are about
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake belongs to the thread of the connection, not to the one that accepts.
            self._http.socket = context.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._http.server_address[1]
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> "FakePhonePe":
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def probes(self) -> int:
        return len([path for _, path in self.asked if not _needs_credentials(path)])

    @property
    def questions(self) -> int:
        return len(self.asked) - self.probes


def _handler(server: FakePhonePe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append((self.command, self.path))
            if server.is_mute and _needs_credentials(self.path):
                server.over.wait(30)
            status, said = server.answer if _needs_credentials(self.path) else NOT_MAPPED
            is_json = not isinstance(said, str)
            body = json.dumps(said).encode() if is_json else said.encode()
            self.send_response_only(status)
            if server.date:
                self.send_header("Date", server.date)
            self.send_header("Content-Type", "application/json" if is_json else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # a token is asked for by POST

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _needs_credentials(path: str) -> bool:
    return "/status" in path or path.endswith("/oauth/token")
