"""Several people doing something at the same moment, each on a database connection of their own."""

import threading
from collections.abc import Callable
from typing import Any

from django.db import connection


def at_once(*actions: Callable[[], Any]) -> list[Any]:
    """What each action returned or raised, in the order given. Needs a test with `transaction=True`."""
    results: list[Any] = [None] * len(actions)
    gate = threading.Barrier(len(actions))

    def run(index: int, action: Callable[[], Any]) -> None:
        try:
            gate.wait(timeout=10)
            results[index] = action()
        except Exception as error:  # noqa: BLE001 - whatever came of it is what the test looks at
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(actions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results
