"""Text of others at our outputs: terminals, logs, reports, mails.

What moves a cursor, clears a terminal, ends a line or turns the direction of writing is shown as `\\u001b`: a server
that we call could forge lines of ours with it. Letters, marks and joiners of scripts stay.
"""

import json
import re
from collections.abc import Collection
from typing import Any, cast

from django.core.management.base import BaseCommand, OutputWrapper
from django.core.management.color import no_style

# C0, DEL, C1; invisible marks, bidi controls, separators of lines; lone surrogates; tags.
UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def printable(text: str, keep: str = "") -> str:
    """Escaped as JSON escapes it, so that JSON stays JSON. `keep`: what may stay, such as the ends of lines."""
    return UNPRINTABLE.sub(lambda match: match[0] if match[0] in keep else json.dumps(match[0])[1:-1], text)


def printable_values(value: Any, lines_in: Collection[str] = ()) -> Any:
    """A JSON value whose texts have one line each, except those of the members in `lines_in`."""
    if isinstance(value, dict):
        return {
            name: printable(item, keep="\n")
            if name in lines_in and isinstance(item, str)
            else printable_values(item, lines_in)
            for name, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [printable_values(item, lines_in) for item in value]
    return printable(value) if isinstance(value, str) else value


class PrintableOutput(OutputWrapper):
    """stdout or stderr of a command. Colours of ours are added after the text is made printable."""

    # Django's own signature, which is not that of a file.
    def write(  # type: ignore[override]
        self, msg: str = "", style_func: Any = None, ending: str | None = None
    ) -> None:
        lines = str(msg).split("\r\n")  # CSV ends its lines so
        super().write("\r\n".join(printable(each, keep="\n\t") for each in lines), style_func, ending)


class PrintableCommand(BaseCommand):
    """The base of all our management commands."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        out, err = cast(Any, self.stdout), cast(Any, self.stderr)
        self.stdout, self.stderr = PrintableOutput(out._out), PrintableOutput(err._out)
        self.stderr.style_func = err.style_func

    def execute(self, *args: Any, **options: Any) -> str | None:
        for name in ("stdout", "stderr"):
            if stream := options.pop(name, None):
                setattr(self, name, PrintableOutput(stream))
        # Styles put their sequences into the text, where they look like those of others.
        self.style = no_style()
        return super().execute(*args, **options | {"force_color": False})
