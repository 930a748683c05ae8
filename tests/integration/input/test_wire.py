"""What comes around the body: content type, path, query, headers. (Charsets: tests/unit/okpuja/test_wsgi.py.)"""

import base64

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payment.models import Payment
from tests.integration.input.fuzz import TEXT, assert_answered, few, stranger

pytestmark = pytest.mark.django_db

PROCESS_CART = "/api/payments/payments/process-cart/"
HEADERS = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=200)
NESTED = base64.urlsafe_b64encode(b"[" * 2_900).decode()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=x", b"x"),
        ("multipart/form-data; boundary=" + "x" * 300, b"x"),
        ("application/x-www-form-urlencoded", b"&".join(b"x%d=1" % i for i in range(2_000))),
        ("application/json", b'"' + b"x" * 2_000_000 + b'"'),
        ("text/xml", b"<x/>"),
        ("", b"{}"),
        ("/", b"{}"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(content_type, body):
    response = stranger().generic("POST", PROCESS_CART, body, content_type=content_type)

    assert response.status_code in (400, 413, 415)
    assert_answered(response)
    assert not Payment.objects.exists()


@few
@given(header=HEADERS)
@example("Bearer")
@example("Bearer a b")
@example("Bearer " + NESTED + ".e30.eA")
@example("Bearer null")
@example("bearer x.y.z")
def test_any_authorization_is_answered_and_opens_nothing(header):
    response = stranger().get("/api/cart/carts/", headers={"authorization": header})

    assert response.status_code == 401
    assert_answered(response)


@pytest.mark.parametrize("header", ["Bearer", "Bearer a b", "Bearer é"])
def test_a_header_that_cannot_be_read_says_nothing_about_the_account(header):
    said = stranger().get("/api/cart/carts/", headers={"authorization": header}).json()

    assert said["error"] == "Your session has ended. Please log in again."


@few
@given(token=st.text(max_size=300) | st.sampled_from([NESTED + ".e30.eA", "null", "\ud800", "a.b.c"]))
@pytest.mark.parametrize("door", ["refresh", "logout"])
def test_any_session_token_is_answered(door, token):
    response = stranger().post(f"/api/auth/{door}/", {"refresh": token}, content_type="application/json")

    assert response.status_code in (205, 400, 401)
    if response.status_code >= 400:
        assert_answered(response)


@few
@given(token=TEXT.filter(lambda text: "/" not in text and text.isprintable() and text.strip(".")))
@pytest.mark.parametrize("page", ["/api/payments/return/{}/", "/pay/{}/"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_any_made_up_link_leads_nowhere(page, method, token):
    response = getattr(stranger(), method)(page.format(token.replace("?", "").replace("#", "") or "x"))

    assert response.status_code in (403, 404)
    assert_answered(response)


@few
@given(
    query=st.dictionaries(
        st.sampled_from(
            [
                "category",
                "type",
                "search",
                "location",
                "language",
                "is_active",
                "ordering",
                "page",
                "page_size",
            ]
        ),
        st.text(max_size=20) | st.integers().map(str) | st.decimals().map(str),
    )
)
@example({"category": "9" * 20})
@example({"category": "1e999999"})
@example({"page": "9" * 30, "page_size": "0"})
def test_any_search_of_the_catalogue_is_answered(query):
    assert_answered(stranger().get("/api/puja/services/", query))


@few
@given(
    query=st.dictionaries(
        st.sampled_from(["puja_service", "location", "language", "package_type"]),
        st.text(max_size=20) | st.integers().map(str) | st.decimals().map(str),
    )
)
@example({"puja_service": "9" * 20})
@example({"puja_service": "1e30"})
def test_any_search_of_packages_is_answered(query):
    assert_answered(stranger().get("/api/puja/packages/", query))


@few
@given(
    days=st.dictionaries(
        st.sampled_from(["from", "to"]), st.dates().map(str) | st.text(max_size=12) | st.datetimes().map(str)
    )
)
@example({"from": "9999-12-31"})
@example({"to": "0001-01-01"})
def test_any_days_of_slots_are_answered(service, days):
    assert_answered(stranger().get(f"/api/puja/services/{service.pk}/slots/", days))


@few
@given(pk=st.integers(min_value=0).map(str) | st.text("0123456789٣५", min_size=1, max_size=40))
@example("9" * 5_000)
@example(str(2**63))
@pytest.mark.parametrize(
    "path",
    [
        *("puja/services/{}/", "puja/packages/{}/", "puja/services/{}/slots/", "auth/addresses/{}/"),
        *("cart/carts/{}/", "cart/carts/{}/deletion_status/", "booking/bookings/{}/"),
        *("payments/payments/{}/", "payments/payments/{}/status/", "payments/payments/{}/timeline/"),
    ],
)
def test_an_id_of_nothing_is_not_found(api, charlie, path, pk):
    response = api(charlie).get("/api/" + path.format(pk))

    assert response.status_code == 404
    assert_answered(response)
