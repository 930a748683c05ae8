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
    """Loads here what the first request of each process would load. What the collector does not visit stays shared.

    Threads give way to each other after a millisecond instead of five: a burst of buyers delays a webhook less.
    """
    sys.setswitchinterval(0.001)
    if "okpuja.wsgi" in sys.modules:
        import_module("okpuja.urls")
        warm_pages()
        # In the language of programs. Else the first threads of each process do both, all at once.
        import_module("django.urls").reverse("cart-list")
        import_module("core.compiled").compile_all()
    gc.collect()
    gc.freeze()


def warm_pages() -> None:
    """Compiles the addresses, the translations and the templates of customers, as long as fifty requests take."""
    from django.conf import settings  # noqa: PLC0415 - gunicorn loads this module before there are settings
    from django.template.loader import get_template  # noqa: PLC0415

    from okpuja.gunicorn_worker import crowded_page  # noqa: PLC0415

    for code, _ in settings.LANGUAGES:
        for is_of_payment in (False, True):
            crowded_page(is_of_payment, code.partition("-")[0])
    for folder in ("storefront", "payment"):
        for template in (settings.BASE_DIR / folder / "templates" / folder).glob("*.html"):
            get_template(f"{folder}/{template.name}")
