"""What the documents name exists: files, headings, functions, classes, routes, make targets, management commands."""

import re

import pytest
from django.core.management import get_commands
from django.urls import is_valid_path
from django.utils.text import capfirst

from payment.admin import PaymentAdmin
from payment.models.payments import ATTEMPT_FROM, FULFILMENT_FROM, PAYMENT_FROM
from payment.models.refunds import REFUND_FROM
from tests.harness import ROOT
from tools.code_links import LINK as CODE_LINK
from tools.code_links import correct, line_of

DOCUMENTS = [
    *(
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "clients/README.md",
        "simulator/README.md",
    ),
    *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
ANCHOR = re.compile(r"\]\(([\w./-]*\.md)?#([^)]+)\)")
ROUTE = re.compile(r"(?:\$API|`(?:[A-Z]+ )?/api)(/[^\"`\s?]+)")
VARIABLE = re.compile(r"\$\{?\w+\}?|\{\w+\}|<\w+>")
KEYS = ("1", "0b9f6c6e-5d0e-4f3a-9a57-2f6f8f1f7d11", "a" * 40)  # of rows, carts, links
PATH = re.compile(r"`((?:[\w.*-]+/)+[\w.*-]*)`")
TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")
COMMAND = re.compile(r"manage\.py ([a-z_]+)")
FOLDERS = {path.name for path in ROOT.iterdir() if path.is_dir()}


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


ARCHITECTURE = text_of("docs/architecture.md")
SCREEN = 20  # lines


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_files(document):
    targets = [link for link in LINK.findall(text_of(document)) if "://" not in link]
    assert [link for link in targets if not ((ROOT / document).parent / link).exists()] == []


def anchors_of(document: str) -> set[str]:
    """As GitHub and MkDocs make them of the headings."""
    headings = re.findall(r"^#+ +(.+)$", text_of(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_to_headings(document):
    folder = (ROOT / document).parent
    links = [
        (str((folder / file).resolve().relative_to(ROOT)) if file else document, anchor)
        for file, anchor in ANCHOR.findall(text_of(document))
    ]
    assert [link for link in links if link[1] not in anchors_of(link[0])] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_routes_of_the_api_exist(document):
    routes = {route for route in ROUTE.findall(text_of(document)) if "…" not in route}
    missing = [
        route
        for route in routes
        if not any(is_valid_path(f"/api{VARIABLE.sub(key, route).rstrip('/')}/") for key in KEYS)
    ]
    assert set(missing) - {"/server/"} == set()  # where the routes of servers begin


@pytest.mark.parametrize("document", DOCUMENTS)
def test_paths_of_this_repository_exist(document):
    named = {path for path in PATH.findall(text_of(document)) if path.split("/")[0] in FOLDERS}
    missing = {path for path in named if not list(ROOT.glob(path.rstrip("/")))}
    assert (
        missing - {"mail/", "clients/openapi.json", "clients/python", "clients/typescript"} == set()
    )  # made later


def test_links_of_the_architecture_into_the_code_lead_to_what_they_name():
    """Within a screen of it: each change above a function moves it, and `make links` updates the numbers."""
    links = [(name, int(line), line_of(name, file)) for name, file, line in CODE_LINK.findall(ARCHITECTURE)]
    assert len(links) >= 50
    assert [link for link in links if abs(link[1] - link[2]) > SCREEN] == []


def test_line_numbers_of_links_are_written_anew():
    file = "../tools/code_links.py"
    main = line_of("main", file)
    assert correct(f"[`main`]({file}#L{main + 70}) and more") == f"[`main`]({file}#L{main}) and more"


def links_of_the_steps() -> list[list[tuple[str, str]]]:
    """Of each step: the functions that it links to, with their files."""
    story = ARCHITECTURE.partition("in twelve steps")[2].partition("\n## ")[0]
    _, *steps = re.split(r"(?m)^\d+\. \*\*", story)
    return [[(name, file.removeprefix("../")) for name, file, _ in CODE_LINK.findall(step)] for step in steps]


def test_one_payment_is_twelve_functions_in_at_most_twelve_files():
    functions = [links[0] for links in links_of_the_steps()]
    assert len(set(functions)) == 12
    assert len({file for _, file in functions}) <= 12


def test_each_question_of_the_architecture_is_answered_by_a_function_or_table():
    asked = ARCHITECTURE.partition("## Where a question is decided")[2].partition("\n## ")[0]
    rows = re.findall(r"(?m)^\| ([^|]+\?) \| (.+) \|$", asked)
    assert len(rows) >= 10
    assert [question for question, answer in rows if not CODE_LINK.search(answer)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document):
    targets = set(re.findall(r"(?m)^([a-z][a-z-]*):", text_of("Makefile")))
    code = "\n".join(re.findall(r"`[^`]+`|^    .*$", text_of(document), re.MULTILINE))
    assert set(TARGET.findall(code)) - targets == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_management_commands_exist(document):
    assert set(COMMAND.findall(text_of(document))) - get_commands().keys() == set()


@pytest.mark.parametrize(
    ("after", "table"),
    [
        ("A payment. Late money", PAYMENT_FROM),
        ("What becomes of its money", FULFILMENT_FROM),
        ("One order at PhonePe", ATTEMPT_FROM),
        ("A refund. One that failed", REFUND_FROM),
    ],
)
def test_the_pictures_of_states_are_the_tables_of_transitions(after, table):
    picture = ARCHITECTURE.partition(after)[2].partition("```mermaid")[2].partition("```")[0]
    drawn = {(start, end) for start, end in re.findall(r"(?m)^    (\w+) --> (\w+)", picture)}
    moves = {(start.name, end.name) for end, sources in table.items() for start in sources}
    assert drawn == moves


@pytest.mark.parametrize("document", ["docs/architecture.md", "docs/troubleshooting.md"])
def test_the_tabs_of_a_payment_are_called_as_the_documents_say(document):
    named = re.search(r"the tabs\s+\*([^*]+)\*\s+and\s+\*([^*]+)\*", text_of(document))
    assert named
    assert set(named.groups()) <= {
        capfirst(rows.model._meta.verbose_name_plural) for rows in PaymentAdmin.inlines
    }
