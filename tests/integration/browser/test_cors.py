"""CORS by a real Chromium: scripts of the frontend's page make its calls and read the answers; no other page may.

The page is at another port than the API. `localhost` is the same page for a person, and another origin for a browser.
"""

import re
from base64 import b64encode
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.harness.customers import Customer

pytestmark = [pytest.mark.browser, pytest.mark.sockets]

CALL = """async ({url, method, headers, body, file, read}) => {
    let form = null;
    if (file) {
        const bytes = Uint8Array.from(atob(file.content), (one) => one.charCodeAt(0));
        form = new FormData();
        form.append(file.field, new File([bytes], "me.png", {type: "image/png"}));
    }
    try {
        const answer = await fetch(url, {method, headers, body: form ?? (body && JSON.stringify(body))});
        return {status: answer.status, text: await answer.text(), read: read.map((name) => answer.headers.get(name))};
    } catch (error) {
        return {status: 0, text: String(error), read: []};
    }
}"""


class Script:
    """`fetch` on a page of this origin, with the token as the sites send it."""

    def __init__(self, page: Any, api: str, token: str) -> None:
        self.page, self.api = page, api
        self.headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/plain, */*"}

    def call(self, method: str, path: str, *read: str, body: Any = None, **headers: str) -> dict[str, Any]:
        how = {
            "url": f"{self.api}/api/{path}",
            "method": method,
            "headers": self.headers | {name.replace("_", "-"): value for name, value in headers.items()},
            "read": list(read),
            "body": None,
            "file": None,
        }
        if isinstance(body, bytes):
            how["file"] = {"field": "profile_picture", "content": b64encode(body).decode()}
        elif body is not None:
            how |= {"body": body, "headers": how["headers"] | {"Content-Type": "application/json"}}
        return self.page.evaluate(CALL, how)


@pytest.fixture
def customer(shop):
    return Customer([shop.url], shop.tokens.customers[9])


@pytest.fixture
def opened(chromium):
    """A page without anything on it, at an address."""
    context = chromium.new_context()

    def opened(address: str) -> Any:
        page = context.new_page()
        page.goto(address)
        return page

    yield opened
    context.close()


@pytest.fixture
def site_script(shop, site, opened):
    return Script(opened(site.origin), shop.url, shop.tokens.customers[9])


@pytest.fixture
def foreign_script(shop, site, opened):
    return Script(opened(site.origin.replace("127.0.0.1", "localhost")), shop.url, shop.tokens.customers[9])


def address_of(customer: Customer) -> int:
    home = {"address_line1": "1 Ghat", "city": "Gaya", "state": "Bihar", "postal_code": "823001"}
    return customer.post("auth/addresses/", home).json()["id"]


def profile_of(customer: Customer) -> dict[str, str]:
    """Of a link only what it leads to: its signature is new each half hour."""
    profile = customer.get("auth/profile/")
    return {name: re.sub(r"(/uploads/[^:]+).*", r"\1", str(value)) for name, value in profile.items()}


def picture() -> bytes:
    content = BytesIO()
    Image.new("RGB", (8, 8), "orange").save(content, "PNG")
    return content.getvalue()


def test_a_script_of_the_site_makes_every_kind_of_call(site_script, customer):
    told = site_script.call("GET", "puja/services/?page=1", "X-Request-ID")
    assert (told["status"], bool(told["read"][0])) == (200, True)
    assert site_script.call("GET", "booking/bookings/")["status"] == 200
    assert site_script.call("PATCH", "auth/profile/", body={"first_name": "Asha"})["status"] == 200
    assert site_script.call("DELETE", f"auth/addresses/{address_of(customer)}/")["status"] == 204
    assert site_script.call("PATCH", "auth/profile/picture/", body=picture())["status"] == 200


def test_a_script_of_the_site_pays_once_however_often_it_asks(site_script, customer):
    body = {"cart_id": customer.choose()["id"], "method": "PHONEPE"}
    asked = [
        site_script.call(
            "POST",
            "payments/payments/process-cart/",
            "Idempotent-Replayed",
            body=body,
            Idempotency_Key="0b5a3c1e-7d6f-4b21-9a55-2f3d0c4e8a11",
        )
        for _ in range(2)
    ]
    assert [one["status"] for one in asked] == [201, 201]
    assert asked[0]["text"] == asked[1]["text"]
    assert asked[1]["read"] == ["true"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing/here/", 404),
        ("GET", "payments/payments/999999999/", 404),
        ("POST", "auth/login/", 400),
        ("DELETE", "auth/addresses/999999999/", 404),
    ],
)
def test_a_script_of_the_site_reads_refusals(site_script, method, path, status):
    told = site_script.call(method, path, body={} if method == "POST" else None)
    assert told["status"] == status
    assert '"error"' in told["text"]


def test_a_dead_token_is_an_answer_that_the_site_can_read(site_script):
    told = site_script.call("GET", "booking/bookings/", Authorization="Bearer no.such.token")
    assert told["status"] == 401


def test_a_script_of_another_origin_reads_nothing_and_changes_nothing(foreign_script, customer):
    number = address_of(customer)
    before = profile_of(customer)
    calls = [
        foreign_script.call("GET", "puja/services/?page=1"),
        foreign_script.call("GET", "booking/bookings/"),
        foreign_script.call("PATCH", "auth/profile/", body={"first_name": "Mallory"}),
        foreign_script.call("DELETE", f"auth/addresses/{number}/"),
        foreign_script.call("PATCH", "auth/profile/picture/", body=picture()),
        foreign_script.call("POST", "auth/login/", body={}),
    ]
    assert {one["text"] for one in calls} == {"TypeError: Failed to fetch"}
    assert profile_of(customer) == before
    assert number in [one["id"] for one in customer.get("auth/addresses/")]
