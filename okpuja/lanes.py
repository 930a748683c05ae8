"""Lanes of the server: requests that wait for PhonePe and requests that do not have threads of their own.

A crowd of buyers keeps the threads of its lane only: the health of the process, the catalogue and PhonePe's webhooks do
not wait behind it. `nginx` can use the same lanes (docs/deployment.md).
"""

import math
import mmap
import re
import time
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from urllib.parse import unquote

from gunicorn.util import split_request_uri

LONGEST_QUEUE_SECONDS = (
    8.0  # that a click on *Pay* is expected to wait for a thread; longer ones are turned away
)
OLDEST_IN_QUEUE_SECONDS = 12.0  # the frontend waits for thirty, and PhonePe may take twenty
LONGEST_RETRY_AFTER = 30
# From the start of one click on *Pay* to the next one in the same process. Before it waits for PhonePe a click needs
# Python's lock for about 25 ms: six at once would delay connections, probes and webhooks for as long as all of them.
CLICK_INTERVAL_SECONDS = 0.025
FIRST_GUESS_SECONDS = 0.4
WEIGHT_OF_LAST = 0.1
PROCESSES = 64  # of one server, at most; of more, two share one line of the board
FRESH_SECONDS = 2.0  # each process writes at least once a second; older lines are of dead or hanging ones


class Lane(Enum):
    PROBE = "probe"  # of the process itself; it asks nobody
    CHECK = "check"  # readiness and metrics: they ask the database, which may not answer
    WEBHOOK = "webhook"  # PhonePe's calls
    PAY = "pay"  # clicks on *Pay*: they open orders at PhonePe
    STATUS = "status"  # the rest about payments: it may poll PhonePe
    OTHER = "other"  # catalogue, carts, logins, admin


PROBES = {"/healthz": Lane.PROBE, "/readyz": Lane.CHECK, "/metrics": Lane.CHECK}
WEBHOOKS, PAYMENTS = "/api/payments/webhook/", ("/api/payments/", "/pay/", "/review/")
PAY = re.compile(r"/api/payments/(cart|payments/(process-cart|app-order|\d+/try-again))|/(pay|review)/[^/]+")
GIVING_UP = re.compile(r"/api/cart/carts/\d+/cleanup_old_payments")
# Of the server's `--threads`; at least one each.
SHARES = {
    Lane.PROBE: 0.0,  # one: it waits for nothing
    Lane.CHECK: 0.25,
    Lane.WEBHOOK: 0.25,
    Lane.PAY: 0.75,
    Lane.STATUS: 0.25,
    Lane.OTHER: 0.5,
}


def path_of(target: str) -> str:
    """The path of a request's first line, as gunicorn's parser reads it: without host, query and fragment."""
    try:
        path = split_request_uri(target).path
    except ValueError:
        return ""  # the parser refuses it
    return re.sub("/+", "/", unquote(path)).rstrip("/")


def lane_of(method: str, target: str) -> Lane:
    """`target` as it stands in the first line of a request."""
    path = path_of(target)
    if path in PROBES:
        return PROBES[path]
    if path.startswith(WEBHOOKS):
        return Lane.WEBHOOK
    if method == "POST" and PAY.fullmatch(path):
        return Lane.PAY
    if path.startswith(PAYMENTS) or GIVING_UP.fullmatch(path):
        return Lane.STATUS
    return Lane.OTHER


class LanePool:
    """The threads of one lane. All of it runs in the main loop of the server, which calls `enter` and `leave`."""

    def __init__(self, lane: Lane, threads: int) -> None:
        self.lane, self.threads = lane, threads
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=lane.value)
        self.turns_away = lane is Lane.PAY
        self._inside = 0
        self._seconds = FIRST_GUESS_SECONDS  # that one request takes; the last ones count most
        self._promised_until = 0.0  # time.monotonic(): until then those come back who were turned away

    def retry_after(self) -> int | None:
        """Seconds after which the caller may come again; None when there is room now.

        Each one who is turned away gets a later moment than the one before, so that they do not all come back at once.
        """
        pace = max(self._seconds / self.threads, CLICK_INTERVAL_SECONDS)
        wait = max(self._inside + 1 - self.threads, 0) * pace
        if not self.turns_away or wait <= LONGEST_QUEUE_SECONDS:
            return None
        now = time.monotonic()
        self._promised_until = max(self._promised_until, now + wait / 2) + pace
        return min(math.ceil(self._promised_until - now), LONGEST_RETRY_AFTER)

    @property
    def inside(self) -> int:
        return self._inside

    def enter(self) -> None:
        self._inside += 1

    def leave(self, seconds: float | None) -> None:
        """`seconds` that the request took in its thread; None when it was not worked on."""
        self._inside -= 1
        if seconds is not None:
            self._seconds += (seconds - self._seconds) * WEIGHT_OF_LAST


class QueueBoard:
    """How many clicks on *Pay* each process of a server has, in memory that all of them share.

    Made before the processes are forked. Without it, a process that happens to accept more of a rush still works on it
    when the others have nothing left to do: 115 of 200 clicks instead of 100.
    """

    def __init__(self) -> None:
        self._lines = memoryview(mmap.mmap(-1, PROCESSES * 16)).cast("d")  # when it was written, how many

    def write(self, process: int, count: int, now: float) -> None:
        line = process % PROCESSES * 2
        self._lines[line], self._lines[line + 1] = now, count

    def erase(self, process: int) -> None:
        self.write(process, 0, 0.0)

    def least_of_others(self, process: int, now: float) -> float:
        """Of those that answer; infinity without any."""
        own, moments, counts = process % PROCESSES, self._lines[::2], self._lines[1::2]
        others = (
            counts[line]
            for line, moment in enumerate(moments)
            if line != own and now - moment <= FRESH_SECONDS
        )
        return min(others, default=math.inf)


class Lanes:
    """All lanes of a process. In the place of gunicorn's one pool of threads."""

    def __init__(self, threads: int) -> None:
        self.pools = {lane: LanePool(lane, max(int(threads * share), 1)) for lane, share in SHARES.items()}

    def pool_for(self, request: bytes | bytearray) -> LanePool:
        """`request` begins with its first line; what is none is left to the parser, in the lane of all others."""
        end = request.find(b"\r\n", 0, 8_192)
        method, _, rest = bytes(request[: max(end, 0)]).decode("latin-1").partition(" ")
        return self.pools[lane_of(method, rest.partition(" ")[0])]

    def shutdown(self, wait: bool) -> None:
        for pool in self.pools.values():
            pool.executor.shutdown(wait=wait)
