"""Parallel tasks in daemon threads, awaited no longer than a deadline, and not at exit.

An executor would join its threads when the process ends, and one of ours may be inside a `getaddrinfo` that never
returns.
"""

import contextvars
import functools
import threading
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import TypeVar

from django.db import connections

from payment.phonepe.transport import Deadline

T = TypeVar("T")
Expected = tuple[type[Exception], ...]


class ThreadDied(RuntimeError):
    """A bug ended the thread, which has printed its traceback. It must not pass for a dependency that is silent."""


def begin(task: Callable[[], T], expected: Expected = ()) -> "futures.Future[T]":
    """`expected`: what the task may raise. `result` raises it again."""
    future: futures.Future[T] = futures.Future()
    context = contextvars.copy_context()  # log lines of the thread keep the id of the request
    run = functools.partial(context.run, _run, task, expected, future)
    threading.Thread(target=run, name="diagnosis", daemon=True).start()
    return future


def result(future: "futures.Future[T]", deadline: Deadline) -> T:
    """What the task returned, or raised as expected. Raises TimeoutError when it is late, ThreadDied after a bug."""
    try:
        return future.result(deadline.remaining())
    except futures.TimeoutError:
        raise TimeoutError from None
    except futures.CancelledError:
        raise ThreadDied from None


def side_by_side(tasks: Sequence[Callable[[], T]], deadline: Deadline) -> list[T | None]:
    """The results in the order of the tasks; None for one that did not end in time."""
    return [_in_time(future, deadline) for future in [begin(task) for task in tasks]]


def _in_time(future: "futures.Future[T]", deadline: Deadline) -> T | None:
    try:
        return result(future, deadline)
    except TimeoutError:
        return None


def _run(task: Callable[[], T], expected: Expected, future: "futures.Future[T]") -> None:
    try:
        future.set_result(task())
    except expected as error:
        future.set_exception(error)
    finally:
        future.cancel()  # callers that wait get ThreadDied; a result that is set stays
        connections.close_all()
