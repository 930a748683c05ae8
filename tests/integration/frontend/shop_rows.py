"""What a visitor without a login sees, with no token or a dead one."""

from tests.integration.frontend import shapes, shop_pages, today
from tests.integration.frontend.rows import Story, Table
from tests.integration.frontend.shapes import fitting

TODAY = ("today",)
row = Table()
ORDERINGS = ("title", "-title", "price", "-price", "duration", "-duration", "created_at", "-created_at")
ANONYMOUS = (
    *("/puja/services/", "/puja/categories/", "/puja/packages/?puja_service=1", "/puja/services/1/"),
    *("/misc/events/?status=PUBLISHED", "/astrology/services/?is_active=true"),
)


@row(
    "/", "GET puja/services/ without a query", "`length`", TODAY, "an object: the slider keeps its six pujas"
)
def slider(story: Story) -> None:
    told = story.tab.call("GET", "/puja/services/", client=today.SLIDER).json()
    fitting(told, {"results": [shapes.SERVICE], "count": int})


@row("/, /events", "GET misc/events/", "an empty list", TODAY, "nothing is sold there: empty, and never 401")
def events(story: Story) -> None:
    query = "?status=PUBLISHED&ordering=event_date&page_size=6&page=1&is_featured=true"
    told = story.visitor().call("GET", f"/misc/events/{query}", client=today.SLIDER).json()
    assert told == [] or told["results"] == []


@row("/astrology", "GET astrology/services/", "an empty array", TODAY, "nothing is sold there: empty")
def astrology(story: Story) -> None:
    assert story.get("/astrology/services/?is_active=true") == []


@row("/pujaservice", "GET puja/categories/", "`id, name`")
def categories(story: Story) -> None:
    assert len(fitting(story.get("/puja/categories/"), [shapes.CATEGORY])) >= 4


@row("/pujaservice", "GET puja/services/", "`count`, the cards; one call of packages for each card")
def services(story: Story) -> None:
    cards = shop_pages.service_list(story.visitor())
    assert len(cards) == 8
    assert all(card["packages"] for card in cards)
    story.kept["service"] = cards[0]


@row("/pujaservice", "GET puja/services/ with every filter and order", "the filtered, sorted list")
def narrowed(story: Story) -> None:
    tab = story.visitor()
    empty = {"search": "", "category": "", "type": "", "location": "", "language": ""}
    assert len(shop_pages.service_list(tab, **empty)) == 8
    narrow = {"search": "ganesh", "type": "HOME", "location": "Patna", "language": "HINDI"}
    assert [card["title"] for card in shop_pages.service_list(tab, **narrow)] == ["Ganesh Puja"]
    for ordering in ORDERINGS:
        listed = story.get(f"/puja/services/?page=1&page_size=50&ordering={ordering}&is_active=true")
        assert listed["count"] == len(listed["results"]) == 8


@row("/pujaservice/{id}", "GET puja/services/{id}/", "one service, after a hard reload")
def detail(story: Story) -> None:
    service = story.kept["service"]
    assert shop_pages.service_detail(story.visitor(), service["id"])["title"] == service["title"]


@row("/pujaservice/{id}", "GET puja/services/{id}/ with an unknown id", "any error: back to the list")
def no_detail(story: Story) -> None:
    tab = story.visitor()
    assert shop_pages.service_detail(tab, 10**9) is None
    assert tab.location == "/pujaservice"


@row("/pujaservice/{id}", "GET puja/packages/?puja_service=", "`location, language, package_type, price` …")
def packages(story: Story) -> None:
    assert shop_pages.packages(story.visitor(), story.kept["service"]["id"])


@row("/pujaservice", "GET puja/public/services/", "the same list, when the first route failed", TODAY)
def public_services(story: Story) -> None:
    told = story.tab.call("GET", "/puja/public/services/?page=1&page_size=10", client=today.FALLBACK)
    assert told.json() == story.get("/puja/services/?page=1&page_size=10")


@row("/pujaservice/{id}", "GET puja/public/services/{id}/", "the same service", TODAY)
def public_service(story: Story) -> None:
    number = story.kept["service"]["id"]
    told = story.tab.call("GET", f"/puja/public/services/{number}/", client=today.FALLBACK)
    assert told.json() == story.get(f"/puja/services/{number}/")


@row("/pujaservice", "GET puja/public/puja/packages/?puja_service=", "the same packages", TODAY)
def public_packages(story: Story) -> None:
    number = story.kept["service"]["id"]
    path = f"/puja/public/puja/packages/?puja_service={number}"
    told = story.tab.call("GET", path, client=today.FALLBACK)
    assert told.json() == story.get(f"/puja/packages/?puja_service={number}")


@row("every page", "public routes with an invalid token", "the answer of a visitor, never 401")
def dead_token(story: Story) -> None:
    tab = story.visitor()
    tab.storage["access"] = "no.such.token"
    paths = ANONYMOUS if story.era == "today" else ANONYMOUS[:4]
    assert {path: tab.send(tab.browser.main, "GET", path).status_code for path in paths} == dict.fromkeys(
        paths, 200
    )


@row("every page", "GET a path that does not exist", "`detail`", told="404 as JSON, never a page")
def no_such_path(story: Story) -> None:
    for path in ("/auth/users/me/", "/gallery/", "/blog/posts/none/"):
        assert isinstance(story.get(path, status=404)["detail"], str)
