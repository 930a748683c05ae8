"""Today's admin pages, as a superuser opens them after the customer of this story has bought."""

from io import BytesIO

from PIL import Image

from tests.integration.frontend import shapes
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

TODAY = ("today",)
row = Table()
BOOKINGS, PROMOS = "/booking/admin/bookings/", "/promo/admin/promos/"
NUMBER = (int, float)


def first_message(answer) -> str:
    """What most admin pages show of a refusal: `detail`."""
    told = answer.json()["detail"]
    assert isinstance(told, str)
    return told


@row(
    "/admin/bookings",
    "GET booking/admin/bookings/",
    "a bare array: `id, user, service_title, address_full` …",
    TODAY,
)
def desk_list(story: Story) -> None:
    rows = fitting(story.desk.get(BOOKINGS), [shapes.DESK_BOOKING])
    mine = [one for one in rows if one["user_email"] == story.email]
    assert {one["book_id"] for one in mine} == {one["book_id"] for one in story.history()}
    story.kept["at the desk"] = next(one for one in mine if one["status"] == "CONFIRMED")


@row(
    "/admin/bookings",
    "GET booking/admin/bookings/ with filters",
    "`search, status, date_from, date_to`",
    TODAY,
)
def desk_narrowed(story: Story) -> None:
    wanted = story.kept["at the desk"]
    day = wanted["selected_date"]
    for query in (
        f"search={wanted['book_id']}",
        f"search={story.email}&status=confirmed&date_from={day}&date_to={day}",
    ):
        assert wanted["id"] in [one["id"] for one in story.desk.get(f"{BOOKINGS}?{query}")], query
    assert story.desk.get(f"{BOOKINGS}?status=in_progress") == []


@row(
    "/admin/dashboard, /admin/bookings", "GET booking/admin/dashboard/", "`overview, recent_bookings`", TODAY
)
def desk_dashboard(story: Story) -> None:
    for path in ("/booking/admin/dashboard/?days=30", "/booking/admin/dashboard/"):
        fitting(story.desk.get(path), {"data": shapes.DASHBOARD})


@row("/admin/reports", "GET booking/admin/reports/?report_type= of each kind", "rates as numbers", TODAY)
def desk_reports(story: Story) -> None:
    for kind, shape in shapes.REPORTS.items():
        fitting(story.desk.get(f"/booking/admin/reports/?report_type={kind}")["data"], shape)


@row("/admin/bookings", "POST booking/admin/bookings/{id}/reschedule/", "2xx with a body", TODAY)
def desk_reschedule(story: Story) -> None:
    wanted = story.kept["at the desk"]
    service = next(
        one["cart"]["puja_service"]["id"] for one in story.history() if one["book_id"] == wanted["book_id"]
    )
    free = story.desk.get(f"/puja/services/{service}/slots/")
    slot = next(one for one in free[::-1] if one["available"])
    body = {"selected_date": slot["date"], "selected_time": f"{slot['time']}:00", "reason": "asked by phone"}
    moved = story.desk.call("POST", f"{BOOKINGS}{wanted['id']}/reschedule/", body).json()
    assert (moved["booking"]["selected_date"], moved["booking"]["selected_time"]) == (
        slot["date"],
        slot["time"],
    )
    night = story.desk.call(
        "POST", f"{BOOKINGS}{wanted['id']}/reschedule/", body | {"selected_time": "03:07:00"}, status=400
    )
    assert "Free on" in first_message(night)


@row(
    "/admin/bookings, /admin/employees",
    "PATCH, POST booking/admin/bookings/{id}/assign/, GET accounts/admin/employees/",
    "any 2xx, 0 takes it away; a bare array; `detail`",
    TODAY,
)
def desk_assign(story: Story) -> None:
    fitting(story.desk.get("/accounts/admin/employees/"), [shapes.EMPLOYEE])
    path = f"{BOOKINGS}{story.kept['at the desk']['id']}/assign/"
    freed = story.desk.call("PATCH", path, {"assigned_to": 0, "assignment_notes": "asked by phone"}).json()
    assert freed["booking"]["assigned_to"] is None
    stranger = story.desk.call("POST", path, {"assigned_to_id": 2**40}, status=400)
    assert "employees" in first_message(stranger)


@row("/admin/bookings", "PATCH booking/admin/bookings/{id}/status/", "any 2xx; `detail`", TODAY)
def desk_status(story: Story) -> None:
    path = f"{BOOKINGS}{story.kept['at the desk']['id']}/status/"
    early = story.desk.call("PATCH", path, {"status": "COMPLETED"}, status=409)
    assert "begun" in first_message(early)
    story.desk.call("PATCH", path, {"status": "REJECTED", "rejection_reason": "the temple is closed"})
    rows = story.desk.get(f"{BOOKINGS}?status=REJECTED")
    assert story.kept["at the desk"]["id"] in [one["id"] for one in rows]


