"""Work side by side, in daemon threads: waited for no longer than a deadline, and by nobody at exit.

An executor would join its threads when the process ends, and one of ours may be inside a `getaddrinfo` that never
returns.
"""

import contextvars
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import TypeVar

from django.db import connections

from payment.transport import Deadline

T = TypeVar("T")


class ThreadDied(RuntimeError):
    """A mistake of ours ended the thread, which has written its stack: never to be taken for a hop's silence."""


def begin(task: Callable[[], T]) -> "futures.Future[T]":
    future: futures.Future[T] = futures.Future()
    context = contextvars.copy_context()  # log lines of the thread keep the id of the request
    threading.Thread(target=context.run, args=(_run, task, future), name="diagnosis", daemon=True).start()
    return future


def result(future: "futures.Future[T]", deadline: Deadline) -> T:
    """What the task returned. Raises TimeoutError when it did not end in time, ThreadDied when it never will."""
    try:
        return future.result(deadline.remaining())
    except futures.TimeoutError:
        raise TimeoutError from None
    except futures.CancelledError:
        raise ThreadDied from None


def side_by_side(tasks: Sequence[Callable[[], T]], deadline: Deadline) -> list[T | None]:
    """What each task returned, in their order; None for one that did not end in time."""
    return [_in_time(future, deadline) for future in [begin(task) for task in tasks]]


def _in_time(future: "futures.Future[T]", deadline: Deadline) -> T | None:
    try:
        return result(future, deadline)
    except TimeoutError:
        return None


def _run(task: Callable[[], T], future: "futures.Future[T]") -> None:
    try:
        future.set_result(task())
    finally:
        future.cancel()  # tells those who wait that nothing comes any more; a result that is there stays
        connections.close_all()
