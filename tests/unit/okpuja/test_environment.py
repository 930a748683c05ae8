"""What stands around a value and what nobody sees in it, for every variable that there is."""

import ast
import os

import pytest
from django.core.exceptions import ImproperlyConfigured

from okpuja import build, environment
from okpuja.build import PACKAGES
from tests.harness import ROOT
from tests.harness.environment import WANTED

pytestmark = pytest.mark.slow  # starts processes

SETTINGS = ROOT / "okpuja/settings.py"
PROGRAM = compile(SETTINGS.read_text(), SETTINGS, "exec")
EXACT = {"secret", "credential", "address", "former_credentials"}
# What ends like this has to be the same somewhere else, letter by letter.
EXACT_ENDINGS = ("_KEY", "_SECRET", "_TOKEN", "_PASSWORD", "_USERNAME", "_ID", "_URL", "_BUNDLE", "_PREVIOUS")
WORD = "Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7"
AROUND = {
    "double quotes": f'"{WORD}"',
    "single quotes": f"'{WORD}'",
    "typographic quotes": f"\u201c{WORD}\u201d",
    "backticks": f"`{WORD}`",
    "nothing but quotes": '""',
    "a space before": f" {WORD}",
    "a space behind": f"{WORD} ",
    "a space that does not break": f"{WORD}\u00a0",
    "a line end": f"{WORD}\n",
    "the line end of Windows": f"{WORD}\r\n",
    "quotes with a line end in them": f'"{WORD}\n"',
}
UNSEEN = {
    "a control": f"{WORD}\x01{WORD}",
    "a line end inside": f"{WORD}\n{WORD}",
    "a zero-width space": f"{WORD}\u200b",
    "a byte order mark": f"\ufeff{WORD}",
    "a soft hyphen": f"{WORD}\u00ad{WORD}",
    "writing from right to left": f"\u202e{WORD}",
    "a byte that is no text": f"{WORD}\udcff",
}
ONE_SIDED = {"a quote before": f'"{WORD}', "a quote behind": f"{WORD}'", "half a word": f"\u2018{WORD}"}


def readers():
    """Which function reads each variable, by the settings' own text."""
    calls = [node for node in ast.walk(ast.parse(SETTINGS.read_text())) if isinstance(node, ast.Call)]
    for call in calls:
        name = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
        reader = getattr(call.func, "id", "")
        if hasattr(environment, reader) and str(name).isupper():
            yield name, reader


READ = dict(readers())


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(build, "fingerprint", lambda root: "not looked at")


def read_settings():
    """Compiled once: a thousand environments are tried."""
    read = {"__name__": "settings", "__file__": str(SETTINGS)}
    exec(PROGRAM, read)  # noqa: S102
    return read


def refusal(monkeypatch, **variables):
    """What the settings say to this environment."""
    for name in READ:
        monkeypatch.delenv(name, raising=False)
    for name, value in (WANTED | variables).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refused:
        read_settings()
    return str(refused.value)


def test_every_variable_is_read_through_the_one_rule():
    assert len(READ) > 70
    apart = {"okpuja/environment.py", "okpuja/settings.py", "okpuja/wsgi.py", "simulator/process.py"}
    apart.add("simulator/management/commands/phonepe_simulator.py")  # hands its own on to the process
    apart.add("okpuja/serving_address.py")  # hands PUBLIC_BASE_URL on to the processes that it starts
    apart.add("okpuja/celery.py")  # names the settings, as wsgi.py does
    apart.add("diagnostics/dependencies.py")  # TMPDIR, where tempfile would write
    apart.add("worker/backups.py")  # hands its own on to PostgreSQL's programs
    reading = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if "os.environ" in path.read_text() or "getenv" in path.read_text()
    }
    assert reading <= apart


def test_every_secret_and_address_is_read_as_one():
    loose = {name for name, reader in READ.items() if name.endswith(EXACT_ENDINGS) and reader not in EXACT}
    assert loose == set()


@pytest.mark.parametrize("name", sorted(READ))
def test_no_variable_starts_with_more_around_it_or_in_it_than_is_seen(monkeypatch, name):
    for what, value in (AROUND | UNSEEN).items():
        if READ[name] == "former_credentials" and "\n" in value:
            continue  # JSON may be written on many lines
        said = refusal(monkeypatch, **{name: value})
        assert said.startswith(name), what
        assert WORD not in said, what


