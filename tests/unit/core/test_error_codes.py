"""The table of error codes is what the product's code can answer: read from its classes and from each `code="…"`."""

import ast
import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Iterator

from rest_framework.exceptions import APIException, ValidationError
from rest_framework_simplejwt.exceptions import InvalidToken

from core import error_codes
from core.schema import add_refusals
from tests.harness import ROOT

APPS = (
    *("accounts", "backoffice", "booking", "core", "diagnostics", "notifications", "okpuja"),
    *("payment", "storefront", "worker"),
)
# Bases that are never raised themselves: `default_code` of what they are made into counts.
NEVER_ANSWERED = {"error", "invalid"}
# The status of an object is set where it is raised.
STATUS_OF_CODE = {"internal_error": 500, "account_not_active": 200, "email_not_confirmed": 200}
DOCUMENT = ROOT / "docs/error-codes.md"


def exception_classes() -> dict[str, list[type[APIException]]]:
    for app in APPS:
        package = importlib.import_module(app)
        for module in pkgutil.walk_packages(package.__path__, f"{app}."):
            if not {"migrations", "management", "celery"} & set(module.name.split(".")):
                importlib.import_module(module.name)
    found, waiting = defaultdict(list), [APIException]
    while waiting:
        each = waiting.pop()
        waiting += each.__subclasses__()
        if each.__module__.split(".")[0] in {*APPS, "rest_framework"} or each is InvalidToken:
            found[each.__name__].append(each)
    return found


def constants(value: ast.expr) -> list[str]:
    if isinstance(value, ast.Constant):
        return [value.value]
    if isinstance(value, ast.IfExp):
        return constants(value.body) + constants(value.orelse)
    # Of another error, whose class says it.
    return []


def codes_of_calls(classes: dict[str, list[type[APIException]]]) -> Iterator[tuple[str, int]]:
    """Of each `SomeRefusal(…, code="…")`, and of `super().__init__(…, code="…")` in a class of errors."""
    for app in APPS:
        for file in (ROOT / app).rglob("*.py"):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if not isinstance(call, ast.Call):
                    continue
                name = getattr(call.func, "id", getattr(call.func, "attr", ""))
                kinds = [kind for kind in classes.get(name, []) if not issubclass(kind, ValidationError)]
                for keyword in call.keywords:
                    if keyword.arg == "code" and (kinds or name == "__init__"):
                        for code in constants(keyword.value):
                            yield code, STATUS_OF_CODE.get(code, kinds[0].status_code if kinds else 0)
                            yield from ((code, kind.status_code) for kind in kinds if kind.status_code != 400)


def answered() -> dict[str, set[int]]:
    classes = exception_classes()
    found: dict[str, set[int]] = defaultdict(set)
    found["validation"].add(400)
    for kinds in classes.values():
        for kind in kinds:
            if kind.default_code not in NEVER_ANSWERED and kind.__name__ != "NotLoggedIn":
                found[kind.default_code].add(kind.status_code)
    for code, status in codes_of_calls(classes):
        found[code].add(status)
    return found


def test_the_table_has_each_code_that_can_be_answered_with_its_statuses():
    table = {code: set(error.statuses) for code, error in error_codes.CODES.items()}

    assert table == answered()


def test_a_code_stands_under_one_subject():
    listed = [code for codes in error_codes.SUBJECTS.values() for code in codes]

    assert len(listed) == len(set(listed)) > 100


def test_the_document_shows_the_table():
    assert DOCUMENT.read_text(encoding="utf-8").endswith(f"\n{error_codes.markdown()}\n"), (
        "docs/error-codes.md is old. Write it anew: python -m tests.unit.core.test_error_codes"
    )


def test_the_description_of_the_api_has_the_codes():
    schemas = add_refusals({"paths": {}, "components": {"schemas": {}}})["components"]["schemas"]

    assert schemas["Error"]["properties"]["code"] == {"$ref": "#/components/schemas/ErrorCode"}
    assert schemas["ErrorCode"]["enum"] == sorted(error_codes.CODES)
    assert "| `slot_full` | 409 |" in schemas["ErrorCode"]["description"]


if __name__ == "__main__":
    head = DOCUMENT.read_text(encoding="utf-8").partition("\n**")[0]
    DOCUMENT.write_text(f"{head}\n{error_codes.markdown()}\n", encoding="utf-8")
