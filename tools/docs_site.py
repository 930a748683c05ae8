"""Hooks of MkDocs: links out of docs/ become paths, and mermaid comes from the site itself, not from another host."""

import re
import shutil
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")
# What draws the pictures of states: `make docs-site` gets it from npm once.
MERMAID = Path(".docs-venv/mermaid.min.js")
ELSEWHERE = re.compile(r"https://unpkg\.com/mermaid@[\w.]+/dist/mermaid\.min\.js")
# For browsers of before 2020.
POLYFILL = "https://unpkg.com/resize-observer-polyfill"
SCRIPTS = "assets/javascripts"


def on_page_markdown(markdown: str, **around: Any) -> str:
    return OUTSIDE.sub(
        lambda link: f"{link[1]} (`{link[2].removeprefix('../').partition('#')[0]}`)", markdown
    )


def on_post_build(config: Any, **around: Any) -> None:
    """All pages lie in the root of the site: one relative address holds for each."""
    scripts = Path(config.site_dir) / SCRIPTS
    (bundle,) = scripts.glob("bundle.*.min.js")
    text, places = ELSEWHERE.subn(f"{SCRIPTS}/{MERMAID.name}", bundle.read_text(encoding="utf-8"))
    text = text.replace(POLYFILL, "data:text/javascript,")
    if places != 1 or "//unpkg.com" in text:
        raise PluginError(f"the theme loads something from another host: look for unpkg.com in {bundle}")
    bundle.write_text(text, encoding="utf-8")
    shutil.copy(MERMAID, scripts)
