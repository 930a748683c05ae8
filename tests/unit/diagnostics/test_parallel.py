import threading
from queue import SimpleQueue

import pytest
from django.db import connections

from diagnostics.parallel import ThreadDied, begin, result, side_by_side
from payment.phonepe.transport import Deadline


def test_what_does_not_end_in_time_is_left_alone_and_the_rest_counts():
    never = threading.Event()
    assert side_by_side([lambda: never.wait(30), lambda: "done"], Deadline(0.2)) == [None, "done"]
    never.set()


def test_a_mistake_of_ours_is_not_taken_for_silence(monkeypatch):
    told = SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", told.put)
    with pytest.raises(ThreadDied):
        side_by_side([lambda: 1 / 0], Deadline(5))
    assert told.get(timeout=5).exc_type is ZeroDivisionError


def test_what_a_task_may_raise_is_raised_where_its_result_is_asked_for():
    def refuse():
        raise ConnectionRefusedError("nobody listens there")

    with pytest.raises(ConnectionRefusedError, match="nobody listens there"):
        result(begin(refuse, (OSError,)), Deadline(5))


def test_nobody_waits_at_exit_for_a_thread_that_hangs():
    never = threading.Event()
    begin(lambda: never.wait(30))
    hanging = [thread for thread in threading.enumerate() if thread.name == "diagnosis"]
    assert hanging
    assert all(thread.daemon for thread in hanging)
    never.set()


@pytest.mark.django_db(transaction=True)
def test_a_thread_gives_its_database_connection_back():
    def look():
        own = connections["default"]
        own.ensure_connection()
        return own, threading.current_thread()

    own, thread = result(begin(look), Deadline(5))
    thread.join(5)
    assert own is not connections["default"]
    assert own.connection is None
