"""A gunicorn worker whose threads wait for no client.

gunicorn's own thread worker reads a request and writes its answer in a thread, for as long as the client likes, and its
main loop waits for clients that do not hang up. Here a thread gets a request that has arrived completely, and what the
client does not read of the answer is left to the main loop. The main loop waits for no client, and each step has a
deadline.
Used as `--worker-class okpuja.gunicorn_worker.Worker`; `okpuja/lanes.py` divides `--threads` among kinds of requests.
"""

import errno
import json
import logging
import math
import re
import selectors
import socket
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.http import HttpRequest, parse_cookie
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers.gthread import TConn, ThreadWorker

from okpuja.lanes import (
    CLICK_INTERVAL_SECONDS,
    OLDEST_IN_QUEUE_SECONDS,
    Lane,
    LanePool,
    Lanes,
    QueueBoard,
    path_of,
)

logger = logging.getLogger(__name__)

HEAD_SECONDS = 10.0  # from the connection, or the end of the answer before, to the end of the head
FIRST_BYTE_SECONDS = 3.0  # after SIGTERM, for the first byte of a request whose connection was accepted
MORE_THAN_OTHERS = 2  # clicks on *Pay*; then the next connection is left to the process that has fewer
LEAVE_SECONDS, LONGEST_LEAVE_SECONDS = 0.001, 0.05  # if that one accepts none for so long,
ALONE_SECONDS = 2.0  # this one accepts them for a while
NOT_LEFT = (math.inf, 0.0)
SEND_SECONDS = 30.0  # for a client to read what is left of an answer when the thread has finished
LINGER_SECONDS = 2.0  # after an answer, for the client to hang up: an earlier close could cut the answer off
MAX_LINGERING = 100  # more are closed at once
MAX_HEAD_BYTES, MAX_CHUNK_LINE_BYTES = 65_536, 4_096
MAX_BUFFERED_BYTES = 64 * 1_048_576  # of all unfinished requests of a process
MAX_UNSENT_BYTES = 4 * 1_048_576  # of one answer; the thread waits with what is more, SEND_SECONDS at most
IO_BYTES = 65_536

END_OF_HEAD, END_OF_LINE = b"\r\n\r\n", b"\r\n"
CONTENT_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.IGNORECASE)
HEADER = rb"\r\n%s:[ \t]*([^\r\n]{1,200}?)[ \t]*\r\n"
ORIGIN = re.compile(HEADER % b"origin", re.IGNORECASE)
LANGUAGE = re.compile(HEADER % b"accept-language", re.IGNORECASE)
COOKIE = re.compile(rb"\r\ncookie:([^\r\n]{1,4096})\r\n", re.IGNORECASE)
READS_PAGES = re.compile(rb"\r\naccept:[^\r\n]*text/html", re.IGNORECASE)
EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
CHUNK_SIZE = re.compile(rb"[ \t]*([0-9a-f]{1,8})[ \t]*(;.*)?", re.IGNORECASE | re.DOTALL)
TOO_LARGE = {HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_URI_TOO_LONG, 431}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


# Of an answer that has not passed the middleware.
ERROR_HEADERS = (
    "Connection: close",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
    "X-Frame-Options: DENY",
    "Referrer-Policy: strict-origin-when-cross-origin",
)
# A browser may do nothing with it.
JSON_HEADERS = (
    "Content-Type: application/json",
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
)


def error_answer(status: int) -> bytes:
    """Head and body of an error that the server itself answers, as JSON like those of the application."""
    # Not at the top: gunicorn loads this module before there are settings.
    from core.errors import Refusal, TooLarge, TooSlow  # noqa: PLC0415

    refusal = Refusal("The request could not be read.", code="bad_request")
    if status == HTTPStatus.REQUEST_TIMEOUT:
        refusal = TooSlow()
    elif status in TOO_LARGE:
        refusal = TooLarge()
    elif status == HTTPStatus.INTERNAL_SERVER_ERROR:
        refusal = Refusal("Something went wrong on our side. Please try again.", code="internal_error")
        refusal.error_category = "OWN_CODE"
    return _written(status, _json(refusal), JSON_HEADERS)


