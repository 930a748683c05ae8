"""The commands that the documents show: the lines of their code blocks, and those between backticks in the text."""

import re
from collections.abc import Iterator

from tests.harness import ROOT

# Programs write these, or they tell of what was: nobody types from them.
WRITTEN = {"CHANGELOG.md", "decisions.md", "defects.md", "diagnose-lab.md", "error-codes.md", "wire-table.md"}
FOLDERS = (".", "bench", "clients", "docs", "simulator")
DOCUMENTS = sorted(
    f"{path.relative_to(ROOT)}"
    for folder in FOLDERS
    for path in (ROOT / folder).glob("*.md")
    if path.name not in WRITTEN
)
# A block that begins like this is no shell: code, messages, settings of other programs, the tree of the folders.
OTHER = re.compile(
    r"\s*(\{|import |from |def |class |# okpuja_\w+\.py|location |ignore_startup_parameters|ALTER |POST |okpuja/ )"
)
PROGRAMS = (
    "make|curl|python3?|pip|pipx|npm|sh|bash|sudo|okpuja|gunicorn|celery|certbot|systemctl|journalctl|timedatectl|"
    r"docker|git|grep|ls|nft|psql|promtool|apt-get|openssl|phonepe-simulator|manage\.py|\.venv/bin/\w+|okpuja-\w+"
)
PYTHON = re.compile(r"^(\.venv/bin/)?python manage\.py")
IN_TEXT = re.compile(rf"`((?:[A-Z_]+=\S+ )*(?:{PROGRAMS}) [^`]+|\.ci/run)`")


def commands(document: str) -> list[str]:
    """Each command once, on one line, without its comment and without the Python of manage.py."""
    text = (ROOT / document).read_text(encoding="utf-8")
    prose = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    in_text = (" ".join(command.split()) for command in IN_TEXT.findall(prose))
    found = (PYTHON.sub("manage.py", command) for command in (*commands_of_blocks(text), *in_text))
    return list(dict.fromkeys(found))


def commands_of_blocks(text: str) -> Iterator[str]:
    text = re.sub(r"(?ms)^```.*?^```$", "", text)
    for block in re.findall(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+", text):
        lines = [line[4:] for line in block.splitlines() if line.strip()]
        if not OTHER.match(lines[0]):
            yield from whole_commands(re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines())


def whole_commands(lines: list[str]) -> Iterator[str]:
    """A text in single quotes may go over several lines."""
    command = ""
    for line in lines:
        command = f"{command} {without_comment(line)}".strip()
        if command.count("'") % 2 == 0:
            yield command
            command = ""
    assert not command, f"its quotation marks do not end: {command}"


def without_comment(line: str) -> str:
    return re.sub(r"(^|\s{2,})# .*$", "", line).strip()
