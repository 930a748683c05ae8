"""When a request is complete, whatever pieces it arrives in."""

import socket

import pytest

from okpuja import gunicorn_worker
from okpuja.gunicorn_worker import MAX_UNSENT_BYTES, PatientSocket, RequestBuffer

LIMIT = 1000
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
WHOLE = {
    "no body": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "length": HEAD + b"Content-Length: 5\r\n\r\nab\r\n\r",
    "length in other letters": HEAD + b"CONTENT-LENGTH:5 \r\n\r\nabcde",
    "chunks": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;name=value\r\n0\r\n\r\n01234\r\n0\r\n\r\n",
    "chunks with trailers": HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
}


def fill(data, size=1):
    """How many bytes were there when the request was complete."""
    buffer = RequestBuffer(LIMIT)
    for start in range(0, len(data), size):
        buffer.data += data[start : start + size]
        if buffer.is_complete():
            return len(buffer.data)
    return None


@pytest.mark.parametrize("target", [b"?a=b", b"#x", b"?a#x"])
@pytest.mark.parametrize("host", [b"", b"http://shop.example"])
def test_a_picture_arrives_whole_before_a_thread_takes_it(host, target):
    path = host + b"/api/auth/profile/picture/" + target
    head = b"PATCH " + path + b" HTTP/1.1\r\nContent-Length: 5000\r\n\r\n"
    assert fill(head + b"x" * 5_000, 500) == len(head) + 5_000


@pytest.mark.parametrize("name", WHOLE)
def test_a_request_is_complete_with_its_last_byte(name):
    assert fill(WHOLE[name]) == len(WHOLE[name])


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("size", [2, 3, 7, 64, 1000])
def test_pieces_of_any_size_make_the_same_request(name, size):
    assert fill(WHOLE[name], size) == len(WHOLE[name])


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Length: five\r\n",
        b"Content-Length: -5\r\n",
    ],
)
def test_a_length_that_cannot_be_trusted_is_left_to_the_parser(head):
    assert fill(HEAD + head + b"\r\n") == len(HEAD + head + b"\r\n")


@pytest.mark.parametrize("chunk", [b"zz\r\n", b"-1\r\n", b"\r\n", b"123456789\r\n", b"1" * 5000])
def test_what_is_no_chunk_is_left_to_the_parser(chunk):
    assert fill(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)


@pytest.mark.parametrize(
    "start", [b"Content-Length: 5000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1388\r\n"]
)
def test_a_body_above_the_limit_is_received_up_to_the_limit(start, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = LIMIT
    data = HEAD + start + b"x" * 5000

    assert LIMIT < fill(data) - data.index(b"\r\n\r\n") - 4 <= LIMIT + 1


def test_a_client_that_waits_is_told_to_go_on():
    buffer = RequestBuffer(LIMIT)
    buffer.data += HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"

    assert (buffer.is_complete(), buffer.must_continue) == (False, True)


@pytest.fixture
def unread():
    """Our end of a connection whose other end reads nothing."""
    ours, theirs = socket.socketpair()
    with theirs, PatientSocket(ours) as patient:
        yield patient, theirs


def test_what_the_client_does_not_read_is_kept(unread):
    ours, theirs = unread
    answer = bytes(range(256)) * 8_000  # 2 MB
    ours.sendall(answer[:1000])
    ours.sendall(answer[1000:])

    received = theirs.recv(len(answer), socket.MSG_WAITALL | socket.MSG_DONTWAIT)
    assert received + bytes(ours.unsent) == answer


def test_nothing_is_sent_twice_after_a_client_has_read_nothing_for_too_long(unread, monkeypatch):
    monkeypatch.setattr(gunicorn_worker, "SEND_SECONDS", 0.05)
    ours, _ = unread

    with pytest.raises(TimeoutError):
        ours.sendall(bytes(MAX_UNSENT_BYTES + 5_000_000))
    assert not ours.unsent
