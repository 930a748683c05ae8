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

# Python's names. Its other codecs include compression, and codecs that cannot decode a query.
CHARSETS = {"utf-8", "ascii", "iso8859-1"}
EXIT_DO_NOT_RESTART = 4  # gunicorn's master ends, too, when a worker ends with this code

log_dead_threads()
try:
    django = get_wsgi_application()
except ImproperlyConfigured as error:
    misconfigured.report(error, [])
    sys.exit(EXIT_DO_NOT_RESTART)

from core.request_bodies import buffer_body  # noqa: E402  # reads settings, which are valid from here on


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Checks the body and the charset before Django sees the request.

    Django decodes even the query with the charset of the request, and a name such as `zlib` makes it crash. A charset
    that is not in CHARSETS is ignored, as Django ignores an unknown one.
    """
    buffer_body(environ)
    content_type = environ.get("CONTENT_TYPE", "")
    if not has_known_charset(content_type):
        environ["CONTENT_TYPE"] = content_type.partition(";")[0]
    return django(environ, start_response)


def has_known_charset(content_type: str) -> bool:
    try:
        _, parameters = parse_header_parameters(content_type)
        return codecs.lookup(parameters.get("charset", "utf-8")).name in CHARSETS
    except (LookupError, ValueError):
        return False
