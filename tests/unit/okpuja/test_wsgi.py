"""The outermost door, before Django has made anything of the request."""

import io

import pytest

from okpuja.wsgi import application

# Without the test client each request ends by closing its connection, as on a server.
pytestmark = pytest.mark.django_db(transaction=True)

CODECS = ["zlib", "bz2", "hex", "rot13", "utf-16", "punycode", "undefined", "never-heard-of", "\x00"]


def status_of(path: str, content_type: str, body: bytes = b"", method: str = "GET") -> int:
    said = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "search=puja%FF",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    answer = application(environ, lambda status, headers: said.append(int(status.split()[0])))
    answer.close()
    return said[0]


@pytest.mark.parametrize("charset", CODECS)
def test_a_charset_that_is_no_charset_does_no_harm(charset):
    assert status_of("/api/puja/services/", f"application/json; charset={charset}") == 200


@pytest.mark.parametrize("charset", CODECS)
def test_a_body_is_read_as_utf_8_then(charset):
    content_type, path = f"application/json; charset={charset}", "/api/auth/refresh/"

    assert status_of(path, content_type, '{"refresh": "x"}'.encode("utf-16"), "POST") == 400
    assert status_of(path, content_type, b'{"refresh": "x"}', "POST") == 401


@pytest.mark.parametrize("content_type", ["text/plain; x*=zlib''%41", "; charset=zlib", ";;;", "x" * 3000])
def test_no_content_type_is_a_crash(content_type):
    assert status_of("/api/puja/services/", content_type) == 200


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii", "ISO-8859-1"])
def test_an_ordinary_charset_is_taken_as_it_is(charset):
    body = '{"refresh": "x"}'.encode(charset)

    assert status_of("/api/auth/refresh/", f"application/json; charset={charset}", body, "POST") == 401
