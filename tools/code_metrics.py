"""Figures about the shape of the code, and about the way that one payment and one webhook take through it.

    python tools/code_metrics.py [ROOT] [--files]

`--files` prints which files and frames of ours the payment and the webhook pass, instead of the figures. ROOT is a
working copy of this repository, of any age; by default the one that this file stands in. The payment and the webhook
are traced in a process with a database of its own, against the simulated PhonePe.
"""

import ast
import io
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

NOT_CODE = {"tests", "bench", "tools", "migrations"}
WEBHOOK = "/api/payments/webhook/phonepe/"
PASSWORD = "a-long-lotus-pond-47"  # noqa: S105 - of the demo logins in a database that lives for one run
# Asking and answering counts too: `is_paid`, `has_ended`, `may_retry`, `can_book`.
VERBS = set(
    """
    abandon accept add adopt advance aim alert allow allows amend announce answer apply approve archive
    arrange ask assert assign attach authenticate authorize await back_off backfill become begin belongs
    bind block book bound break bring build bump cache calculate call can cancel capture carry cast catch
    change charge check choose claim classify clean clear close collapse collect combine commit compare
    complete compute configure confirm connect consume contain contains convert copy correct count create
    cut decide decline decode decrypt deduplicate delete deliver demand deny derive describe deserialize
    detect diagnose differs disable dispatch dispute do does drain draw drop dump emit enable encode encrypt
    end enforce ensure enter escape establish estimate evaluate examine exclude execute exists expire
    explain export extend extract fail fetch fill filter find finish fix flag flatten follow forget format
    forward free fulfil gather generate get give go grant guard guess had handle has hash hide hold honour
    identify ignore import include increment inform initialise inject insert inspect install invalidate
    invite is issue join judge keep kill knock know knows lay learn leave let limit link listen load lock
    log look make map mark mask match matches may measure meet mend merge migrate missed mock modify monitor
    mount move must need needs normalise normalize note notify observe offer omit open overlaps pad paginate
    park parse pass patch pause pay perform permit persist pick plan play poll pop post prefer prepare
    present press prevent print probe process produce promise propose protect prove publish pull purge push
    put query quote raise rank reach reaches read rebuild recalculate receive recognise recognize reconcile
    record recover redact redirect reduce refer refill refresh refund refuse register reject relate release
    reload remember remind remove rename render renew reopen repair repeat replace reply report represent
    request require reset resolve respond restart restore restrict resume retrieve retry return reverse
    revoke rewrite ring roll rotate run save say says scale scan schedule score search seed seek select sell
    send separate serialize serve set settle shape share ship shorten should show shrink shut sign simulate
    skip sleep sort spell spend split stamp stand start stay step stop store strip submit subtract suggest
    sum summarise summarize supply support suppress suspend swap switch sync take tell test think throttle
    tick tidy tie toggle touch trace track transfer transform translate treat trim trust try turn uncover
    undo unlock unwrap update upgrade upload use uses validate verify visit wait walk want wants warn was
    watch will withdraw work wrap write
    """.split()  # noqa: SIM905 - a list of words reads better as a text
)
Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    options = [argument for argument in sys.argv[1:] if argument.startswith("-")]
    roots = [argument for argument in sys.argv[1:] if argument not in options]
    root = Path(roots[0] if roots else Path(__file__).parent.parent).resolve()
    if os.environ.get("CODE_METRICS_TRACE"):
        sys.stdout.write(json.dumps(trace_payment(root)))
        return
    traces = measure_traces(root)
    lists = {name: traces.pop(name) for name in list(traces) if isinstance(traces[name], list)}
    if "--files" in options:
        for name, lines in lists.items():
            sys.stdout.write("\n".join([f"{name}:", *(f"    {line}" for line in lines), ""]))
        return
    figures = measure_sources(root) | traces
    width = max(map(len, figures))
    for name, value in figures.items():
        sys.stdout.write(f"{name:<{width}}  {value}\n")


# --- read from the sources ---------------------------------------------------------------------


