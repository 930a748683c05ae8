import json
from io import BytesIO

import pytest
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError

from core.parsers import FormParser, JSONParser, MultiPartParser

LOGIN = "/api/auth/login/"
LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
TYPES = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x")


@pytest.mark.parametrize("content_type", TYPES)
def test_a_body_above_the_limit_is_refused(api, db, content_type):
    answer = api().generic("POST", LOGIN, b" " * (LIMIT + 1), content_type=content_type)

    assert answer.status_code == 413
    assert next(iter(answer.json())) == "error"
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("parser", [JSONParser, FormParser, MultiPartParser])
def test_of_a_body_of_any_size_little_more_than_the_limit_is_read(parser):
    stream = BytesIO(b" " * (LIMIT * 3))

    with pytest.raises(RequestDataTooBig):
        parser().parse(stream)
    assert stream.tell() == LIMIT + 1


def test_a_body_as_large_as_the_limit_is_read():
    assert JSONParser().parse(BytesIO(b'"' + b"x" * (LIMIT - 2) + b'"')) == "x" * (LIMIT - 2)


@pytest.mark.parametrize("text", ["a\ud800", "\udfff"])
@pytest.mark.parametrize(
    "place", [lambda text: {"a": text}, lambda text: [{"a": [1, text]}], lambda text: {text: 1}]
)
def test_half_of_a_character_is_refused_wherever_it_stands(place, text):
    with pytest.raises(ParseError, match="half of a character"):
        JSONParser().parse(BytesIO(json.dumps(place(text)).encode()))


def test_whole_surrogate_pairs_and_letters_of_every_script_are_read():
    assert JSONParser().parse(BytesIO(b'{"a": "\\ud83d\\ude4f \\u0930"}')) == {"a": "🙏 र"}
