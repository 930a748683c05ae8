"""A request's body before Django sees it, as any WSGI server may hand it over."""

import io
import json

import pytest
from gunicorn.http.errors import InvalidChunkSize

from core.request_bodies import FAULT, Fault, buffer_body
from okpuja.wsgi import application

LIMIT = 1_048_576


def arrived(body=b"", stream=None, **environ):
    given = {"wsgi.input": stream or io.BytesIO(body)} | environ
    buffer_body(given)
    return given


def chunked(body=b"", stream=None, **environ):
    head = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    return arrived(body, stream, **head | environ)


def test_a_body_without_a_length_gets_one():
    given = chunked(b'{"a": 1}')

    assert (given["CONTENT_LENGTH"], given["wsgi.input"].read()) == ("8", b'{"a": 1}')
    assert FAULT not in given
    assert "HTTP_TRANSFER_ENCODING" not in given


def test_a_body_with_a_length_is_read_to_there_and_no_further():
    stream = io.BytesIO(b"abcdef")

    given = arrived(stream=stream, CONTENT_LENGTH="3")

    assert (given["wsgi.input"].read(), stream.read()) == (b"abc", b"def")


def test_no_body_is_looked_for_where_the_server_says_nothing_of_one():
    class Line(io.BytesIO):
        def read(self, size=-1):
            raise AssertionError("this would wait for the caller for ever")

    assert "CONTENT_LENGTH" not in arrived(stream=Line())


@pytest.mark.parametrize(("size", "fault"), [(LIMIT, None), (LIMIT + 1, Fault.TOO_LARGE)])
def test_the_limit_of_a_body_without_a_length_is_that_of_all_bodies(size, fault):
    assert chunked(b"x" * size).get(FAULT) == fault


def test_an_endless_body_is_left_alone_after_a_while():
    """Up to there it is let pass: who is still speaking hears no answer."""
    read = []

    class Endless(io.BytesIO):
        def read(self, size=-1):
            read.append(size)
            return b"x" * size

    assert chunked(stream=Endless())[FAULT] == Fault.TOO_LARGE
    assert 2 * LIMIT < sum(read) < 10 * LIMIT


class BrokenStream(io.BytesIO):
    def __init__(self, error):
        self.error = error

    def read(self, size=-1):
        raise self.error


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (InvalidChunkSize(b"zz"), Fault.UNREADABLE),
        (ConnectionResetError(), Fault.UNREADABLE),
        (TimeoutError(), Fault.TOO_SLOW),
    ],
)
def test_what_breaks_while_a_body_arrives_is_a_fault_and_no_crash(error, fault):
    given = chunked(stream=BrokenStream(error))

    assert (given[FAULT], given["wsgi.input"].read()) == (fault, b"")


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        ({"CONTENT_LENGTH": "10"}, Fault.UNREADABLE),  # two lengths: whom did the proxy believe?
        ({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, Fault.UNREADABLE),
        ({"HTTP_TRANSFER_ENCODING": "identity"}, Fault.UNREADABLE),
        ({"wsgi.input_terminated": False}, Fault.NO_LENGTH),
    ],
)
def test_a_body_whose_end_is_not_certain_is_not_guessed_at(environ, fault):
    assert chunked(b"{}", **environ)[FAULT] == fault


@pytest.mark.parametrize("length", ["-1", "abc", "٣", "5"])
def test_a_length_that_is_not_the_bodys_is_refused(length):
    assert arrived(b"four", CONTENT_LENGTH=length)[FAULT] == Fault.UNREADABLE


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("environ", "status", "code"),
    [
        ({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, 400, "bad_request"),
        ({"wsgi.input": BrokenStream(TimeoutError())}, 408, "body_too_slow"),
        ({"wsgi.input_terminated": False}, 411, "length_required"),
        ({"wsgi.input": io.BytesIO(b"x" * LIMIT * 2)}, 413, "too_large"),
    ],
)
def test_a_fault_is_answered_on_every_route_also_where_no_body_is_read(environ, status, code):
    said = []
    given = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/payments/payments/1/check-and-process/",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "HTTP_ORIGIN": "http://frontend.example",
        "wsgi.input": io.BytesIO(b"{}"),
        "wsgi.input_terminated": True,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
    } | environ

    answer = application(given, lambda status, headers: said.extend([int(status[:3]), dict(headers)]))

    told = json.loads(b"".join(answer))
    answer.close()
    assert (said[0], told["code"]) == (status, code)
    assert next(iter(told)) == "error"
    assert said[1]["access-control-allow-origin"] == "http://frontend.example"


@pytest.mark.parametrize(
    "path", ["/api/auth/profile/picture/", "//api/auth//profile/picture", "/api/auth/pancard/"]
)
def test_a_few_routes_take_a_picture(path):
    body = b"x" * 3 * LIMIT
    given = arrived(body, CONTENT_LENGTH=str(len(body)), PATH_INFO=path)
    assert (FAULT in given, len(given["wsgi.input"].read())) == (False, len(body))
    too_much = b"x" * 7 * LIMIT
    assert arrived(too_much, CONTENT_LENGTH=str(len(too_much)), PATH_INFO=path)[FAULT] is Fault.TOO_LARGE
    assert arrived(body, CONTENT_LENGTH=str(len(body)), PATH_INFO=f"{path}/other")[FAULT] is Fault.TOO_LARGE