def crowded_answer(request: bytes | bytearray, seconds: int) -> bytes:
    """503 for a click on *Pay* that no thread will take soon: when to come again, readable by the page that sent it.

    JSON for programs; a page for people whose browser has sent a form of ours.
    """
    from core.errors import Crowded  # noqa: PLC0415
    from core.language import language_of  # noqa: PLC0415
    from core.middleware import content_policy  # noqa: PLC0415

    headers = [f"Retry-After: {seconds}", "Vary: Accept, Accept-Language, Cookie, Origin"]
    head = bytes(request[: max(request.find(END_OF_HEAD), 0) + len(END_OF_LINE)])
    reader, language, cookie = HttpRequest(), LANGUAGE.search(head), COOKIE.search(head)
    if language:
        reader.META["HTTP_ACCEPT_LANGUAGE"] = language[1].decode("latin-1")
    if cookie:
        reader.COOKIES = parse_cookie(cookie[1].decode("latin-1"))
    path = path_of(head.decode("latin-1").partition(" ")[2].partition(" ")[0])
    if READS_PAGES.search(head) and not path.startswith("/api/"):
        headers += [
            "Content-Type: text/html; charset=utf-8",
            f"Content-Security-Policy: {content_policy(path)}",
        ]
        return _written(503, crowded_page(path.startswith("/pay/"), language_of(reader)), headers)
    origin = ORIGIN.search(head)
    if origin and (page := origin[1].decode("latin-1")) in settings.CORS_ALLOWED_ORIGINS:
        exposed = ", ".join(settings.CORS_EXPOSE_HEADERS)
        headers += [f"Access-Control-Allow-Origin: {page}", f"Access-Control-Expose-Headers: {exposed}"]
    return _written(503, _json(Crowded(), language_of(reader)), [*headers, *JSON_HEADERS])


@cache
def crowded_page(is_of_payment: bool, language: str) -> bytes:
    """The page of the shop, or that of a payment's own link. Rendered once: the main loop waits for it."""
    from core.errors import Crowded  # noqa: PLC0415
    from payment.views.pages import error_page  # noqa: PLC0415
    from storefront.views.page import trouble_page  # noqa: PLC0415

    reader = HttpRequest()  # without a path: links to it are to the address that the browser shows
    reader.META["HTTP_ACCEPT_LANGUAGE"] = language
    page = error_page(reader, Crowded()) if is_of_payment else trouble_page(reader, Crowded(), language)
    return page.content


def _json(refusal: Any, language: str = "en") -> bytes:
    from core.errors import error_body  # noqa: PLC0415

    # Without an id: the thread still has that of the request before.
    return json.dumps(error_body(refusal, language) | {"request_id": ""}).encode()


