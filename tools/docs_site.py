"""A hook of MkDocs: links to files outside of docs/, which the site does not have, become their paths."""

import re
from typing import Any

OUTSIDE = re.compile(r"\[([^\]]+)\]\((\.\./[^)]+)\)")


def on_page_markdown(markdown: str, **around: Any) -> str:
    return OUTSIDE.sub(
        lambda link: f"{link[1]} (`{link[2].removeprefix('../').partition('#')[0]}`)", markdown
    )
