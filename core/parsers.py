from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework import parsers
from rest_framework.exceptions import ParseError


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
        """Raises ParseError also for JSON nested deeper than the interpreter can follow."""
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise ParseError("The JSON of the request is nested too deeply.") from error


class FormParser(Bounded, parsers.FormParser):
    pass


class MultiPartParser(Bounded, parsers.MultiPartParser):
    pass


class UploadParser(MultiPartParser):
    """For the routes of UPLOAD_PATHS."""

    most_bytes = settings.UPLOAD_BODY_BYTES
