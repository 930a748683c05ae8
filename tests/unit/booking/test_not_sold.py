"""What this shop does not sell: pages that ask for it stay usable, and nobody is told that they bought it."""

import pytest

pytestmark = pytest.mark.django_db

PAGE = {"count": 0, "next": None, "previous": None, "results": []}
ANYONE, CUSTOMER, STAFF = "anyone", "customer", "staff"
# Today's frontend: what it asks, who asks, and the empty answer that it can show.
ROWS = [
    ("astrology/services/?is_active=true", ANYONE, []),
    ("astrology/services/?page=1&page_size=10&ordering=title", ANYONE, []),
    ("misc/events/?status=PUBLISHED&ordering=event_date&page_size=3&page=1", ANYONE, PAGE),
    ("misc/events/?is_featured=true&event_date_after=2026-01-01", ANYONE, PAGE),
    ("astrology/bookings/", CUSTOMER, []),
    ("user/astrology/bookings/", CUSTOMER, []),
    ("astrology/admin/bookings/", STAFF, []),
    ("admin/astrology/bookings/", STAFF, []),
    ("astrology/admin/dashboard/", STAFF, {}),
    ("misc/admin/events/?page=1&page_size=12", STAFF, PAGE),
    ("blog/posts/?page=1", STAFF, PAGE),
    ("blog/posts/how-to-light-a-lamp/comments/", STAFF, []),
    ("blog/categories/", STAFF, []),
    ("blog/tags/", STAFF, []),
]


@pytest.mark.parametrize(("path", "who", "empty"), ROWS)
def test_the_page_gets_its_empty_answer_without_a_query(
    api, alice, staff, path, who, empty, django_assert_max_num_queries
):
    client = api({ANYONE: None, CUSTOMER: alice, STAFF: staff}[who])
    with django_assert_max_num_queries(6):  # the login and its rate
        answer = client.get(f"/api/{path}")

    assert (answer.status_code, answer.json()) == (200, empty)


@pytest.mark.parametrize("path", [path for path, who, _ in ROWS if who == ANYONE])
def test_a_visitor_with_an_ended_login_stays_where_they_are(api, path):
    answer = api().get(f"/api/{path}", HTTP_AUTHORIZATION="Bearer ended")

    assert answer.status_code == 200


@pytest.mark.parametrize("path", [path for path, who, _ in ROWS if who == STAFF])
def test_tabs_of_the_desk_are_for_staff(api, alice, path):
    assert api().get(f"/api/{path}").status_code == 401
    assert api(alice).get(f"/api/{path}").status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "astrology/bookings/book-with-payment/"),
        ("post", "astrology/services/"),
        ("post", "misc/events/"),
        ("put", "misc/events/"),
    ],
)
def test_who_wants_to_buy_it_is_told_that_it_is_not_sold(api, method, path):
    answer = getattr(api(), method)(f"/api/{path}", {"service": 1})

    assert answer.status_code == 404
    assert answer.json()["detail"] == "This is not offered here. You can book pujas only."


@pytest.mark.parametrize("path", ["admin/payments", "admin/support/", "admin/jobs/", "admin/users"])
def test_what_the_desk_asks_without_a_token_is_not_there(api, path):
    """An answer would tell everybody's payments to everybody."""
    answer = api().get(f"/api/{path}")

    assert answer.status_code == 404
    assert answer.json()["detail"] == "Not found."