def measure_sources(root: Path) -> dict[str, Any]:
    code = [path for package in packages(root) for path in package.rglob("*.py") if not skipped(path, root)]
    tests = list((root / "tests").rglob("*.py"))
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in code]
    functions = [node for tree in trees for node in ast.walk(tree) if isinstance(node, Function)]
    lengths = sorted(node.end_lineno - node.lineno + 1 for node in functions)  # type: ignore[operator]
    named = [node.name for node in functions if not node.name.startswith("__")]
    helpers, once = count_helpers(trees)
    return {
        "modules of code": len(code),
        "lines of code": count_lines(code),
        "lines of tests": count_lines(tests),
        "functions": len(functions),
        "function length, median": statistics.median(lengths),
        "function length, 90th percentile": lengths[len(lengths) * 9 // 10],
        "function length, longest": lengths[-1],
        "private helpers": helpers,
        "private helpers used once": f"{once} ({once / len(functions):.0%} of all functions)",
        "functions whose name starts with a verb": f"{sum(map(starts_with_verb, named)) / len(named):.0%}",
    }


def packages(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/__init__.py") if path.parent.name not in NOT_CODE)


def skipped(path: Path, root: Path) -> bool:
    return bool(NOT_CODE & set(path.relative_to(root).parts))


def count_lines(paths: list[Path]) -> int:
    """Without blank lines."""
    return sum(bool(line.strip()) for path in paths for line in path.read_text(encoding="utf-8").splitlines())


def count_helpers(trees: list[ast.Module]) -> tuple[int, int]:
    """All private helpers, and those that their module mentions once."""
    helpers = once = 0
    for tree in trees:
        used = Counter(names_used(tree))
        names = [node.name for node in ast.walk(tree) if isinstance(node, Function) and is_helper(node)]
        helpers += len(names)
        once += sum(used[name] == 1 for name in names)
    return helpers, once


def names_used(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def is_helper(node: Function) -> bool:
    """Private and undecorated: Django, DRF and other packages call none of these."""
    return node.name.startswith("_") and not node.name.startswith("__") and not node.decorator_list


def starts_with_verb(name: str) -> bool:
    return name.strip("_").partition("_")[0].lower() in VERBS


# --- traced ------------------------------------------------------------------------------------


def measure_traces(root: Path) -> dict[str, Any]:
    """In a process of its own: the settings of Django are read once."""
    with tempfile.TemporaryDirectory(prefix="code-metrics-") as folder:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(root),
            "CODE_METRICS_TRACE": "1",
            "DJANGO_SETTINGS_MODULE": "okpuja.settings",
            "DOTENV_FILE": "",
            "SECRET_KEY": "only-for-this-trace-and-long-enough-for-hs256",
            "ALLOWED_HOSTS": "testserver,127.0.0.1",
            "DATABASE_URL": f"sqlite:///{folder}/trace.sqlite3",
            "CACHE_URL": "locmem://trace",
            "EMAIL_URL": "dummy://",
            "PHONEPE_SIMULATION_MODE": "True",
            "LOG_LEVEL": "CRITICAL",
        }
        command = [sys.executable, str(Path(__file__).resolve()), str(root)]
        done = subprocess.run(  # noqa: S603 - this very script
            command, cwd=root, env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise SystemExit(f"the trace failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Trace:
    """Which functions of ours run between `with` and its end, and how deep the first call to PhonePe is."""

    def __init__(self, root: Path) -> None:
        self.own = tuple(f"{package}/" for package in packages(root) if package.name != "simulator")
        self.wire = f"{root}/simulator/adapter.py"
        self.functions: set[tuple[str, str]] = set()
        self.root = root
        self.frames: list[str] = []

    def __enter__(self) -> "Trace":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *failure: object) -> None:
        sys.setprofile(None)

    @property
    def files(self) -> list[str]:
        """With the functions that ran in each."""
        names: dict[str, list[str]] = {}
        for file, name in sorted(self.functions):
            names.setdefault(file, []).append(name)
        return [f"{Path(file).relative_to(self.root)}  {', '.join(ran)}" for file, ran in names.items()]

    def _note(self, frame: Any, event: str, argument: object) -> None:
        if event != "call":
            return
        file, name = frame.f_code.co_filename, frame.f_code.co_qualname
        if file == self.wire and frame.f_code.co_name == "send" and not self.frames:
            self.frames = self._frames_from_the_view(frame)
        if file.startswith(self.own) and not name.endswith(">"):
            self.functions.add((file, name))

    def _frames_from_the_view(self, frame: Any) -> list[str]:
        """Own frames above `frame`, from the outermost one in a package of views."""
        frames: list[str] = []
        while frame is not None:
            file, name = frame.f_code.co_filename, frame.f_code.co_qualname
            if file.startswith(self.own) and not name.endswith("comp>"):
                frames.insert(0, f"{Path(file).relative_to(self.root)}  {name}")
            frame = frame.f_back
        first = next((number for number, line in enumerate(frames) if "/views" in line), len(frames))
        return frames[first:]


class Listener(HTTPServer):
    """Takes the webhook that the simulated PhonePe sends, so that it can be played again in this thread."""

    def __init__(self) -> None:
        self.call: tuple[dict[str, str], bytes] | None = None
        self.arrived = threading.Event()
        super().__init__(("127.0.0.1", 0), Taker)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Taker(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == WEBHOOK:
            self.server.call = dict(self.headers), body
            self.server.arrived.set()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def trace_payment(root: Path) -> dict[str, Any]:
    listener = Listener()
    os.environ["PUBLIC_BASE_URL"] = f"http://127.0.0.1:{listener.server_port}"
    import django  # noqa: PLC0415 - after the settings

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup()
    from django.test import Client  # noqa: PLC0415 - after django.setup()

    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    call_command("seed_demo", password=PASSWORD, stdout=io.StringIO())
    client = Client(raise_request_exception=False)
    log_in(client)
    cart = fill_cart(client)
    post(client, "/api/payments/payments/process-cart/", {"amount": 100}, logged_in=False)  # warms caches up
    with Trace(root) as payment:
        started = post(client, "/api/payments/payments/process-cart/", {"cart_id": cart})
    page = re.sub(r"^https?://[^/]+", "", started["payment_url"])
    client.post(page, {"choice": "success"})
    if not listener.arrived.wait(30) or listener.call is None:
        raise SystemExit("the simulated PhonePe sent no webhook")
    headers, body = listener.call
    passed_on = {name: text for name, text in headers.items() if name not in ("Host", "Content-Length")}
    with Trace(root) as webhook:
        answer = client.post(WEBHOOK, body, content_type=headers["Content-Type"], headers=passed_on)
    booked = client.get(f"/api/payments/payments/{started['payment_id']}/").json()
    if answer.status_code != 200 or not booked.get("booking"):
        raise SystemExit(f"the webhook made no booking: {answer.status_code}, {booked}")
    return {
        "process-cart: files": len(payment.files),
        "process-cart: functions": len(payment.functions),
        "process-cart: own frames from the view to the HTTP send": len(payment.frames),
        "process-cart, files and the functions that ran in each": payment.files,
        "process-cart, own frames from the view to the HTTP send": payment.frames,
        "webhook: files": len(webhook.files),
        "webhook: functions": len(webhook.functions),
        "webhook: own frames from the view to the HTTP send": len(webhook.frames),
        "webhook, files and the functions that ran in each": webhook.files,
        "webhook, own frames from the view to the HTTP send": webhook.frames,
    }


def log_in(client: Any) -> None:
    login = {"email": "devotee@example.com", "password": PASSWORD}
    answer = post(client, "/api/auth/login/", login, logged_in=False)
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {answer['access']}"


def fill_cart(client: Any) -> int:
    service = client.get("/api/puja/services/?search=satyanarayan").json()["results"][0]
    package = client.get(f"/api/puja/packages/?puja_service={service['id']}").json()[0]
    slot = client.get(f"/api/puja/services/{service['id']}/slots/").json()[-1]
    choice = {"service_type": "PUJA", "puja_service": service["id"], "package_id": package["id"]}
    choice |= {"selected_date": slot["date"], "selected_time": slot["time"]}
    number: int = post(client, "/api/cart/carts/", choice)["id"]
    return number


def post(client: Any, path: str, body: dict[str, Any], *, logged_in: bool = True) -> dict[str, Any]:
    headers = {} if logged_in else {"authorization": ""}
    answer = client.post(path, json.dumps(body), content_type="application/json", headers=headers)
    if answer.status_code >= 300:
        raise SystemExit(f"{path} answered {answer.status_code}: {answer.content[:500]!r}")
    found: dict[str, Any] = answer.json()
    return found


if __name__ == "__main__":
    main()
