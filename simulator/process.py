"""The simulator as its own process, with its own settings and SQLite file.

`phonepe-simulator --port N`, `python -m simulator` or `manage.py phonepe_simulator`. The only environment variable that
it reads is OPS_TOKEN, so it runs even if the shop's database, cache or settings are broken.
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
from typing import Any, cast
from urllib.parse import urlsplit

import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application
from django.utils.module_loading import import_string

from simulator import chunked_bodies
from simulator.sockets import PROCESS_SOCKET

ID = r"[A-Za-z0-9_-]{1,38}"
MERCHANT = re.compile(rf"v1:{ID}:[^:]{{1,80}}:[0-9]{{1,3}}|v2:{ID}:[^:]{{1,80}}:[^:]{{1,80}}:[0-9]{{1,3}}")
VISIBLE = r"[!#-&(-_a-~]"  # printable ASCII without quotation marks
TOKEN = re.compile(f"({VISIBLE}([!-~]*{VISIBLE})?)?")
BODY_SECONDS = 20
DEFAULT_WEBHOOK_URL = "http://127.0.0.1:8000/api/payments/webhook/phonepe/"


# Log tracebacks of our own errors; a 500 from an armed fault has none.
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
    """Gives the socket to the views, so that a fault can break it. Decodes chunked bodies."""

    def handle_one_request(self) -> None:
        line = self.rfile
        try:
            super().handle_one_request()
        finally:
            self.rfile = line

    def parse_request(self) -> bool:
        """False when the request is invalid and an error has been sent."""
        if not super().parse_request():
            return False
        connection = cast(socket, self.connection)
        connection.settimeout(BODY_SECONDS)
        try:
            if chunked_bodies.is_chunked(self.headers):
                body = chunked_bodies.read(self.rfile)
                del self.headers["Transfer-Encoding"]
                self.headers["Content-Length"] = str(len(body))
                self.rfile = BytesIO(body)
        except chunked_bodies.InvalidBody as error:
            self.close_connection = True
            self.send_error(error.status)
            return False
        except TimeoutError:
            self.close_connection = True
            self.send_error(408)
            return False
        finally:
            connection.settimeout(None)
        return True

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        return environ | {PROCESS_SOCKET: self.connection}

    def log_message(self, format: str, *args: Any) -> None:
        """No access log: it would hide the output of the shop's tests."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="phonepe_simulator", description=__doc__)
    add_arguments(parser)
    serve(parser.parse_args())


def serve(options: argparse.Namespace) -> None:
    """Serves until SIGTERM or Ctrl-C. Prints the line with "ready" once it accepts requests."""
    os.umask(0o077)  # its database is for nobody else on this machine
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with ExitStack() as stack:
        server = stack.enter_context(ThreadedWSGIServer((options.host, options.port), Handler))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="phonepe-simulator-"))
        address = f"http://{options.host}:{server.server_port}"
        hosts = {*options.allow_host, urlsplit(options.webhook_url).hostname} - {None, ""}
        configure(options.database or str(Path(folder) / "simulator.sqlite3"), address, hosts)
        call_command("migrate", verbosity=0)
        # By dotted path: models cannot be imported before the settings are configured.
        publish = import_string("simulator.merchants.ensure_merchants")
        merchants = publish(options.webhook_url, [text.split(":") for text in options.merchant])
        if options.seed is not None:
            import_string("simulator.faults.arm_by_seed")(options.seed)
        # Send what became due while no process was running.
        import_string("simulator.dispatcher.wake")()
        server.set_app(StaticFilesHandler(get_wsgi_application()))
        sys.stdout.write(startup_message(address, merchants))
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)


def configure(database: str, address: str, allowed_hosts: set[str]) -> None:
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
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": database,
                # IMMEDIATE and WAL: threads that write wait for each other instead of failing.
                "OPTIONS": {
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                    "timeout": 20,
                },
            }
        },
        USE_TZ=True,
        TIME_ZONE="Asia/Kolkata",
        PUBLIC_BASE_URL=address,
        PHONEPE_SIMULATION_MODE=True,
        SIMULATOR_DELIVERS=True,
        SIMULATOR_ALLOWED_HOSTS=allowed_hosts,
        NUM_PROXIES=0,
        OPS_TOKEN=read_ops_token(),
        LOGGING=LOGGING,
    )
    django.setup()


def read_ops_token() -> str:
    """Rejects a token that no client could send: `docker --env-file` keeps quotation marks, a file its newline."""
    token = os.environ.get("OPS_TOKEN", "")
    if not TOKEN.fullmatch(token):
        raise SystemExit("OPS_TOKEN has spaces, quotation marks or invisible characters around it or in it")
    return token


def startup_message(address: str, merchants: list[Any]) -> str:
    bases = ("pg-sandbox", "hermes", "pg", "identity-manager")
    lines = [f"{address}/simulator/apis/{base}" for base in bases]
    lines += [f"merchant {merchant}" for merchant in merchants]
    return "\n".join([*lines, f"phonepe_simulator ready on {address}", ""])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, required=True, help="0 takes a free one and prints it")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--database", default="", help="SQLite file; without it a temporary one")
    parser.add_argument("--webhook-url", default=DEFAULT_WEBHOOK_URL, help="where V2 webhooks go")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="webhooks and customers may be sent there, beside this machine and the host of --webhook-url",
    )
    parser.add_argument("--seed", type=int, help="some calls get a fault, the same ones for the same seed")
    parser.add_argument(
        "--merchant",
        action="append",
        default=[],
        type=_merchant,
        help="one more merchant; may be repeated: v1:ID:SALT_KEY:INDEX or v2:ID:CLIENT_ID:CLIENT_SECRET:VERSION",
    )


def _merchant(text: str) -> str:
    """Rejects a malformed merchant while the arguments are parsed."""
    if not MERCHANT.fullmatch(text):
        raise argparse.ArgumentTypeError("v1:ID:SALT_KEY:INDEX or v2:ID:CLIENT_ID:CLIENT_SECRET:VERSION")
    return text
