"""HTTP connections to PhonePe: one session per process; every attempt has a deadline and knows the stage it reached.

`requests` bounds neither name resolution, nor several addresses, nor a slow answer, and its exceptions
cannot tell a silent TLS handshake from a silent answer. So the connections are ours: they find the `InFlightRequest`
of this context, take their timeouts from its deadline and write the `Stage` they reach into it.
"""

import functools
import http.client
import io
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent import futures
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
import urllib3
from django.conf import settings
from django.utils import timezone
from django.utils.module_loading import import_string
from requests.adapters import HTTPAdapter
from urllib3 import connection as urllib3_connection
from urllib3 import exceptions as urllib3_errors
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from core.databases import release_connections
from payment.phonepe.enums import Stage

LARGEST_BODY = 1_048_576
CHUNK = 65_536

Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
Lookup = Callable[..., list[Address]]


class ResponseTooLarge(Exception):
    """An answer larger than any that PhonePe sends."""


class DeadlineExceeded(TimeoutError):
    """The time for this attempt is over."""


class Deadline:
    """A moment in the future, in seconds from now on a monotonic clock."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._end = clock() + seconds

    def remaining(self) -> float:
        return max(self._end - self.clock(), 0.0)

    @property
    def expired(self) -> bool:
        return self.remaining() <= 0

    def within(self, seconds: float) -> "Deadline":
        """A deadline as much earlier as `seconds` asks for."""
        return Deadline(min(seconds, self.remaining()), self.clock)


class Resolver:
    """Name resolution with a timeout.

    `getaddrinfo` cannot be interrupted. It runs in a daemon thread, which is not joined at exit. Requests for a name
    that is being looked up share that look-up, so a dead name server costs one thread for each name.
    """

    def __init__(self, lookup: Lookup | None = None) -> None:
        self._lookup = lookup
        self._lock = threading.Lock()
        self._pending: dict[tuple[str, int], futures.Future[list[Address]]] = {}

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """Raises OSError, of which a silent name server is TimeoutError."""
        with self._lock:
            future = self._pending.get((host, port)) or self._start_lookup(host, port)
        try:
            return future.result(seconds)
        except futures.TimeoutError:
            raise TimeoutError(f"no name server answered for {host}") from None

    def _start_lookup(self, host: str, port: int) -> futures.Future[list[Address]]:
        future: futures.Future[list[Address]] = futures.Future()
        thread = threading.Thread(
            target=self._look_up, args=(host, port, future), name=f"resolve {host}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            raise OSError(f"this machine has no thread left to look up {host}") from error
        self._pending[host, port] = future  # only now: nobody must wait for a look-up that did not begin
        return future

    def _look_up(self, host: str, port: int, future: futures.Future[list[Address]]) -> None:
        lookup: Lookup = self._lookup or socket.getaddrinfo
        try:
            try:
                addresses = lookup(host, port, type=socket.SOCK_STREAM)
            finally:
                with self._lock:  # before the answer is given: a later request must start a new look-up
                    del self._pending[host, port]
        except OSError as error:
            future.set_exception(error)
        except UnicodeError as error:  # from a host that cannot be a name
            future.set_exception(socket.gaierror(socket.EAI_NONAME, str(error)))
        else:
            future.set_result(addresses)


class InFlightRequest:
    """One HTTP attempt under way: the time it has, when it began, and the stage it reached.

    `stage` is None while no connection of ours carries it: a mounted adapter writes none.
    """

    def __init__(self, deadline: Deadline, resolver: Resolver) -> None:
        self.deadline = deadline
        self.resolver = resolver
        self.stage: Stage | None = None
        self.started_at = timezone.now()
        self._started = deadline.clock()
        self._step_deadline = deadline.within(settings.PHONEPE_CONNECT_TIMEOUT)

    @property
    def elapsed_ms(self) -> int:
        return round((self.deadline.clock() - self._started) * 1000)

    def reach(self, stage: Stage) -> None:
        self.stage = stage
        if stage is Stage.SENT:
            self._step_deadline = self.deadline.within(settings.PHONEPE_READ_TIMEOUT)

    def remaining_seconds(self) -> float:
        """Seconds the next step may take. Raises DeadlineExceeded."""
        remaining = self._step_deadline.remaining()
        if remaining <= 0:
            raise DeadlineExceeded
        return remaining


_in_flight: ContextVar[InFlightRequest] = ContextVar("in_flight")


class BoundedReads(io.RawIOBase):
    """Each read waits only for the time that is left, so that a slow answer ends with the deadline."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw, self._socket = raw, sock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_in_flight.get().remaining_seconds())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class BoundedResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(BoundedReads(self.fp.detach(), sock))


class _BoundedConnection(urllib3_connection.HTTPConnection):
    """What our HTTP and HTTPS connections do differently."""

    response_class = BoundedResponse

    def _new_conn(self) -> socket.socket:
        in_flight = _in_flight.get()
        addresses = in_flight.resolver.addresses(self._dns_host, self.port, in_flight.remaining_seconds())
        in_flight.reach(Stage.RESOLVED)
        sock = _connect_to_any(addresses, in_flight)
        in_flight.reach(Stage.CONNECTED)
        sock.settimeout(in_flight.remaining_seconds())
        return sock

    def _tunnel(self) -> None:
        try:
            super()._tunnel()
        except (OSError, http.client.HTTPException) as error:
            raise urllib3_errors.ProxyError("the proxy opened no tunnel", error) from error
        in_flight = _in_flight.get()
        in_flight.reach(Stage.PROXIED)
        self.sock.settimeout(in_flight.remaining_seconds())

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        _in_flight.get().reach(Stage.SENT)
        super().request(*args, **kwargs)

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        response = super().getresponse()
        _in_flight.get().reach(Stage.HEADERS)
        return response


