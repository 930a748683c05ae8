"""How a "no" reads on the wire."""

import json
import re
from types import SimpleNamespace

import pytest
from django.db import InterfaceError, OperationalError
from django.test import Client, RequestFactory
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated, NotFound, Throttled, ValidationError

from core import errors
from core.errors import Conflict, InvalidField, Refusal, Unavailable, handle_exception
from core.prepared import StalePlan


class PostgresError(Exception):
    def __init__(self, sqlstate):
        self.sqlstate = sqlstate


def database_says(sqlstate: str) -> OperationalError:
    error = OperationalError("could not obtain lock on row in relation payment_payment")
    error.__cause__ = PostgresError(sqlstate)
    return error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Refusal("Not like this.", code="not_like_this"), 400, "not_like_this"),
        (Conflict("Not now."), 409, "conflict"),
        (Unavailable(), 503, "busy"),
        (ValidationError({"cart_id": ["A valid integer is required."]}), 400, "validation"),
        (NotAuthenticated(), 401, "not_authenticated"),
        (Throttled(wait=3), 429, "throttled"),
        (OperationalError("database is locked"), 503, "busy"),
        (database_says("40P01"), 503, "busy"),
        (database_says("55P03"), 503, "busy"),
        (database_says("57P03"), 503, "database_down"),
        (InterfaceError("connection already closed"), 503, "database_down"),
        (StalePlan("a prepared statement is no longer valid"), 503, "busy"),
    ],
)
def test_every_refusal_has_one_shape(error, status, code):
    answer = handle_exception(error, {})

    assert answer.status_code == status
    said = answer.data
    assert next(iter(said)) == "error"
    assert isinstance(said["error"], str)
    assert said["error"] == said["detail"]
    assert said["code"] == code
    assert {"error_category", "user_message", "retryable", "request_id"} <= said.keys()


def test_fields_stand_at_the_top_and_together():
    said = handle_exception(
        ValidationError({"email": ["Already registered."], "phone": ["Too short."]}), {}
    ).data

    assert said["error"] == "Already registered."
    assert said["email"] == ["Already registered."]
    assert set(said["fields"]) == {"email", "phone"}


def test_a_broken_database_is_never_told_in_its_own_words():
    answer = handle_exception(
        OperationalError('connection to server at "10.0.0.5", port 5432 failed: refused'), {}
    )

    assert "10.0.0.5" not in str(answer.data)
    assert answer.data["error_category"] == "DATABASE"


@pytest.mark.parametrize("text", ["connection refused", "database is locked"])
def test_the_log_names_the_database_and_where_it_is(text, caplog, monkeypatch):
    gone = {"HOST": "db.internal", "PORT": 6432, "NAME": "okpuja"}
    monkeypatch.setattr(errors, "connections", {"default": SimpleNamespace(settings_dict=gone)})

    handle_exception(OperationalError(text), {})

    said = vars(caplog.records[-1])
    assert (said["hop"], said["host"], said["port"]) == ("database", "db.internal", 6432)


def test_a_full_server_is_not_called_a_database():
    assert handle_exception(Unavailable(), {}).data["error_category"] == "THIS_SERVER"


def test_a_reader_of_hindi_is_told_in_hindi():
    request = RequestFactory().get("/", headers={"Accept-Language": "hi-IN,hi;q=0.9"})

    said = handle_exception(OperationalError("connection refused"), {"request": request}).data

    assert re.search("[\u0900-\u097f]", said["user_message"])
    assert said["error"] == said["detail"] == "Our database does not answer. Please try again in a minute."


def test_a_sentence_of_its_own_is_not_replaced_by_hindi_of_another_one():
    request = RequestFactory().get("/", headers={"Accept-Language": "hi"})
    said = handle_exception(Unavailable("We are not taking payments."), {"request": request}).data
    assert said["user_message"] == "We are not taking payments."


@pytest.mark.parametrize(
    ("error", "english", "hindi"),
    [
        (
            ValidationError({"email": [_("This field is required.")]}),
            "This field is required.",
            "यह जानकारी आवश्यक है।",
        ),
        (NotFound(), "Not found.", "यह नहीं मिला।"),
        (NotAuthenticated(), "Authentication credentials were not provided.", "कृपया पहले लॉग इन करें।"),
        (
            InvalidField("amount", format_lazy(_("At most ₹{most} at once."), most=500)),
            "At most ₹500 at once.",
            "एक बार में अधिकतम ₹500।",
        ),
        (
            Throttled(wait=6.2),
            "Request was throttled. Expected available in 7 seconds.",
            "बहुत बार प्रयास किया गया। कृपया 7 सेकंड बाद फिर से प्रयास करें।",
        ),
        (
            ValidationError(["Nobody has translated this."]),
            "Nobody has translated this.",
            "Nobody has translated this.",
        ),
    ],
)
def test_what_a_form_or_the_framework_refuses_is_told_in_the_language_of_the_reader(error, english, hindi):
    request = RequestFactory().get("/", headers={"Accept-Language": "hi"})
    answer = handle_exception(error, {"request": request}).data
    assert (answer["error"], answer["user_message"]) == (english, hindi)


def test_what_may_be_repeated_says_when():
    assert handle_exception(Unavailable(), {})["Retry-After"] == "2"
    assert handle_exception(Throttled(wait=3), {})["Retry-After"] == "4"


def test_our_own_mistakes_are_not_disguised_as_refusals():
    assert handle_exception(KeyError("x"), {}) is None


def test_an_unknown_address_answers_in_json(db):
    answer = Client().get("/api/nothing/")

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_a_crash_says_nothing_but_the_id_to_ask_about(caplog):
    answer = errors.server_error(RequestFactory().get("/"))

    assert answer.status_code == 500
    assert vars(caplog.records[-1])["hop"] == "own_code"
    assert json.loads(answer.content)["error_category"] == "OWN_CODE"
    assert "request_id" in json.loads(answer.content)
    assert b"internal_error" in answer.content
    assert b"Traceback" not in answer.content
