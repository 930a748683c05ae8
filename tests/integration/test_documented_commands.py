"""Each command that a document shows is typed into a shell here, or run by another test, or named with a reason.

A new `curl` must call a route that there is, a new command of manage.py be one that its parser accepts, a make target,
a module and a file exist. Any other new command needs a line in RUN_BY or NOT_RUN.
"""

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import requests
from django.core.management import get_commands, load_command_class
from django.urls import resolve
from PIL import Image

from tests.harness import ROOT
from tests.harness.databases import ON_POSTGRESQL, PASSWORD
from tests.harness.documents import DOCUMENTS, commands
from tests.harness.installation import Installation

# The first pattern that matches counts. Run by a test of its own, or by the CI.
RUN_BY = {
    r"make (check|test(-sqlite|-postgresql)?)( ARGS=.*)?$|\.ci/run": ".ci/run",
    r"make (run|dev)\b|.*manage\.py (serve|work|dev( --noreload)?)$": "tests/integration/flows/test_serve.py",
    r"make wire-table": "tests/integration/wire",
    r".*make frontends": "tests/integration/frontend",
    r"make races": "tests/system/races",
    r"make siege": "tests/system/siege/test_siege.py",
    r"make torture": "tests/system/torture/test_torture.py",
    r"make diagnose-lab|.*-m tests\.system\.lab": "tests/system/lab",
    r"make links": "tests/unit/test_docs.py",
    r"make samples": "tests/unit/test_samples.py",
    r"make messages": "tests/unit/test_translations.py",
    r"make clients": "tests/integration/test_clients.py",
    r"gunicorn ": "tests/unit/test_deploy.py",
    r"celery ": "tests/integration/flows/test_celery.py",
    r"sudo deploy/vps/install\.sh|(sudo )?okpuja": "tests/unit/test_vps_scripts.py",
    r".*phonepe[-_/]simulator|pip wheel|python3 -m venv phonepe|python -m simulator": (
        "tests/integration/simulator/test_wheel.py"
    ),
    r"promtool ": "tests/integration/test_metrics.py",
    r"grep REFERENCE": "tests/integration/flows/test_payment_log.py",
}
NOT_RUN = {
    r"make (bench|defects|metrics|mutants|proofs|pictures|test-fast)|.*-m bench": "takes long, or is for people's eyes",
    r"make (restore-drill|rolling-restart)": "minutes, before a release: docs/performance.md has what it printed",
    r".*-m pytest": "a choice of the tests that the CI runs",
    r".*gallery FOLDER": "draws pictures, for people's eyes",
    r"make audit|pip install|pipx |apt-get ": "takes packages or their index from the network",
    r"certbot ": "needs a name in the DNS that points at the server",
    r"journalctl|systemctl|timedatectl": "needs a systemd that runs",
    r"docker ": "needs a container engine",
    r".*manage\.py (shell|makemigrations)$|openssl|read -rs|ls -l /proc": "for people at a terminal",
    r"(DATABASE_URL|BROKER_URL|PHONEPE_PREVIOUS|STOREFRONT)=": "a line of the settings",
}
# Typed by the tests below, one after the other.
READER = (
    *("docs/api.md", "README.md", "docs/troubleshooting.md", "docs/server-api.md", "docs/tutorial.md"),
    "docs/simulator.md",
)
OPERATOR = ("docs/deployment.md", "docs/troubleshooting.md", "README.md", "CONTRIBUTING.md", "SECURITY.md")
TYPED = re.compile(r"curl|export |[A-Z_]+=|pick\(\)|manage\.py ")
# What the story has no moment for: another customer, another time. tests/integration/test_api_examples.py has.
ANSWERS = {
    "/app-order/": 409,  # this cart is paid
    "/approve/": 409,  # nothing waits for a second person
    "/resolve/": 409,  # nothing is to be decided
    "/try-again/": 409,
    '-X POST "$API/booking/waiting/" ': 409,  # there are places
    "/booking/waiting/$ENTRY/": 404,
    '$BOOKING/move/"': 409,  # it is cancelled
    "$TOKEN_OF_THE_LINK": 404,
    "/simulator/control/webhooks/": 409,  # no order-1
}
# In place of what a reader fills in.
REAL = {
    "PASSWORD=…": f"PASSWORD={PASSWORD}",
    "rotate okp_1a2B3c4D": 'rotate "${KEY:0:12}"',
    "revoke okp_1a2B3c4D": 'revoke "${FORMER:0:12}"',
    "okp_…": "$KEY",
    '"2026-12-24", "selected_time": "10:00"': (
        """"'$(echo "$SLOTS" | pick '[-2]["date"]')'", "selected_time": "'$(echo "$SLOTS" | pick '[-2]["time"]')'\""""
    ),
    "restore FILE": "restore $(ls -t backups/*.backup | head -n 1)",
    "postgresql://user@host/name": "sqlite:///$PWD/second.sqlite3",
    "/empty/folder": "$PWD/restored",
    "asha@example.com": "devotee3@example.com",
    "you@example.com": "staff@example.com",
}
SOME_UUID = "cf5b06f7-e376-4b9b-b9d2-1e50bf04987c"
DOCUMENTED = {command: document for document in DOCUMENTS for command in commands(document)}


def line_about(command: str) -> str:
    """The test that runs it, or why none does; empty for what is typed here."""
    for pattern, line in (RUN_BY | NOT_RUN).items():
        if re.match(pattern, command):
            return line
    return ""


def typed_by_reader() -> list[str]:
    """In the order of the documents: what one command finds, the next one uses."""
    typed = [each for document in READER for each in commands(document) if TYPED.match(each)]
    return [each for each in typed if not line_about(each) and ("manage.py" not in each or "api_key" in each)]