@pytest.mark.parametrize("name", sorted(name for name, reader in READ.items() if reader in EXACT | {"words"}))
def test_not_even_half_a_pair_of_quotes_is_part_of_a_secret_or_an_address(monkeypatch, name):
    if name == "STAFF_EMAILS":
        pytest.skip('"Name" <address> begins with one')
    for what, value in ONE_SIDED.items():
        said = refusal(monkeypatch, **{name: value})
        assert said.startswith(name), what
        assert WORD not in said, what


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PHONEPE_FALLBACK_BASE_URLS", 'https://api.phonepe.com/apis/pg|proxy="http://proxy.internal:3128"'),
        ("CORS_ALLOWED_ORIGINS", 'https://a.example,"https://b.example",https://c.example'),
        ("SECRET_KEY_FALLBACKS", f"first,'{WORD}',third"),
        ("PHONEPE_PREVIOUS", f'[{{"env": "UAT", "merchant_id": "M1", "salt_key": "\\"{WORD}\\""}}]'),
        ("PHONEPE_PREVIOUS", f'[{{"env": "UAT", "client_id": "C1", "client_secret": "{WORD} "}}]'),
        ("EMAIL_URL", f"smtp://shop:{WORD}%0A@mail.example"),
        ("PHONEPE_SALT_KEY", f"{WORD} {WORD}"),
        ("PHONEPE_CLIENT_SECRET", f"{WORD}\u0430"),  # Cyrillic, and looks like an a
        ("OPS_TOKEN", f"{WORD} {WORD}"),
    ],
)
def test_the_rule_holds_for_each_part_of_a_value(monkeypatch, name, value):
    said = refusal(monkeypatch, **{name: value})
    assert said.startswith(name)
    assert WORD not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CORS_ALLOWED_ORIGINS", "https://www.example.com/"),
        ("CORS_ALLOWED_ORIGINS", "https://www.example.com/shop"),
        ("CORS_ALLOWED_ORIGINS", "www.example.com"),
        ("CORS_ALLOWED_ORIGINS", "https://www.example.com:443"),
        ("CORS_ALLOWED_ORIGINS", "https://Www.example.com"),
        ("CSRF_TRUSTED_ORIGINS", "https://www.example.com/"),
        ("ALLOWED_HOSTS", "https://www.example.com"),
        ("ALLOWED_HOSTS", "www.example.com:8000"),
        ("ALLOWED_HOSTS", "www.example.com www.example.in"),
        ("CORS_EXTRA_HEADERS", "x-shop; x-version"),
        ("CORS_EXTRA_HEADERS", "*"),
        ("PUBLIC_BASE_URL", "https://www.example .com"),
    ],
)
def test_what_could_never_be_the_same_as_what_it_is_compared_with_is_refused(monkeypatch, name, value):
    assert refusal(monkeypatch, **{name: value}).startswith(name)


def test_what_is_meant_is_taken_as_it_is(monkeypatch):
    meant = {
        "DEFAULT_FROM_EMAIL": '"OkPuja" <bookings@example.com>',
        "STAFF_EMAILS": '"Ravi K" <ravi@example.com>, asha@example.com',
        "RECEIPT_ISSUER": "\u0930\u0915\u094d\u200d\u0937\u093e|Varanasi",
        "SECRET_KEY": "my long phrase of words, and 'quotes' in it",
        "PHONEPE_PREVIOUS": '[\n  {"env": "UAT",\n   "merchant_id": "M1", "salt_key": "k\'ey"}\n]\n',
        "CSRF_TRUSTED_ORIGINS": "https://*.example.com",
        "ALLOWED_HOSTS": ".example.com,[::1], *",
    }
    for name, value in (WANTED | meant).items():
        monkeypatch.setenv(name, value)

    read = read_settings()

    assert read["SECRET_KEY"] == meant["SECRET_KEY"]
    assert read["PHONEPE_PREVIOUS"] == [{"env": "UAT", "merchant_id": "M1", "salt_key": "k'ey"}]
    assert read["ALLOWED_HOSTS"] == [".example.com", "[::1]", "*"]
    assert read["STAFF_EMAILS"] == ['"Ravi K" <ravi@example.com>', "asha@example.com"]


def test_a_nul_is_refused_where_the_system_lets_one_through(monkeypatch):
    monkeypatch.setattr(os, "environ", {"OPS_TOKEN": f"{WORD}\x00"})
    with pytest.raises(ImproperlyConfigured, match="OPS_TOKEN"):
        environment.credential("OPS_TOKEN")
