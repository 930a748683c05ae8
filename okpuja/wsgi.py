import codecs
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.utils.http import parse_header_parameters

from core.logging import log_dead_threads
from okpuja import misconfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "okpuja.settings")

# By the names Python gives them. Other codecs it knows compress, or raise at the first letter.
CHARSETS = {"utf-8", "ascii", "iso8859-1"}
STARTING_AGAIN_IS_NO_USE = 4  # what gunicorn's master takes this exit code of a worker for

log_dead_threads()
try:
    django = get_wsgi_application()
except ImproperlyConfigured as error:
    misconfigured.tell(error, [])
    sys.exit(STARTING_AGAIN_IS_NO_USE)

from core.request_bodies import read_ahead  # noqa: E402  # its places are counted by settings that have just been checked


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What has to be right before Django sees a request: its body, and the charset.

    Django decodes even the query by the caller's charset, before it can answer anything: `zlib` is a crash. A charset
    nobody writes requests in is ignored, as Django ignores one it has never heard of.
    """
    read_ahead(environ)
    content_type = environ.get("CONTENT_TYPE", "")
    if not is_readable(content_type):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]
    return django(environ, start_response)


def is_readable(content_type: str) -> bool:
    try:
        _, parameters = parse_header_parameters(content_type)
        return codecs.lookup(parameters.get("charset", "utf-8")).name in CHARSETS
    except (LookupError, ValueError):
        return False