def typed_by_operator() -> list[str]:
    typed = {each: "" for document in OPERATOR for each in commands(document) if TYPED.match(each)}
    return [each for each in typed if "manage.py" in each and not line_about(each)]


def test_each_command_is_typed_or_run_or_has_a_reason():
    assert len(DOCUMENTED) > 150
    typed = {*typed_by_reader(), *typed_by_operator()}
    assert {
        command: document
        for command, document in DOCUMENTED.items()
        if command not in typed and not line_about(command)
    } == {}


def test_each_line_about_commands_is_needed_and_true():
    for pattern in RUN_BY | NOT_RUN:
        assert any(re.match(pattern, command) for command in DOCUMENTED), pattern
    assert [path for path in RUN_BY.values() if not (ROOT / path).exists()] == []


def test_each_curl_calls_a_route_with_a_method_that_it_has():
    wrong = []
    for command in (each for each in DOCUMENTED if "curl " in each):
        called = command.partition("curl ")[2]
        method = re.search(r"-X (\w+)", called)
        address = re.search(r"(\$API|https?://[\w.:-]+)(/[^\s\"?]*)", called)
        path = "/api" * (address[1] == "$API") + re.sub(
            r"\$\w+", "1", address[2].replace("$CART_ID", SOME_UUID)
        )
        view = resolve(path).func
        view_class = getattr(view, "view_class", getattr(view, "cls", None))  # without one: any method
        methods = getattr(view, "actions", None) or (view_class and dir(view_class))
        if methods and (method[1].lower() if method else "get") not in methods:
            wrong.append(command)

    assert wrong == []


def test_each_command_of_manage_py_is_read_by_its_parser():
    for command in (each for each in DOCUMENTED if "manage.py " in each and "manage.py shell" not in each):
        text = re.sub(r"[\[\]]", "", command.partition("manage.py ")[2].partition(" > ")[0])
        name, *options = shlex.split(text.replace(" URL", " http://127.0.0.1:9/"))
        made = load_command_class(get_commands()[name], name)

        made.create_parser("manage.py", name).parse_args(options)  # SystemExit: what it does not know


def test_what_python_shall_run_is_there():
    modules = {name for command in DOCUMENTED for name in re.findall(r"python3? -m ([\w.]+)", command)}
    paths = {path for command in DOCUMENTED for path in re.findall(r"\btests/[\w/.-]+", command)}

    assert [name for name in modules if importlib.util.find_spec(name) is None] == []
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """With demo data, as `make run` has it, and the files that the documents speak of."""
    if ON_POSTGRESQL:
        pytest.skip("what is typed is the same over any database")
    folder = tmp_path_factory.mktemp("reader")
    Image.new("RGB", (20, 20)).save(folder / "me.jpg")
    shutil.copy(ROOT / "tests/harness/golden/g26_v2_settlement_report.csv", folder / "report.csv")
    settings = {"BACKUP_DIR": folder / "backups", "BACKUP_KEY": "a-key-that-nobody-can-guess-0123456789"}
    with Installation(OPS_TOKEN="the-token-of-the-people-on-call", **settings) as shop:
        shop.folder, server = folder, shop.serve()
        requests.get(f"{server.url}/readyz", timeout=60).raise_for_status()
        yield shop


def type_in(shop, commands):
    """Of each command: itself, the statuses of its requests, all that was said, its exit code."""
    manage = f"{sys.executable} {ROOT}/manage.py"
    script = [
        'curl() { command curl -sS --max-time 60 -w "%{stderr}\\nHTTP %{http_code}\\n" "$@"; }',
        f"COLLEAGUE='Authorization: Bearer {shop.tokens.staff[1]}'",
        "ENTRY=1 TOKEN_OF_THE_LINK=x KEY=",
    ]
    for command in commands:
        typed = command.replace("manage.py ", f"{manage} ")
        typed = typed.replace("http://127.0.0.1:8000", shop.url).replace("https://YOUR-HOST", shop.url)
        for shown, real in REAL.items():
            typed = typed.replace(shown, real)
        if re.search(r"api_key (create|rotate)", command):
            typed = f"FORMER=$KEY KEY=$({typed})"
        script += [f"echo {shlex.quote(f'TYPED {command}')} >&2", typed, 'echo "EXIT $?" >&2']
    said = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=shop.folder,
        env=shop.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
        timeout=900,
    ).stdout
    for part in said.split("TYPED ")[1:]:
        told, _, code = part.rpartition("EXIT ")
        command = next(each for each in commands if told.startswith(f"{each}\n"))
        yield command, re.findall(r"^HTTP (\d+)$", told, re.MULTILINE), told, int(code)


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.proof
def test_a_reader_types_the_commands_of_the_documents(shop):
    wrong = []
    for command, statuses, told, code in type_in(shop, typed_by_reader()):
        expected = next((status for part, status in ANSWERS.items() if part in command), 0)
        good = all(int(status) == expected if expected else int(status) < 400 for status in statuses)
        if not good or code or ("curl" in command and not statuses and "pick()" not in command):
            wrong.append(told)

    assert wrong == []


@pytest.mark.slow
@pytest.mark.sockets
@pytest.mark.proof
def test_an_operator_types_the_commands_of_the_documents(shop):
    """Some find what is wrong here, and end with 1: simulated money, a report of others, no worker."""
    finds = re.compile(r"golive|settlement|doctor|check --deploy")
    typed = typed_by_operator()
    wrong = [
        told
        for command, _statuses, told, code in type_in(shop, typed)
        if code not in ((0, 1) if finds.search(command) else (0,)) or "Traceback" in told
    ]

    assert len(typed) > 15
    assert wrong == []