def _written(status: int, body: bytes, headers: Iterable[str]) -> bytes:
    first = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    head = (first, f"Date: {util.http_date()}", *ERROR_HEADERS, *headers, f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + END_OF_HEAD + body


def write_error(sock: Any, status: int, reason: str, message: str) -> None:
    """In place of gunicorn's, which answers HTML with a part of the request in it."""
    util.write_nonblock(sock, error_answer(status))


class Response(wsgi.Response):
    """Does not name the server."""

    def default_headers(self) -> list[str]:
        return [header for header in super().default_headers() if not header.startswith("Server:")]


queues = QueueBoard()  # gunicorn loads this module in the master, also without `preload_app`

# gunicorn has no setting for either.
util.write_error, wsgi.Response = write_error, Response


class RequestBuffer:
    """The bytes of a request, and whether they are enough for a thread to go on.

    Enough is the whole request, or more than the thread will accept, or bytes that make no sense: the thread has the
    parser and the answers for all of these.
    """

    def __init__(self, max_body_bytes: int) -> None:
        self.data = bytearray()
        self.body_start = 0  # 0 until the head is complete
        self.must_continue = False  # the client sends its body after `100 Continue`
        self._max_body_bytes = max_body_bytes
        self._searched = 0
        self._content_length: int | None = 0
        self._next_chunk = 0

    def is_complete(self) -> bool:
        """To be asked after each change of `data`; looks only at what is new."""
        if not self.body_start and not self._read_head():
            return False
        received = len(self.data) - self.body_start
        if received > self._max_body_bytes:
            return True
        if self._content_length is not None:
            return received >= self._content_length
        return self._read_chunks()

    def _read_head(self) -> bool:
        end = self.data.find(END_OF_HEAD, max(self._searched - len(END_OF_HEAD), 0))
        self._searched = len(self.data)
        if end < 0:
            return False
        self.body_start = self._next_chunk = end + len(END_OF_HEAD)
        head = bytes(self.data[: self.body_start])
        target = head.split(b" ", 2)[1:2]
        if target:
            path = path_of(target[0].decode("latin-1"))
            from core.request_bodies import body_limit  # noqa: PLC0415 - as in get_thread_pool

            self._max_body_bytes = max(self._max_body_bytes, body_limit(path))
        length, chunked = CONTENT_LENGTH.search(head), CHUNKED.search(head)
        if chunked and not length:
            self._content_length = None
        elif length and not chunked:
            self._content_length = int(length[1])
        self.must_continue = bool(EXPECT.search(head))
        return True

    def _read_chunks(self) -> bool:
        while (line_end := self.data.find(END_OF_LINE, self._next_chunk)) >= 0:
            size = CHUNK_SIZE.fullmatch(self.data, self._next_chunk, line_end)
            if size is None:
                return True
            if int(size[1], 16) == 0:
                # The trailers end with an empty line; without trailers it follows at once.
                return self.data.find(END_OF_HEAD, line_end) >= 0
            after = line_end + len(END_OF_LINE) + int(size[1], 16) + len(END_OF_LINE)
            if after > len(self.data):
                return False
            self._next_chunk = after
        return len(self.data) - self._next_chunk > MAX_CHUNK_LINE_BYTES


class PatientSocket(socket.socket):
    """Keeps what the client does not take at once. The other methods are those of a blocking socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(fileno=sock.detach())
        self.unsent = bytearray()

    def sendall(self, data: Any, flags: int = 0) -> None:
        rest = memoryview(data).cast("B")
        if not self.unsent:
            with suppress(BlockingIOError):
                while rest:
                    rest = rest[self.send(rest, flags | socket.MSG_DONTWAIT) :]
        self.unsent += rest
        if len(self.unsent) > MAX_UNSENT_BYTES:
            # Taken out first: after a timeout nobody knows how much was sent, and nothing may be sent twice.
            unsent, self.unsent = self.unsent, bytearray()
            self.settimeout(SEND_SECONDS)
            super().sendall(unsent, flags)

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        file.seek(offset)
        data = file.read(-1 if count is None else count)
        self.sendall(data)
        return len(data)


class Connection(TConn):
    """One client, and its next request until a thread takes it over."""

    def __init__(self, worker: "Worker", sock: socket.socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, PatientSocket(sock), client, server)
        self.data_ready = True  # gunicorn need not wait for it in the thread
        self._worker = worker
        self.buffer = RequestBuffer(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
        self.deadline = 0.0  # time.monotonic()
        self.pool: LanePool | None = None  # in which the request is
        self.entered = 0.0  # time.monotonic()
        self.seconds: float | None = None  # that its thread has worked on it

    def init(self) -> None:
        super().init()
        self.parser.unreader.unread(bytes(self.buffer.data))
        self.buffer = RequestBuffer(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)

    def take_back(self) -> None:
        """What the parser has read of a further request."""
        if self.parser is not None:
            self.buffer.data += self.parser.unreader.take_buffered()

    def close(self, graceful: bool = False) -> None:
        if graceful:
            self._worker.linger(self)
        else:
            super().close()


class Worker(ThreadWorker):
    def __init__(self, age: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(age, *args, **kwargs)  # in the master, which counts the processes that it has forked
        self._process = age
        self._left = NOT_LEFT  # the fewest clicks of another process, and since when: time.monotonic()
        self._alone_until = 0.0  # time.monotonic()
        self._unstarted_clicks: deque[Connection] = deque()  # on *Pay*
        self._next_click_at = 0.0  # time.monotonic()
        self._receiving: dict[Connection, None] = {}  # the oldest first
        self._sending: dict[Connection, Future[Any]] = {}
        self._lingering: dict[Connection, None] = {}
        self._buffered_bytes = 0
        self._turned_away = 0  # since the last line of the log about it
        self._log_again_at = 0.0  # time.monotonic()
        self._give_up_at = 0.0  # time.monotonic(), once it ends

    def get_thread_pool(self) -> Lanes:
        # gunicorn loads this module before okpuja.wsgi has named the settings, which core.waiting reads.
        from core import waiting  # noqa: PLC0415

        lanes = Lanes(self.cfg.threads)
        # A webhook may poll PhonePe after its answer; the other half of the threads answers the next ones.
        waiting.webhook_polls = waiting.WaitSlots(lanes.pools[Lane.WEBHOOK].threads // 2)
        return lanes

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        super().check_config(cfg, log)
        if cfg.is_ssl:
            raise RuntimeError("okpuja.gunicorn_worker serves plain HTTP, behind a proxy that ends TLS")

    def accept(self, listener: socket.socket) -> None:
        if self._leaves_next():
            return
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE) and self._receiving:
                self._give_up(next(iter(self._receiving)))
            return
        self.nr_conns += 1
        self.enqueue_req(Connection(self, sock, client, listener.getsockname()))

    def _leaves_next(self) -> bool:
        """Whether the next connection is left to a process with a shorter queue of clicks on *Pay*.

        Only while clicks wait for a thread here. It waits a moment, since the listener stays readable.
        """
        clicks, now = self._clicks(), time.monotonic()
        least = math.inf
        if clicks > self.tpool.pools[Lane.PAY].threads and now >= self._alone_until:
            least = queues.least_of_others(self._process, now)
        if clicks <= least + MORE_THAN_OTHERS:
            self._left = NOT_LEFT
            return False
        if least != self._left[0]:
            self._left = (least, now)
        elif now - self._left[1] > LONGEST_LEAVE_SECONDS:
            self._left, self._alone_until = NOT_LEFT, now + ALONE_SECONDS
            return False
        time.sleep(LEAVE_SECONDS)
        return True

    def _clicks(self) -> int:
        """What has not arrived yet may be one, too."""
        return self.tpool.pools[Lane.PAY].inside + len(self._receiving)

    def enqueue_req(self, conn: Connection) -> None:
        """Of a new connection, of a kept one that can be read, or of bytes that came behind a request."""
        conn.take_back()
        if conn.buffer.is_complete():
            self._enter_lane(conn)
            return
        if len(self._receiving) >= self.worker_connections // 2:
            self._give_up(next(iter(self._receiving)))  # so that a flood leaves room for those who are fast
        conn.sock.setblocking(False)
        conn.deadline = time.monotonic() + HEAD_SECONDS
        self._receiving[conn] = None
        self._buffered_bytes += len(conn.buffer.data)
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._receive(conn))
        if conn.buffer.body_start:
            self._wait_for_body(conn)

    def _receive(self, conn: Connection) -> None:
        try:
            data = conn.sock.recv(IO_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._give_up(conn)
            return
        buffer, had_head = conn.buffer, bool(conn.buffer.body_start)
        buffer.data += data
        self._buffered_bytes += len(data)
        if buffer.is_complete():
            self._stop_receiving(conn)
            self._enter_lane(conn)
        elif buffer.body_start and not had_head:
            self._wait_for_body(conn)
        elif not buffer.body_start and len(buffer.data) > MAX_HEAD_BYTES:
            self._give_up(conn, 431)
        if self._buffered_bytes > MAX_BUFFERED_BYTES and self._receiving:
            self._give_up(next(iter(self._receiving)))

    def _enter_lane(self, conn: Connection) -> None:
        """Whoever would wait too long for a thread of this lane is told at once when to come again."""
        pool = self.tpool.pool_for(conn.buffer.data)
        seconds = pool.retry_after()
        if seconds is not None:
            self._turned_away += 1
            self.nr_conns -= 1
            conn.sock.setblocking(False)
            self._send(conn, crowded_answer(conn.buffer.data, seconds))
            self.linger(conn)
            return
        pool.enter()
        conn.pool, conn.entered, conn.seconds = pool, time.monotonic(), None
        if pool.lane is Lane.PAY:
            self._unstarted_clicks.append(conn)
        else:
            self._start(conn, pool)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """And starts one click on *Pay* when its time has come."""
        if self._unstarted_clicks:
            timeout = min(timeout, max(self._next_click_at - time.monotonic(), 0.0))
        super().wait_for_and_dispatch_events(timeout)
        now = time.monotonic()
        if self._unstarted_clicks and now >= self._next_click_at:
            self._next_click_at = now + CLICK_INTERVAL_SECONDS
            self._start(self._unstarted_clicks.popleft(), self.tpool.pools[Lane.PAY])

    def _start(self, conn: Connection, pool: LanePool) -> None:
        done = pool.executor.submit(self._work, conn)
        done.add_done_callback(lambda future: self.method_queue.defer(self._leave_lane, conn, future))

    def _work(self, conn: Connection) -> Any:
        """In a thread of the lane. PhonePe may have become slow since the request has come in."""
        began = time.monotonic()
        if conn.pool and conn.pool.turns_away and began - conn.entered > OLDEST_IN_QUEUE_SECONDS:
            conn.sock.setblocking(True)
            conn.sock.sendall(crowded_answer(conn.buffer.data, int(OLDEST_IN_QUEUE_SECONDS)))
            return False
        try:
            return self.handle(conn)
        finally:
            conn.seconds = time.monotonic() - began

    def _leave_lane(self, conn: Connection, future: "Future[Any]") -> None:
        if conn.pool:
            conn.pool.leave(conn.seconds)
        self.finish_request(conn, future)

    def _wait_for_body(self, conn: Connection) -> None:
        conn.deadline = time.monotonic() + settings.REQUEST_BODY_SECONDS
        if conn.buffer.must_continue:
            self._send(conn, CONTINUE)

    def _give_up(self, conn: Connection, status: int = 0) -> None:
        """Closes, after an answer if a status is given: 408, 431."""
        self._stop_receiving(conn)
        self.nr_conns -= 1
        if not status:
            conn.close()
            return
        self._send(conn, error_answer(status))
        self.linger(conn)

    def _send(self, conn: Connection, answer: bytes) -> None:
        with suppress(OSError):  # the client has gone, or reads nothing
            conn.sock.send(answer)

    def _stop_receiving(self, conn: Connection) -> None:
        del self._receiving[conn]
        self._buffered_bytes -= len(conn.buffer.data)
        self.poller.unregister(conn.sock)

    def finish_request(self, conn: Connection, fs: "Future[Any]") -> None:
        """When the thread has finished, and the client has read the answer."""
        if not conn.sock.unsent:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        conn.deadline = time.monotonic() + SEND_SECONDS
        self._sending[conn] = fs
        self.poller.register(conn.sock, selectors.EVENT_WRITE, lambda _: self._send_rest(conn))

    def _send_rest(self, conn: Connection) -> None:
        unsent = conn.sock.unsent
        try:
            del unsent[: conn.sock.send(unsent[:IO_BYTES])]
        except BlockingIOError:
            return
        except OSError:
            self._stop_sending(conn)
            return
        if not unsent:
            self.poller.unregister(conn.sock)
            super().finish_request(conn, self._sending.pop(conn))

    def _stop_sending(self, conn: Connection) -> None:
        del self._sending[conn]
        self.poller.unregister(conn.sock)
        self.nr_conns -= 1
        conn.close()

    def linger(self, conn: Connection) -> None:
        """Closes as soon as the client has hung up, as RFC 9112 section 9.6 asks for."""
        try:
            conn.sock.setblocking(False)
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # it has hung up
            conn.close()
            return
        if len(self._lingering) >= MAX_LINGERING:
            conn.close()
            return
        conn.deadline = time.monotonic() + LINGER_SECONDS
        self._lingering[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: self._read_rest(conn))

    def _read_rest(self, conn: Connection) -> None:
        try:
            rest = conn.sock.recv(IO_BYTES)
        except BlockingIOError:
            return
        except OSError:
            rest = b""
        if not rest:
            self._end_lingering(conn)

    def _end_lingering(self, conn: Connection) -> None:
        del self._lingering[conn]
        self.poller.unregister(conn.sock)
        conn.close()

    def murder_pending(self) -> None:
        """gunicorn's main loop calls it at least once a second, also while it ends."""
        now = time.monotonic()
        if self.alive:
            queues.write(self._process, self._clicks(), now)
        else:
            queues.erase(self._process)
        if self._turned_away and now >= self._log_again_at:
            self._log_again_at = now + 1.0
            logger.warning("clicks on Pay were told to come again", extra={"count": self._turned_away})
            self._turned_away = 0
        for conn in [conn for conn in self._receiving if conn.deadline <= now]:
            self._give_up(conn, 408 if conn.buffer.data else 0)
        if not self.alive:
            # Not at once: a proxy that has sent its POST meanwhile may not send it again, and would answer 502.
            self._give_up_at = self._give_up_at or now + FIRST_BYTE_SECONDS
            if self._give_up_at <= now:
                for conn in [conn for conn in self._receiving if not conn.buffer.data]:
                    self._give_up(conn)
        for conn in [conn for conn in self._sending if conn.deadline <= now]:
            self._stop_sending(conn)
        for conn in [conn for conn in self._lingering if conn.deadline <= now]:
            self._end_lingering(conn)
