"""What a hostile server sends reaches no terminal, log, report or mail as it is."""

import ast
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from io import StringIO

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.core.management.color import color_style

from core.logging import ConsoleFormatter, JsonFormatter
from core.printable import UNPRINTABLE, PrintableCommand, printable, printable_values
from diagnostics import render
from diagnostics.deadlines import result_cache
from notifications import sending
from notifications.models import Notification
from okpuja import misconfigured
from okpuja.build import PACKAGES
from payment.reconciliation import report
from tests.harness import ROOT
from tests.unit.notifications.samples import ALERT

# ESC, OSC, BEL, CR, BS, DEL, NEL, CSI of C1, separators of lines and paragraphs, bidi, zero width, tags, a surrogate.
HOSTILE = (
    "a\x1b[2J\x1b]0;owned\x07\rb\x08c\x7fd\x85e\x9b31mf\u2028g\u2029h\u202ei\u2066j\u200bk\ufeffl\U000e0041m\ud800n"
    "\n12:00:00 ERROR    payment: forged\n"
)
COMMANDS = sorted(
    path
    for app in PACKAGES
    for path in (ROOT / app).glob("management/commands/*.py")
    if path.stem != "__init__"
)
# Prints its own arguments and addresses; shares no code with anybody.
OWN_OUTPUT = {"simulator/management/commands/phonepe_simulator.py", "simulator/process.py"}


class HostileServer(BaseHTTPRequestHandler):
    """In front of PhonePe, or instead of it."""

    def do_GET(self):
        body = HOSTILE.encode("utf-8", "surrogatepass")
        self.wfile.write(
            b"HTTP/1.1 403 no\x1b[31m\xc2\x9b1m\r\nServer: evil\x1b[2J\xc2\x9b31m\r\nVia: 1.1 gate\x1b]0;owned\x07\r\n"
            b"X-Cache: \x1b[2J\r\nContent-Type: text/html; \x1b[1m\r\nContent-Length: %d\r\n\r\n%s"
            % (len(body), body)
        )
        self.close_connection = True

    do_HEAD = do_POST = do_GET

    def log_message(self, *_):
        pass


def raw(text, lines=True):
    """What is left in it that a terminal would obey; line ends are ours where there may be lines."""
    found = set(UNPRINTABLE.findall(text))
    return found - {"\n"} if lines else found


