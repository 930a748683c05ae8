import re
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.utils.translation import gettext_lazy as _
from rest_framework import parsers
from rest_framework.exceptions import ParseError

# Half of a character is not UTF-8: an answer that quotes it could not be sent, and no database keeps it.
SURROGATE = re.compile("[\ud800-\udfff]")


class Bounded(parsers.BaseParser):
    """Limits the size of a body: REST framework reads the stream itself and ignores Django's limit."""

    most_bytes = 0  # 0: the limit of all bodies

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises RequestDataTooBig, and has read one byte more than the limit at most."""
        limit = self.most_bytes or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise RequestDataTooBig
        return super().parse(BytesIO(body), media_type, parser_context)


class JSONParser(Bounded, parsers.JSONParser):
    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Raises ParseError also for JSON nested deeper than the interpreter can follow, and for half characters.

        Forms have none: they are decoded as UTF-8.
        """
        try:
            parsed = super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON of the request is nested too deeply.") from error
        if has_surrogate(parsed):
            raise ParseError(_("The request has half of a character: a surrogate without the other one."))
        return parsed


def has_surrogate(value: Any) -> bool:
    """In any text or name of a JSON value, however deep."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and SURROGATE.search(each):
            return True
    return False


class FormParser(Bounded, parsers.FormParser):
    pass


class MultiPartParser(Bounded, parsers.MultiPartParser):
    pass


class UploadParser(MultiPartParser):
    """For the routes of UPLOAD_PATHS."""

    most_bytes = settings.UPLOAD_BODY_BYTES
