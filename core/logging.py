"""Log records as JSON, one object a line, or as text for a terminal. Both carry the request id, and the payment and
the order that the request or job is about; neither carries secrets, mail addresses or phone numbers."""

import json
import logging
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from core.printable import printable

request_id: ContextVar[str] = ContextVar("request_id", default="")

SECRET_SETTINGS = (
    "SECRET_KEY",
    "OPS_TOKEN",
    "PHONEPE_SALT_KEY",
    "PHONEPE_CLIENT_SECRET",
    "PHONEPE_WEBHOOK_PASSWORD",
    "PHONEPE_WEBHOOK_SECRET",
    "STAFF_WEBHOOK_SECRET",
    "EMAIL_HOST_PASSWORD",
    "BACKUP_KEY",
)
# Whoever knows their paths may call them: chats and alarms have no other login.
SECRET_ADDRESSES = ("STAFF_WEBHOOK_URL", "DEAD_MAN_URL")
FORMER_SECRETS = ("salt_key", "client_secret", "webhook_password", "webhook_secret")
MIN_SECRET_LENGTH = 6  # anything shorter would be found in innocent words
# Indian mobile numbers as people write them, and whatever begins with a plus and a country code.
PHONE = re.compile(
    r"(?<![\w.])(?:\(?(?:\+|00)?91\)?[ .-]?)?0?[6-9]\d{4}[ .-]?\d{5}(?!\w|\.\d)"
    r"|(?<![\w.])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\w|\.\d)"
)
CREDENTIAL = re.compile(
    r"(?i)\b(O-Bearer|Bearer|access_token\W{1,20}|client_secret=|X-VERIFY\W{1,20})\s*+[\w.~+/=#-]{8,}"
)
# Text of strangers is logged: no letter may be read again for each one before it. So a pattern begins where a run of
# its letters does, and LOGIN takes what has no @ as well, to go on behind it.
LOGIN = re.compile(
    r"//[^/@\s\"][^/@:\s\"]*+(?::[^@\s\"]*+)?(@)?"
)  # a password may have a slash, where it should not
# A permanent account number, of identity cards.
PAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{5}[0-9]{4}[A-Za-z](?![A-Za-z0-9])")
MAIL = re.compile(r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+")
# Without any of these a pattern finds nothing. Most lines have none, and the patterns take longer than all else.
CREDENTIAL_WORDS = ("bearer", "access_token", "ent_secret=", "x-ver")  # CREDENTIAL takes a dotless i, too
TEN_DIGITS, DIGITS_OF_PAN = re.compile(r"[6-9]\d{4}[ .-]?\d{5}"), re.compile(r"[0-9]{4}[A-Za-z]")
SIGNATURE = re.compile(r":\w{6}:")
VALID_REQUEST_ID = re.compile(r"[\w-]{8,64}")
# Our own links: return and status page. One may follow another at once.
SIGNED = re.compile(r"(?:(?<![\w-])|(?<=:\w{6}:[\w-]{43}))[\w-]++:\w{6}:[\w-]{43}")
# What each record has anyway, and Django's request object, which says less than the access line.
STANDARD_FIELDS = set(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "request_id",
    "taskName",
    "request",
}

access = logging.getLogger("okpuja.access")
# What happened to a payment, one line each: the message is one word, `payment` its reference.
events = logging.getLogger("okpuja.events")
logger = logging.getLogger(__name__)


@dataclass
class LogScope:
    """What the lines of one request or job carry. `payments` are all that it was about."""

    fields: dict[str, str] = field(default_factory=dict)
    payments: set[str] = field(default_factory=set)


_scope: ContextVar[LogScope | None] = ContextVar("log_scope", default=None)


@contextmanager
def log_scope() -> Iterator[None]:
    """One row of work: its lines carry what `log_about` names, until it ends."""
    token = _scope.set(LogScope())
    try:
        yield
    finally:
        _scope.reset(token)


def log_about(payment: str, order: str = "") -> None:
    """From here on this request or job is about this payment (its reference), and about this order of it."""
    scope = _scope.get()
    if scope is None:
        return
    if not order and scope.fields.get("payment") == payment:
        order = scope.fields.get("order", "")
    scope.payments.add(payment)
    scope.fields = {"payment": payment, "order": order}


def order_logged_for(payment: str) -> str:
    """The order of this payment that this request or job is about; "" if it is about none."""
    scope = _scope.get()
    fields = scope.fields if scope else {}
    return fields.get("order", "") if fields.get("payment") == payment else ""


class RequestIdMiddleware:
    """Gives each request an id, answers with it, and writes one access line."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get("X-Request-Id", "")
        # Neither is reset: Django logs refusals after the last middleware, and a webhook's poll follows its answer. The
        # next request sets its own.
        request_id.set(offered if VALID_REQUEST_ID.fullmatch(offered) else secrets.token_hex(8))
        _scope.set(scope := LogScope())
        started = time.monotonic()
        response = self.get_response(request)
        response["X-Request-Id"] = request_id.get()
        milliseconds = round((time.monotonic() - started) * 1000)
        details = {"method": request.method, "path": request.path, "status": response.status_code}
        if len(scope.payments) > 1:
            scope.fields = {}  # a list of payments: the line belongs to none of them
        access.info("request", extra=details | {"ms": milliseconds})
        return response


class RequestIdFilter(logging.Filter):
    """Adds the request id, and payment and order where the line does not name its own."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        scope = _scope.get()
        for name, value in (scope.fields if scope else {}).items():
            record.__dict__.setdefault(name, value)
        return True


class JsonFormatter(logging.Formatter):
    """For log collectors (LOG_FORMAT=json, the default)."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": getattr(record, "request_id", ""),
        }
        line |= {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return printable(redact(json.dumps(line, default=str, ensure_ascii=False)))

    converter = staticmethod(time.gmtime)


class ConsoleFormatter(logging.Formatter):
    """For a person at a terminal (LOG_FORMAT=console): local time, level, message, then `name=value`."""

    COLOURS = {"DEBUG": 90, "INFO": 32, "WARNING": 33, "ERROR": 31, "CRITICAL": 35}  # ANSI

    def format(self, record: logging.LogRecord) -> str:
        extra = {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}
        if found := getattr(record, "request_id", ""):
            extra["request_id"] = found
        details = "".join(f" {name}={value}" for name, value in extra.items())
        text = printable(f"{record.name}: {record.getMessage()}{details}")
        level = f"{record.levelname:<8}"
        if sys.stderr.isatty():
            level = f"\x1b[{self.COLOURS.get(record.levelname, 0)}m{level}\x1b[0m"
        line = f"{self.formatTime(record, '%H:%M:%S')} {level} {text}"
        if record.exc_info:
            # Indented: no line of a text of others looks like a record of ours.
            stack = printable(self.formatException(record.exc_info), keep="\n")
            line += f"\n{indent(stack, '    ')}"
        return redact(line)


def redact(text: str) -> str:
    """The text without configured secrets, bearer tokens, signed links, logins, mail addresses and phone
    numbers. Takes plain text and JSON."""
    for secret in (each for each in _secrets() if len(each) >= MIN_SECRET_LENGTH):
        text = text.replace(secret, "[secret]").replace(json.dumps(secret)[1:-1], "[secret]")
    folded = text.casefold()
    if any(word in folded for word in CREDENTIAL_WORDS):
        text = CREDENTIAL.sub(r"\1 [secret]", text)
    if SIGNATURE.search(text):
        text = SIGNED.sub("[signed]", text)
    text = LOGIN.sub(lambda found: "//" if found[1] else found[0], text)
    if "@" in text:
        text = MAIL.sub("[mail]", text)
    if "+" in text or TEN_DIGITS.search(text):
        text = PHONE.sub("[phone]", text)
    return PAN.sub("[pan]", text) if DIGITS_OF_PAN.search(text) else text


def log_dead_threads() -> None:
    """Python's own hook would write the stack of a thread without `redact`."""
    threading.excepthook = _log_thread_death


def _log_thread_death(failure: threading.ExceptHookArgs) -> None:
    if failure.exc_value is None or failure.exc_type is SystemExit:
        return
    name = failure.thread.name if failure.thread else ""
    stack = (failure.exc_type, failure.exc_value, failure.exc_traceback)
    logger.critical("a thread died", extra={"name_of_thread": name}, exc_info=stack)


def _secrets() -> Iterator[str]:
    yield from (getattr(settings, name, "") for name in SECRET_SETTINGS)
    yield from getattr(settings, "SECRET_KEY_FALLBACKS", ())
    yield from getattr(settings, "DATA_KEYS", ())
    yield from (urlsplit(getattr(settings, name, "")).path for name in SECRET_ADDRESSES)
    for former in getattr(settings, "PHONEPE_PREVIOUS", ()):
        yield from (str(former.get(name, "")) for name in FORMER_SECRETS)