def command_of(path):
    return import_module(path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")).Command


def test_it_is_shown_as_json_would():
    assert json.loads(f'"{printable(HOSTILE)}"') == HOSTILE
    assert raw(printable(HOSTILE), lines=False) == set()


@pytest.mark.parametrize(
    "text",
    ["Asha Devi ₹1,100", "सत्यनारायण पूजा", "ക്\u200d റ\u200c", "é ü ß 日本", "عربي", "👨\u200d👩\u200d👧"],
)
def test_letters_of_all_scripts_stay(text):
    assert printable(text) == text


def test_values_have_one_line_but_where_lines_are_meant():
    found = printable_values({"a": [HOSTILE, 1, None], "body": "one\ntwo\x1b"}, lines_in={"body"})
    assert "\n" not in found["a"][0]
    assert found["body"] == "one\ntwo\\u001b"


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_every_command_of_ours_writes_printable_text(path):
    if path.relative_to(ROOT).as_posix() in OWN_OUTPUT:
        pytest.skip("prints nothing of others")
    out, err = StringIO(), StringIO()
    command = command_of(path)(out, err)
    command.stdout.write(HOSTILE)
    command.stderr.write(HOSTILE)
    assert issubclass(type(command), PrintableCommand)
    assert raw(out.getvalue()) == raw(err.getvalue()) == set()
    assert "a\\u001b[2J" in out.getvalue()


def test_styles_of_django_leave_no_escaped_sequences_in_a_terminal():
    class Command(PrintableCommand):
        requires_system_checks = ()

        def handle(self, *args, **options):
            self.stdout.write(self.style.WARNING("slow"))

    for options in ({}, {"force_color": True}):
        out = StringIO()
        command = Command()
        command.style = color_style(force_color=True)  # as in a terminal
        call_command(command, stdout=out, **options)
        assert out.getvalue() == "slow\n"


def test_streams_that_are_handed_over_are_no_way_round():
    class Command(PrintableCommand):
        requires_system_checks = ()

        def handle(self, *args, **options):
            self.stdout.write(HOSTILE)
            raise CommandError(HOSTILE)

    out = StringIO()
    with pytest.raises(CommandError):
        call_command(Command(), stdout=out)
    assert raw(out.getvalue()) == set()
    assert out.getvalue()


def test_output_has_no_other_way():
    """A new `print` or `sys.stdout` outside the commands would miss the escape."""
    found = set()
    for path in (path for app in PACKAGES for path in (ROOT / app).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            is_print = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
            is_stream = (
                isinstance(node, ast.Attribute)
                and node.attr in {"stdout", "stderr"}
                and getattr(node.value, "id", "") in {"sys", "os"}
            )
            is_command = isinstance(node, ast.ClassDef) and any(
                getattr(base, "id", "") == BaseCommand.__name__ for base in node.bases
            )
            if is_print or is_stream or is_command:
                found.add(path.relative_to(ROOT).as_posix())
    # core.logging asks whether it is a terminal; misconfigured writes printable text, see below.
    assert found == OWN_OUTPUT | {"core/logging.py", "core/printable.py", "okpuja/misconfigured.py"}


@pytest.mark.parametrize("formatter", [JsonFormatter, ConsoleFormatter])
def test_a_record_is_one_line_and_moves_no_cursor(formatter):
    record = logging.makeLogRecord(
        {"msg": "answer %s", "args": (HOSTILE,), "levelname": "INFO", "name": "x", "header": HOSTILE}
    )
    assert raw(formatter().format(record), lines=False) == set()


@pytest.mark.parametrize("formatter", [JsonFormatter, ConsoleFormatter])
def test_the_text_of_an_exception_forges_no_record(formatter):
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        stack = (type(error), error, error.__traceback__)
    record = logging.makeLogRecord({"msg": "failed", "levelname": "ERROR", "name": "x", "exc_info": stack})
    said = formatter().format(record)
    assert raw(said) == set()
    assert not any(line.startswith("12:00:00") for line in said.splitlines())


def test_every_handler_of_ours_has_such_a_formatter(settings):
    formatters = {formatter["()"] for formatter in settings.LOGGING["formatters"].values()}
    assert formatters == {"core.logging.JsonFormatter", "core.logging.ConsoleFormatter"}
    assert all(
        handler["formatter"] in ("json", "console") for handler in settings.LOGGING["handlers"].values()
    )


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_settings_that_cannot_be_used_are_reported_printable(capsys, arguments):
    misconfigured.report(ValueError(HOSTILE), arguments)
    said = capsys.readouterr()
    assert raw(said.out + said.err) == set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", [[], ["--json"], ["--support-message"]])
def test_doctor_shows_a_hostile_server_as_text(settings, form):
    settings.PHONEPE_SIMULATION_MODE, settings.PHONEPE_API_VERSION = False, "v1"
    settings.PHONEPE_MERCHANT_ID, settings.PHONEPE_SALT_KEY = "MERCHANTOKPUJA", "a-salt-key"
    result_cache.own.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), HostileServer) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        settings.PHONEPE_BASE_URL = f"http://127.0.0.1:{server.server_port}/apis/pg-sandbox"
        settings.DIAGNOSIS_CONTROL_URLS = [f"http://127.0.0.1:{server.server_port}"]
        out = StringIO()
        with pytest.raises(SystemExit):
            call_command("doctor", *form, stdout=out)
        server.shutdown()
    assert raw(out.getvalue()) == set()
    assert form or "evil\\u001b" in out.getvalue()  # it was shown


def test_a_report_as_text_has_no_forged_line():
    found = {
        "summary": HOSTILE,
        "verdict": "dns_failure",
        "success": False,
        "culprit": "configuration",
        "checked_at": "2026-11-23T05:46:58+05:30",
        "endpoints": [{"endpoint": HOSTILE, "stage": "DNS", "reachable": False}],
        "support_message": {"to": HOSTILE, "subject": HOSTILE, "body": "one\ntwo\x1b"},
    }
    said = render.as_text(found)
    assert raw(said) == set()
    assert not any(line.startswith("12:00:00") for line in said.splitlines())


@pytest.mark.parametrize("form", sorted(report.FORMATS))
def test_a_reconciliation_is_printable_in_every_format(form):
    difference = dict.fromkeys(report.COLUMNS, HOSTILE) | {
        "kind": "amount_differs", "payment_id": 1, "order": HOSTILE, "refund": HOSTILE, "booking": HOSTILE,
        "detail": HOSTILE, "fix": HOSTILE, "mended": False, "simulated": False, "ours_paise": 1, "theirs_paise": 2,
    }  # fmt: skip
    found = {
        "day": "2026-06-11", "asked": 1, "settled_rows": 1, "bad_rows": [{"line": 1, "why": HOSTILE}],
        "differences": [difference], "clean": False, "counts": {"amount_differs": 1}, "mended": 0,
    }  # fmt: skip
    lines = report.FORMATS[form](found).replace("\r\n", "\n")  # CSV ends its lines so
    assert raw(lines) == set()


@pytest.mark.django_db
def test_an_alert_to_staff_is_printable(settings):
    settings.STAFF_EMAILS = ["ops@example.com"]
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    facts = ALERT | {"held_because": HOSTILE.replace("\ud800", ""), "rule": "forged\x1b[2J\u202e"}
    alert = Notification.objects.create(
        kind="alert", facts=facts, channel=Notification.Channel.STAFF, key="alert:hostile"
    )
    sending.send(alert, lambda notification: sending.Attachments())
    [sent] = mail.outbox
    assert raw(sent.subject, lines=False) == raw(sent.body) == raw(sent.alternatives[0][0]) - {"\t"} == set()
