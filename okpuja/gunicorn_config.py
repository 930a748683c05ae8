"""gunicorn's settings for a deployment (docs/deployment.md): `gunicorn --config python:okpuja.gunicorn_config`.

The code is loaded before the processes are forked, so that they share its memory. Nothing that does not survive a fork
is made before: no connection, no thread, no session.
"""

import gc
import sys
from importlib import import_module
from typing import Any

preload_app = True
worker_class = "okpuja.gunicorn_worker.Worker"
timeout = 60
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Loads here what the first request of each process would load. What the collector does not visit stays shared."""
    if "okpuja.wsgi" in sys.modules:
        import_module("okpuja.urls")
    gc.collect()
    gc.freeze()