class PlainConnection(_BoundedConnection):
    pass


class TlsConnection(_BoundedConnection, urllib3_connection.HTTPSConnection):
    def connect(self) -> None:
        super().connect()
        _in_flight.get().reach(Stage.TLS)


class PlainPool(HTTPConnectionPool):
    ConnectionCls = PlainConnection


class TlsPool(HTTPSConnectionPool):
    ConnectionCls = TlsConnection


POOLS = {"http": PlainPool, "https": TlsPool}


class BoundedAdapter(HTTPAdapter):
    """`requests` over our connections, directly and through proxies.

    `tls_context` has its trusted certificates already, and is used in the place of a file of them.
    """

    def __init__(self, tls_context: ssl.SSLContext | None = None, **kwargs: Any) -> None:
        self._tls_context = tls_context
        super().__init__(**kwargs)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._tls_context:
            kwargs["ssl_context"] = self._tls_context
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        if self._tls_context:
            kwargs |= {"ssl_context": self._tls_context, "proxy_ssl_context": self._tls_context}
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, conn: Any, *args: Any, **kwargs: Any) -> None:
        """The first step of an attempt: raises OSError when the file of trusted certificates is gone."""
        _in_flight.get().reach(Stage.STARTED)
        if self._tls_context:
            conn.cert_reqs = "CERT_REQUIRED"
            return
        super().cert_verify(conn, *args, **kwargs)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Answer:
    http_status: int
    headers: Mapping[str, str]
    body: bytes


class Session(requests.Session):
    """Keep-alive connections to PhonePe: no environment, no cookies, no redirects, no open transaction.

    With a `tls_context`, whoever that trusts is trusted, whatever `verify` is.
    """

    def __init__(
        self,
        verify: bool | str = True,
        resolver: Resolver | None = None,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = True if tls_context else verify
        self.resolver = resolver or Resolver()
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        self.headers["User-Agent"] = "okpuja-payments"
        for scheme in ("http://", "https://"):
            self.mount(scheme, BoundedAdapter(tls_context, pool_maxsize=32))

    def start_request(self, deadline: Deadline) -> InFlightRequest:
        return InFlightRequest(deadline, self.resolver)

    def send_request(
        self,
        in_flight: InFlightRequest,
        method: str,
        url: str,
        *,
        body: bytes | Iterable[bytes] = b"",
        headers: Mapping[str, str] | None = None,
        proxy: str | None = None,
    ) -> Answer:
        """One HTTP attempt. Raises InTransaction, and what `payment.phonepe.errors.WIRE_ERRORS` lists.

        A body that comes piece by piece is sent in chunks (Transfer-Encoding: chunked).
        """
        release_connections()
        token = _in_flight.set(in_flight)
        try:
            seconds = in_flight.remaining_seconds()
            # Not by `request`: it looks for cookies, redirects and settings of the environment each time.
            request = requests.PreparedRequest()
            request.prepare(method, url, headers={**self.headers, **(headers or {})}, data=body or None)
            response = self.get_adapter(url).send(
                request,
                stream=True,
                timeout=(seconds, seconds),
                verify=True if self.verify is None else self.verify,
                proxies={"http": proxy, "https": proxy} if proxy else {},
            )
            in_flight.reach(Stage.HEADERS)
            body_read = _read_body(response, in_flight)
            in_flight.reach(Stage.BODY)
            return Answer(response.status_code, response.headers, body_read)
        finally:
            _in_flight.reset(token)


def session() -> Session:
    """The session of this process. Another process, or other settings, gets another one."""
    verify = settings.PHONEPE_SSL_VERIFY and (settings.PHONEPE_CA_BUNDLE or True)
    adapter = settings.SIMULATOR_ADAPTER if settings.PHONEPE_SIMULATION_MODE else ""
    return _session(os.getpid(), verify, settings.SIMULATOR_ORIGIN, adapter)


@functools.lru_cache(maxsize=8)
def _session(process: int, verify: bool | str, origin: str, adapter: str) -> Session:
    session = Session(verify)
    if adapter:
        session.mount(origin, import_string(adapter)())
    return session


def _connect_to_any(addresses: list[Address], in_flight: InFlightRequest) -> socket.socket:
    """The first address that answers. Each gets its share of the time: a dead IPv6 leaves some for IPv4."""
    for left, (family, kind, protocol, _, target) in zip(
        range(len(addresses), 0, -1), addresses, strict=True
    ):
        sock = None
        try:
            seconds = in_flight.remaining_seconds() / left
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(seconds)
            sock.connect(target)
        except OSError:
            if sock is not None:
                sock.close()
            if left == 1:
                raise
        else:
            return sock
    raise socket.gaierror(socket.EAI_NONAME, "the name has no address")


def _read_body(response: requests.Response, in_flight: InFlightRequest) -> bytes:
    chunks, size = [], 0
    with response:
        for chunk in response.iter_content(CHUNK):
            in_flight.remaining_seconds()
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_BODY:
                raise ResponseTooLarge(f"an answer of more than {LARGEST_BODY} bytes")
    return b"".join(chunks)
