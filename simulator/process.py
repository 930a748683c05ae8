"""The simulator as a process of its own: own settings, own SQLite file, no project around it.

`python -m simulator --port N` (what `manage.py phonepe_simulator` becomes). Of the
environment it reads OPS_TOKEN only, so it runs although the shop's database, cache or settings are broken.
"""

import argparse
import os
import re
import secrets
import signal
import sys
import tempfile
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from socket import socket
from types import FrameType
from typing import Any, cast

import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from simulator import chunked_bodies
from simulator.sockets import OUR_SERVER

ID = r"[A-Za-z0-9_-]{1,38}"
MERCHANT = re.compile(rf"v1:{ID}:[^:]{{1,80}}:[0-9]{{1,3}}|v2:{ID}:[^:]{{1,80}}:[^:]{{1,80}}:[0-9]{{1,3}}")
SIGN = r"[!#-&(-_a-~]"  # of ASCII, and no quotation mark
TOKEN = re.compile(f"({SIGN}([!-~]*{SIGN})?)?")
SECONDS_FOR_A_BODY = 20
SHOPS_WEBHOOK = "http://127.0.0.1:8000/api/payments/webhook/phonepe/"


# A stack where we fail ourselves; a 500 that a fault has asked for is none.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "stack": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: bool(record.exc_info)}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "level": "ERROR", "filters": ["stack"]}},
    "root": {"handlers": ["console"]},
}


class Handler(WSGIRequestHandler):
    """Hands its socket to the views, which break it when a fault says so. Reads chunked bodies before they do."""

    def handle_one_request(self) -> None:
        line = self.rfile
        try:
            super().handle_one_request()
        finally:
            self.rfile = line

    def parse_request(self) -> bool:
        """False when the answer has been given: the request cannot be read."""
        if not super().parse_request():
            return False
        connection = cast(socket, self.connection)
        connection.settimeout(SECONDS_FOR_A_BODY)
        try:
            if chunked_bodies.is_chunked(self.headers):
                self._replace_body(chunked_bodies.read(self.rfile))
        except chunked_bodies.Unreadable as unreadable:
            self.close_connection = True
            self.send_error(unreadable.status)
            return False
        except TimeoutError:
            self.close_connection = True
            self.send_error(408)
            return False
        finally:
            connection.settimeout(None)
        return True

    def _replace_body(self, body: bytes) -> None:
        del self.headers["Transfer-Encoding"]
        self.headers["Content-Length"] = str(len(body))
        self.rfile = BytesIO(body)

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        return environ | {OUR_SERVER: self.connection}

    def log_message(self, format: str, *args: Any) -> None:
        """One line a request would hide what the tests of a shop have to say."""


def main() -> None:
    serve(_options())


def serve(options: argparse.Namespace) -> None:
    """Answers until SIGTERM or Ctrl-C. The line with "ready" is printed when the first call may come."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    with ExitStack() as stack:
        server = stack.enter_context(ThreadedWSGIServer((options.host, options.port), Handler))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="phonepe-simulator-"))
        address = f"http://{options.host}:{server.server_port}"
        configure(options.database or str(Path(folder) / "simulator.sqlite3"), address)
        call_command("migrate", verbosity=0)
        # By its path: models cannot be imported before there are settings.
        publish = import_string("simulator.merchants.publish")
        merchants = publish(options.webhook_url, [text.split(":") for text in options.merchant])
        if options.seed is not None:
            import_string("simulator.faults.begin_by_chance")(options.seed)
        # What fell due while no process was there waits for nobody's call.
        import_string("simulator.dispatcher.ring")()
        server.set_app(StaticFilesHandler(get_wsgi_application()))
        sys.stdout.write(welcome(address, merchants))
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)


def configure(database: str, address: str) -> None:
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(50),
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.staticfiles", "simulator"],
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware"],
        SECURE_REFERRER_POLICY="strict-origin-when-cross-origin",
        ROOT_URLCONF="simulator.process_urls",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
        STATIC_URL="/static/",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": _database(database)},
        USE_TZ=True,
        TIME_ZONE="Asia/Kolkata",
        PUBLIC_BASE_URL=address,
        PHONEPE_SIMULATION_MODE=True,
        SIMULATOR_DELIVERS=True,
        NUM_PROXIES=0,
        OPS_TOKEN=_ops_token(),
        LOGGING=LOGGING,
    )
    django.setup()


def _ops_token() -> str:
    """Whoever sends it sends what is meant: `docker --env-file` keeps quotation marks, a mounted file its line end."""
    token = os.environ.get("OPS_TOKEN", "")
    if not TOKEN.fullmatch(token):
        raise SystemExit("OPS_TOKEN has spaces, quotation marks or unseen characters around it or in it")
    return token


def welcome(address: str, merchants: list[Any]) -> str:
    bases = ("pg-sandbox", "hermes", "pg", "identity-manager")
    lines = [f"{address}/simulator/apis/{base}" for base in bases]
    lines += [f"merchant {merchant}" for merchant in merchants]
    return "\n".join([*lines, f"phonepe_simulator ready on {address}", ""])


def _database(path: str) -> dict[str, Any]:
    # IMMEDIATE and WAL: threads that write wait for each other instead of failing.
    options = {
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "timeout": 20,
    }
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="phonepe_simulator", description=__doc__)
    add_arguments(parser)
    return parser.parse_args()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--database", default="", help="SQLite file; without it a temporary one")
    parser.add_argument("--webhook-url", default=SHOPS_WEBHOOK, help="where V2 webhooks go")
    parser.add_argument("--seed", type=int, help="calls go wrong by chance, the same ones for the same seed")
    parser.add_argument(
        "--merchant",
        action="append",
        default=[],
        type=_merchant,
        help="one more, as often as wished: v1:ID:SALT_KEY:INDEX or v2:ID:CLIENT_ID:CLIENT_SECRET:VERSION",
    )


def _merchant(text: str) -> str:
    """Told at once what is wrong with it, not in the middle of the start."""
    if not MERCHANT.fullmatch(text):
        raise argparse.ArgumentTypeError("v1:ID:SALT_KEY:INDEX or v2:ID:CLIENT_ID:CLIENT_SECRET:VERSION")
    return text


def _leave(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
