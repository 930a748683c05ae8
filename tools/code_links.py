"""Line numbers of the links from docs/architecture.md into the code, as in [`start_donation`](../file.py#L41).

    python tools/code_links.py

updates each number from the name before it, and exits with 1 if one has changed, as a hook before a commit wants
it. A method is named with its class: `PhonePeGateway.pay`. The names are found in the sources: nothing is imported.
"""

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/architecture.md"
LINK = re.compile(r"\[`([\w.]+)`\]\((\.\./[^)#]+\.py)#L(\d+)\)")


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    corrected = correct(text)
    if corrected != text:
        DOCUMENT.write_text(corrected, encoding="utf-8")
        sys.exit(f"{DOCUMENT.name}: the line numbers of links into the code were updated")


def correct(text: str) -> str:
    """Raises KeyError for a name that its file does not define."""
    return LINK.sub(lambda link: f"[`{link[1]}`]({link[2]}#L{line_of(link[1], link[2])})", text)


def line_of(name: str, link: str) -> int:
    return definitions((DOCUMENT.parent / link).resolve())[name]


@cache
def definitions(file: Path) -> dict[str, int]:
    """The line of each function, class and table of a module, and of each method."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = dict(names_in(tree))
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}": line for name, line in names_in(node)}
    return found


def names_in(scope: ast.Module | ast.ClassDef) -> Iterator[tuple[str, int]]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            for target in [node.target] if isinstance(node, ast.AnnAssign) else node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.lineno


if __name__ == "__main__":
    main()
