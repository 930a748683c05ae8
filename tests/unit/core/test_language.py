import pytest
from django.test import RequestFactory

from core.language import language_of, supported_language


@pytest.mark.parametrize(
    ("preferred", "told"),
    [
        ("", "en"),
        ("hi", "hi"),
        ("hi-IN,hi;q=0.9,en;q=0.8", "hi"),
        ("en-US,en;q=0.9,hi;q=0.8", "en"),
        ("ta-IN,hi;q=0.5", "hi"),
        ("ta-IN", "en"),
        ("*;q=x, \x00", "en"),
    ],
)
def test_a_reader_is_told_in_hindi_if_they_prefer_it_to_english(preferred, told):
    assert language_of(RequestFactory().get("/", headers={"Accept-Language": preferred})) == told


@pytest.mark.parametrize(
    ("stored", "written"), [("hi", "hi"), ("en", "en"), ("ta", "en"), ("", "en"), ("xx", "en")]
)
def test_a_language_that_we_do_not_write_is_english(stored, written):
    assert supported_language(stored) == written
