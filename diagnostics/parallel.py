"""Work side by side, in daemon threads: waited for no longer than a deadline, and by nobody at exit.

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
    """A mistake of ours ended the thread, which has written its stack: never to be taken for a hop's silence."""


def begin(task: Callable[[], T], expected: Expected = ()) -> "futures.Future[T]":
    """`expected` is what the task may raise: it is raised again where the result is asked for."""
    future: futures.Future[T] = futures.Future()
    context = contextvars.copy_context()  # log lines of the thread keep the id of the request
    run = functools.partial(context.run, _run, task, expected, future)
    threading.Thread(target=run, name="diagnosis", daemon=True).start()
    return future


def result(future: "futures.Future[T]", deadline: Deadline) -> T:
    """What the task returned, or raised as expected; TimeoutError when it is late, ThreadDied when it never comes."""
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


def _run(task: Callable[[], T], expected: Expected, future: "futures.Future[T]") -> None:
    try:
        future.set_result(task())
    except expected as error:
        future.set_exception(error)
    finally:
        future.cancel()  # tells those who wait that nothing comes any more; a result that is there stays
        connections.close_all()