@row("/admin/puja-services", "GET puja/services/ without `is_active`", "hidden ones as well", TODAY)
def desk_services(story: Story) -> None:
    fitting(
        story.desk.get("/puja/services/?page=1&page_size=100"), {"results": [shapes.SERVICE], "count": int}
    )
    fitting(story.desk.get("/puja/categories/"), [shapes.CATEGORY])


@row(
    "/admin/puja-services",
    "POST puja/categories/create/, PATCH, DELETE puja/categories/{id}/",
    "any 2xx",
    TODAY,
)
def desk_categories(story: Story) -> None:
    made = story.desk.call("POST", "/puja/categories/create/", {"name": "Ancestors"}, status=201).json()
    path = f"/puja/categories/{made['id']}/"
    story.desk.call("PATCH", path, {"name": "Pitru"})
    story.desk.call("DELETE", path, status=204)


@row(
    "/admin/puja-services",
    "POST puja/services/create/, PATCH puja/services/{id}/ as multipart",
    "any 2xx",
    TODAY,
)
def desk_service(story: Story) -> None:
    content = BytesIO()
    Image.new("RGB", (64, 64), "orange").save(content, "PNG")
    category = story.desk.get("/puja/categories/")[0]["id"]
    fields = {"title": "Durga Puja", "description": "<p>Nine nights.</p>", "category": f"{category}"}
    fields |= {"type": "TEMPLE", "duration_minutes": "60", "is_active": "false"}
    sent = {name: (None, value) for name, value in fields.items()}
    sent["image"] = ("puja.png", content.getvalue(), "image/png")
    made = story.desk.call("POST", "/puja/services/create/", files=sent, status=201).json()
    story.kept["made puja"] = made["id"]
    changed = {"title": (None, "Durga Puja of nine nights")}
    story.desk.call("PATCH", f"/puja/services/{made['id']}/", files=changed)
    assert story.desk.get(f"/puja/services/{made['id']}/")["title"] == "Durga Puja of nine nights"
    taken = story.desk.call("PATCH", f"/puja/services/{made['id']}/", {"title": "Griha Pravesh"}, status=400)
    assert taken.json()["title"][0]


@row(
    "/admin/puja-services", "POST puja/packages/create/, PATCH, DELETE puja/packages/{id}/", "any 2xx", TODAY
)
def desk_packages(story: Story) -> None:
    fields = {"puja_service": story.kept["made puja"], "location": "Patna", "language": "HINDI"}
    fields |= {"package_type": "BASIC", "price": 1500, "description": "<p>One priest.</p>"}
    fields |= {"includes_materials": False, "priest_count": 1, "is_active": True}
    made = story.desk.call("POST", "/puja/packages/create/", fields, status=201).json()
    path = f"/puja/packages/{made['id']}/"
    story.desk.call("PATCH", path, fields | {"price": 1600.5})
    (shown,) = fitting(
        story.desk.get(f"/puja/packages/?puja_service={fields['puja_service']}"), [shapes.PACKAGE]
    )
    assert (shown["price"], shown["puja_service"]) == ("1600.50", fields["puja_service"])
    story.desk.call("DELETE", path, status=204)


@row("/admin/puja-services", "DELETE puja/services/{id}/", "any 2xx; what was sold is hidden", TODAY)
def desk_remove_service(story: Story) -> None:
    story.desk.call("DELETE", f"/puja/services/{story.kept['made puja']}/", status=204)
    story.get(f"/puja/services/{story.kept['made puja']}/", status=404)


@row(
    "/admin/promotions", "POST, PATCH, DELETE promo/admin/promos/", "the whole row; `discount` as text", TODAY
)
def desk_promos(story: Story) -> None:
    fields = {"code": "DIWALI25", "description": "For Diwali", "discount": "25", "discount_type": "PERCENT"}
    fields |= {"expiry_date": "2090-01-01T00:00:00Z", "code_type": "PUBLIC", "is_active": True}
    made = fitting(story.desk.call("POST", PROMOS, fields, status=201).json(), shapes.DESK_PROMO)
    path = f"{PROMOS}{made['id']}/"
    changed = story.desk.call("PATCH", path, fields | {"discount": "30", "is_active": False}).json()
    assert (fitting(changed, shapes.DESK_PROMO)["discount"], changed["is_active"]) == ("30.00", False)
    refused = story.desk.call("POST", PROMOS, fields, status=400)
    assert "already exists" in first_message(refused)
    story.desk.call("DELETE", path, status=204)


