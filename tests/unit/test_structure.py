"""What keeps the code readable, held by measuring it: sizes, imports, and nothing caught that nobody expects."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path
from statistics import median

import pytest

from okpuja.build import PACKAGES
from tests.harness import ROOT
from tests.unit.test_docs import links_of_the_steps
from tools.code_metrics import count_helpers, measure_traces

MODULES = sorted(
    path.relative_to(ROOT)
    for folder in PACKAGES
    for path in (ROOT / folder).rglob("*.py")
    if "migrations" not in path.parts
)
TESTS = sorted(
    path.relative_to(ROOT) for folder in ("tests", "bench", "tools") for path in (ROOT / folder).rglob("*.py")
)
DOTTED = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
CATCHES_ALL = {"Exception", "BaseException"}
# What was done with a value does not say what it is: a match, a list of times, the reason for the customer.
NO_NOUNS = {"told", "shown", "asked", "said", "heard", "wanted", "met"}
# The bug of one row must stop neither the others nor the worker (docs/decisions.md).
# Work whose bugs must not stop the rest, and senders that are not ours: libraries have errors of their own.
MAY_CATCH_ALL = {Path("payment/services/leases.py"), Path("notifications/code_sender.py")}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def nodes_by_kind(path: Path) -> dict[type[ast.AST], list[ast.AST]]:
    """Walked once for all tests: to walk takes longer than to parse."""
    found = defaultdict(list)
    for node in ast.walk(tree(path)):
        found[type(node)].append(node)
    return found


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return chain.from_iterable(nodes_by_kind(path).get(kind, ()) for kind in kinds)


def length(function: ast.AST) -> int:
    return function.end_lineno - function.lineno + 1


def functions(path: Path) -> Iterator[ast.AST]:
    return nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)


def caught(handler: ast.ExceptHandler) -> set[str]:
    """The names that a handler catches; a bare `except:` catches everything."""
    if handler.type is None:
        return CATCHES_ALL
    return {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}


def imported(path: Path) -> set[str]:
    """Modules of ours that must be loaded before this one: a package itself runs nothing but its imports."""
    wanted = {alias.name for node in nodes(path, ast.Import) for alias in node.names}
    for node in nodes(path, ast.ImportFrom):
        submodules = {f"{node.module}.{alias.name}" for alias in node.names} & DOTTED.keys()
        names_of_the_package = len(submodules) < len(node.names)
        wanted |= submodules | ({node.module} if names_of_the_package else set())
    return wanted & DOTTED.keys()


def test_half_of_the_functions_have_ten_lines_or_fewer():
    assert median(length(function) for path in MODULES for function in functions(path)) <= 10


@pytest.mark.parametrize("paths", [MODULES, TESTS], ids=["code", "tests"])
def test_no_function_has_more_than_sixty_lines(paths):
    every = [(path, node) for path in paths for node in functions(path)]
    assert [f"{path}:{node.name}" for path, node in every if length(node) > 60] == []


def test_a_variable_is_named_after_what_it_holds():
    named = {
        f"{path}:{node.lineno} {name}"
        for path in MODULES
        for function in functions(path)
        for node in ast.walk(function)
        if isinstance(node, ast.arg) or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        if (name := getattr(node, "arg", None) or node.id) in NO_NOUNS
    }
    assert named == set()


@pytest.mark.slow
def test_few_helpers_are_used_once():
    """One that only names a line makes the reader turn a page for it."""
    every = sum(1 for path in MODULES for _ in functions(path))
    _, once = count_helpers([tree(path) for path in MODULES])
    assert once / every <= 0.12


@pytest.mark.proof
def test_a_payment_and_a_webhook_reach_phonepe_in_eleven_frames_by_the_steps_of_the_architecture():
    """Traced in a process of its own, from the view to the HTTP request. The worker takes the twelfth step."""
    traced = measure_traces(ROOT)
    ways = "process-cart", "webhook"
    assert [traced[f"{way}: own frames from the view to the HTTP send"] <= 11 for way in ways] == [True, True]
    steps = links_of_the_steps()
    for way, part in zip(ways, (steps[:6], steps[6:11]), strict=True):
        ran = dict(line.split("  ") for line in traced[f"{way}, files and the functions that ran in each"])
        passed = [
            [(name, file) for name, file in links if name in ran.get(file, "").split(", ")] for links in part
        ]
        assert [links[0] for links in part] == [links[0] for links in passed if links]
    from_webhook_to_booking = {file for links in passed[:4] for _, file in links}
    assert len(from_webhook_to_booking) <= 10


@pytest.mark.parametrize("paths", [MODULES, TESTS], ids=["code", "tests"])
def test_no_module_has_more_than_six_hundred_lines(paths):
    lines = {path: len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in paths}
    assert {str(path): count for path, count in lines.items() if count > 600} == {}


@pytest.mark.slow
@pytest.mark.parametrize("paths", [MODULES, TESTS], ids=["code", "tests"])
def test_nobody_catches_what_they_do_not_expect(paths):
    handlers = [(path, node) for path in paths for node in nodes(path, ast.ExceptHandler)]
    everything = [(path, node) for path, node in handlers if caught(node) & CATCHES_ALL]
    assert [f"{path}:{node.lineno}" for path, node in everything if path not in MAY_CATCH_ALL] == []


def test_nobody_decides_by_is_staff():
    """It opens the admin and nothing else: `User.holds` and `HasRight` ask for a right."""
    named = {
        str(path)
        for path in MODULES
        for node in nodes(path, ast.Attribute, ast.Constant)
        if {getattr(node, "attr", None), getattr(node, "value", None)} & {"is_staff", "is_superuser"}
    }
    # The model, the page on which superusers give it, and the words for its changes.
    assert named == {"accounts/models.py", "accounts/admin.py", "backoffice/history.py"}


def test_no_module_imports_itself_by_a_detour():
    order = TopologicalSorter({name: imported(path) for name, path in DOTTED.items()})
    order.prepare()  # raises CycleError, which names the modules of the circle
