"""Text of strangers is read in linear time: no pattern, validator or field takes quadratic or exponential time.

Measured as growth between two lengths, not in seconds, so that a busy machine tells the same.
"""

import contextlib
import re
import time
from importlib import import_module

import pytest
from django.core.exceptions import ValidationError
from rest_framework import serializers

from accounts.phones import digits_to_search, normalize_phone, read_phone
from core import texts
from core.logging import redact
from core.printable import printable
from okpuja.build import PACKAGES
from tests.harness import ROOT
from tests.harness.samples import sample
from tests.unit.core.test_texts import free_texts, serializer_classes

pytestmark = pytest.mark.slow

# Repeated to any length, by itself and between the words of a pattern.
UNITS = (
    *("a", "a.", "a-", ".", "-", " ", "1", "1 ", "1.", "@", "a@", ":", "a:", "//", "//a:", "://", "a@b."),
    *("+", "91+", "0 ", "91 ", "xn--", "<a", "\n", ",", "1,", "é", "\ufdfa", '"'),
)
ENDS = ("", "\n!\n")
SHORT, LONG = 1_024, 8_192
# Eight times the length takes eight times as long; sixty-four times would be quadratic.
MOST_GROWTH = 28
MEASURABLE = 0.004
# The code before the pattern cuts the text.
LONGEST_INPUT = {"accounts.phones.INDIAN_NUMBER": 250}
WIDE = 1_048_576


def repeated(unit, length, end=""):
    return (unit * (length // len(unit) + 1))[:length] + end


def seconds(work, text, tries=1):
    found = []
    for _ in range(tries):
        started = time.process_time()
        with contextlib.suppress(ValidationError, serializers.ValidationError):
            work(text)
        found.append(time.process_time() - started)
    return min(found)


def takes_less(limit, work, text):
    """A collection of garbage may fall into one try; it does not fall into three more."""
    return seconds(work, text) < limit or seconds(work, text, tries=3) < limit


def assert_linear(work, unit, end="", longest=LONG, start=""):
    """Grows the text step by step, so that exponential time is seen before it is spent."""
    for length in (48, 96):
        assert takes_less(0.1, work, start + repeated(unit, length, end)), (start, unit, end, length)
    if longest < LONG:
        assert takes_less(0.1, work, start + repeated(unit, longest, end)), (start, unit, end, longest)
        return
    short, long = (start + repeated(unit, length, end) for length in (SHORT, LONG))
    before = seconds(work, short)
    assert before < 1, (start, unit, end)
    if seconds(work, long) > max(before, MEASURABLE) * MOST_GROWTH:
        growth = seconds(work, long, tries=3) / max(seconds(work, short, tries=3), MEASURABLE)
        assert growth < MOST_GROWTH, (start, unit, end, growth)


def patterns():
    """Every compiled pattern of our modules with the ways in which it is used, by its name."""
    for app in PACKAGES:
        for path in sorted((ROOT / app).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if "re.compile(" in source:
                name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
                compiled = (
                    (key, value)
                    for key, value in vars(import_module(name)).items()
                    if isinstance(value, re.Pattern)
                )
                for key, value in compiled:
                    ways = set(re.findall(rf"\b{key}\.(fullmatch|match|search|finditer|sub|split)\b", source))
                    yield f"{name}.{key}", value, ways or {"fullmatch", "search"}


PATTERNS = {name: (pattern, ways) for name, pattern, ways in patterns()}


@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_is_linear(name):
    pattern, ways = PATTERNS[name]
    is_text = isinstance(pattern.pattern, str)
    source = pattern.pattern if is_text else pattern.pattern.decode("latin-1")
    words = set(re.findall(r"(?<!\\)[A-Za-z_-]{4,}", source))
    longest = LONGEST_INPUT.get(name, LONG)

    def read(text):
        subject = text if is_text else text.encode()
        for way in ways & {"fullmatch", "match", "search"}:
            getattr(pattern, way)(subject)
        if ways & {"finditer", "sub", "split"}:
            pattern.sub(lambda found: found[0], subject)

    for unit in (*UNITS, *words):
        for end in ENDS:
            assert_linear(read, unit, end, longest)
    for word in words:
        for unit in (" ", ".", "a", ":", "<"):
            assert_linear(read, unit, longest=longest, start=word)


READERS = (
    *(
        texts.safe_line,
        texts.one_line,
        texts.plain_line,
        texts.plain_text,
        texts.name_or_email,
        texts.visible_line,
    ),
    *(read_phone, normalize_phone, digits_to_search, redact, printable),
)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_every_reader_of_text_is_linear(read):
    for unit in UNITS:
        for end in ENDS:
            assert_linear(read, unit, end)


def fields_of_requests():
    named = {each.__name__: each for each in serializer_classes()}
    for component, keys in free_texts().items():
        name = component.removeprefix("Patched").removesuffix("Request")
        fields = (named.get(name) or named[f"{name}Serializer"])().fields
        yield from ((f"{component}.{key}", fields[key]) for key in sorted(keys))


@pytest.mark.django_db
def test_every_text_of_a_request_is_read_in_linear_time_up_to_the_longest_body():
    fields = dict(fields_of_requests())
    assert len(fields) > 20
    for name, field in sample([*fields.items()], 4):
        for unit in UNITS[:15]:
            assert_linear(field.run_validation, unit)
        assert takes_less(1, field.run_validation, repeated("a-", WIDE)), name


@pytest.mark.parametrize(
    "rule", [texts.plain_line, texts.plain_text, texts.name_or_email, texts.visible_line]
)
def test_what_is_longer_than_any_column_is_refused_unread(rule):
    with pytest.raises(ValidationError) as refused:
        rule("a\x00" * texts.LONGEST)
    assert refused.value.code == "max_length"


def test_a_registration_with_a_name_as_long_as_a_body_is_answered_at_once(api, db):
    person = {
        "email": "asha@example.com",
        "password": "a-long-lotus-pond-47",
        "password2": "a-long-lotus-pond-47",
    }
    hostile = {"first_name": repeated("a-", 500_000), "phone": repeated("91+", 250)}
    started = time.process_time()
    answer = api().post("/api/auth/register/", person | hostile)
    assert (answer.status_code, {*answer.json()["fields"]}) == (400, {"first_name", "phone"})
    assert time.process_time() - started < 2
