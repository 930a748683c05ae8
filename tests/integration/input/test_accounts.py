"""Who people say they are, and where they live."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.models import Address, User
from accounts.phones import format_phone, read_phone
from tests.harness import builders
from tests.integration.input.fuzz import (
    TEXT,
    assert_answered,
    assert_refused_or_done,
    few,
    rows,
    send,
    some_of,
    stranger,
)

pytestmark = pytest.mark.django_db

PASSWORD = st.just(builders.PASSWORD)
EMAILS = st.emails() | st.from_regex(
    r"[A-Za-z0-9]{1,9}(\.[A-Za-z0-9]{1,9})?@[a-zA-Z]{1,10}\.(com|in)", fullmatch=True
)
INDIAN = st.from_regex(r"(\+91|0091|91|0|)[ -]?[6-9][0-9]{4}[ -]?[0-9]{5}", fullmatch=True)
NAMES = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=40)
LONGER_IN_LOWER_CASE = "a@" + ("İ" * 60 + ".") * 4 + "com"


@few
@given(
    body=some_of(
        email=EMAILS,
        phone=INDIAN | TEXT,
        password=PASSWORD,
        password2=PASSWORD,
        first_name=NAMES,
        last_name=TEXT,
    )
)
@example({"email": LONGER_IN_LOWER_CASE, "password": builders.PASSWORD, "password2": builders.PASSWORD})
def test_any_registration_is_answered(body):
    before = rows()

    assert_refused_or_done(send(stranger(), "post", "/api/auth/register/", body), before)


@few
@given(email=EMAILS, phone=INDIAN, name=NAMES)
def test_a_person_who_registers_is_kept_as_they_said(email, phone, name):
    body = {"email": email, "phone": phone, "first_name": name}
    body |= {"password": builders.PASSWORD, "password2": builders.PASSWORD}
    User.objects.all().delete()

    said = send(stranger(), "post", "/api/auth/register/", body).json()

    kept = User.objects.get()
    assert (kept.email, kept.phone, kept.first_name) == (email.lower(), read_phone(phone), name)
    assert (said["email"], said["first_name"]) == (kept.email, kept.first_name)
    assert said["phone"] == format_phone(kept.phone) == kept.phone.removeprefix("+91")
    assert len(said["phone"]) == 10


@few
@given(body=some_of(email=EMAILS | TEXT, password=TEXT))
def test_any_login_of_nobody_is_refused(body):
    response = send(stranger(), "post", "/api/auth/login/", body)

    assert response.status_code == 400
    assert_answered(response)


@few
@given(
    body=some_of(
        address_line1=NAMES,
        city=NAMES,
        state=NAMES,
        postal_code=st.just("800001") | TEXT,
        country=TEXT,
        is_default=TEXT,
    ),
    method=st.sampled_from(["put", "patch", "post"]),
)
def test_any_address_is_answered(api, alice, body, method):
    path = (
        "/api/auth/addresses/" if method == "post" else f"/api/auth/addresses/{alice.addresses.first().pk}/"
    )
    before = rows()

    assert_refused_or_done(send(api(alice), method, path, body), before)
    assert alice.addresses.filter(is_default=True).count() == 1


@few
@given(line=NAMES, city=NAMES, code=st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_an_address_is_kept_as_it_was_given(api, charlie, line, city, code):
    Address.objects.filter(user=charlie).delete()
    body = {"address_line1": line, "city": city, "state": "Bihar", "postal_code": code}

    said = send(api(charlie), "post", "/api/auth/addresses/", body).json()

    assert said | body == said
    assert said["is_default"] is True