@row(
    "/admin/promotions",
    "GET promo/admin/promos/, stats/, export/",
    "`results, count`; figures; a file",
    TODAY,
)
def desk_promo_list(story: Story) -> None:
    told = story.desk.get(f"{PROMOS}?page=1&limit=10&search=&status=active")
    fitting(told, {"results": [shapes.DESK_PROMO], "count": int})
    figures = {f"{name}_promos": int for name in ("total", "active", "expired")}
    fitting(story.desk.get(f"{PROMOS}stats/"), figures | {"total_discount_given": shapes.RUPEES})
    assert story.desk.call("GET", f"{PROMOS}export/").text.lstrip("\ufeff").startswith("code,")


@row("/admin/promotions", "POST promo/admin/promos/bulk-create/", "any 2xx; nobody can guess them", TODAY)
def desk_bulk(story: Story) -> None:
    body = {"prefix": "TEMPLE", "count": 3, "discount": "50", "discount_type": "FIXED"}
    body |= {"expiry_date": "2090-01-01T00:00:00Z", "usage_limit": 1}
    made = story.desk.call("POST", f"{PROMOS}bulk-create/", body, status=201).json()
    assert len({*made["codes"]}) == 3


@row("/admin/users", "GET auth/users/", "`username, email, role, account_status, date_joined`", TODAY)
def desk_users(story: Story) -> None:
    rows = fitting(story.desk.get("/auth/users/"), [shapes.PERSON_AT_DESK])
    story.kept["me"] = next(one["id"] for one in rows if one["email"] == story.email)


@row("/admin/users", "PATCH auth/users/{id}/", "any 2xx: suspended, then active again", TODAY)
def desk_suspend(story: Story) -> None:
    others = [one for one in story.desk.get("/auth/users/") if one["id"] != story.kept["me"]]
    last = max(one["id"] for one in others if one["role"] == "USER")
    for status in ("SUSPENDED", "ACTIVE"):
        told = story.desk.call("PATCH", f"/auth/users/{last}/", {"account_status": status}).json()
        assert told["account_status"] == status


@row(
    "/admin/employees",
    "POST auth/register/ with the token of staff, GET booking/admin/bookings/employees/, DELETE auth/users/{id}/",
    "any 2xx; `id, email, username`",
    TODAY,
)
def desk_employee(story: Story) -> None:
    body = {"username": "Ramesh", "email": "ramesh@example.com", "phone": "9876500077"}
    body |= {"password": story.password, "role": "EMPLOYEE", "employee_code": "E7"}
    made = story.desk.call("POST", "/auth/register/", body, status=201).json()
    listed = fitting(story.desk.get(f"{BOOKINGS}employees/"), [shapes.EMPLOYEE])
    assert made["id"] in [one["id"] for one in listed]
    story.desk.call("DELETE", f"/auth/users/{made['id']}/", status=204)


@row(
    "/admin/bookings",
    "GET astrology/admin/bookings/, astrology/admin/dashboard/",
    "an empty array",
    TODAY,
    "nothing is sold there: empty",
)
def desk_astrology(story: Story) -> None:
    assert (story.desk.get("/astrology/admin/bookings/"), story.desk.get("/astrology/admin/dashboard/")) == (
        [],
        {},
    )


@row(
    "/admin/events, /admin/blog",
    "GET misc/admin/events/, blog/posts/, blog/categories/, blog/tags/",
    "empty lists",
    TODAY,
    "nothing is sold there: empty",
)
def desk_empty(story: Story) -> None:
    for path in ("/misc/admin/events/?page=1&page_size=12", "/blog/posts/?page=1"):
        assert story.desk.get(path)["results"] == []
    for path in ("/blog/categories/", "/blog/tags/"):
        assert story.desk.get(path) == []


@row(
    "/admin/payments, /admin/support",
    "GET admin/payments/ without a token",
    "404",
    TODAY,
    "404: the site would publish it to anybody",
)
def desk_published(story: Story) -> None:
    for path in ("/admin/payments/", "/admin/support/", "/admin/jobs/"):
        assert story.visitor().call("GET", path).status_code == 404


@row("any of /admin", "the calls of the desk by a customer", "403", TODAY, "403: the right is missing")
def desk_is_closed(story: Story) -> None:
    paths = (BOOKINGS, PROMOS, "/auth/users/", "/booking/admin/dashboard/")
    assert {path: story.tab.call("GET", path).status_code for path in paths} == dict.fromkeys(paths, 403)
