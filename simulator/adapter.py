"""A `requests` transport adapter that calls the simulator in this process, for SIMULATOR_ORIGIN.

An armed fault raises the exception that `requests` raises on a real connection, with the same inner errors.
"""

import io
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from django.conf import settings
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from simulator import control, dispatcher, router
from simulator.wire import Request, Response, json_response


class SimulatorAdapter(BaseAdapter):
    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        response = handle(_read(request))
        if response.connection_fault:
            raise _connection_error(response.connection_fault, request)
        # A caller that would time out first gets its timeout at once.
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        if patience is not None and response.delay_seconds > float(patience):
            raise _connection_error("silence", request)
        time.sleep(response.delay_seconds)
        return _write(response, request)

    def close(self) -> None:
        """Nothing to close: every call is a function call."""


def handle(request: Request) -> Response:
    if not settings.PHONEPE_SIMULATION_MODE:
        return json_response({"error": "There is no simulator here."}, 404)
    is_call = request.path.startswith(router.PREFIX)
    response = router.handle(request) if is_call else control.handle(request)
    if request.method == "POST":
        dispatcher.wake(at_once=not is_call)
    return response


def _read(request: requests.PreparedRequest) -> Request:
    url = urlsplit(request.url or "")
    body = request.body or b""
    # As a server reads them: headers are encoded in Latin-1.
    headers = {
        name: value.decode("latin-1") if isinstance(value, bytes) else value
        for name, value in request.headers.items()
    }
    return Request(
        method=request.method or "GET",
        path=unquote(url.path),
        query=dict(parse_qsl(url.query)),
        headers=CaseInsensitiveDict(headers),
        body=body.encode() if isinstance(body, str) else body,
    )


def _write(response: Response, request: requests.PreparedRequest) -> requests.Response:
    raw = HTTPResponse(
        body=io.BytesIO(response.body),
        headers=response.headers,
        status=response.status,
        preload_content=False,
        request_method=request.method,
    )
    written = requests.Response()
    written.status_code = response.status
    written.headers = CaseInsensitiveDict(response.headers)
    written.encoding = requests.utils.get_encoding_from_headers(written.headers)
    written.raw = raw
    written.reason = raw.reason or ""
    written.url = request.url or ""
    written.request = request
    return written


def _connection_error(connection_fault: str, request: requests.PreparedRequest) -> requests.RequestException:
    url = urlsplit(request.url or "")
    pool = HTTPConnectionPool(url.hostname or "", url.port)
    connection = HTTPConnection(url.hostname or "", url.port or 80)
    if connection_fault == "refuse":
        cause = NewConnectionError(
            connection, "Failed to establish a new connection: [Errno 111] Connection refused"
        )
        cause.__cause__ = ConnectionRefusedError(111, "Connection refused")
        return requests.ConnectionError(MaxRetryError(pool, url.path, cause), request=request)
    if connection_fault == "connect_timeout":
        late = ConnectTimeoutError(connection, "Connection timed out")
        return requests.ConnectTimeout(MaxRetryError(pool, url.path, late), request=request)
    if connection_fault == "silence":
        return requests.ReadTimeout(ReadTimeoutError(pool, url.path, "Read timed out."), request=request)
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)
