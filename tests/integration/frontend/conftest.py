import itertools

import pytest

from tests.harness.databases import ON_POSTGRESQL, PASSWORD
from tests.harness.installation import start_installation
from tests.harness.process_output import no_server_breaks, pytest_runtest_makereport  # noqa: F401
from tests.integration.frontend import pages
from tests.integration.frontend.browser import Browser

numbers = itertools.count(1)
HOME = {
    "address_line1": "12 Temple Road",
    "city": "Patna",
    "state": "Bihar",
    "postal_code": "800001",
    "is_default": True,
}


@pytest.fixture(scope="module")
def shop(request):
    with start_installation(
        getattr(request, "param", "v2"), servers=2 if ON_POSTGRESQL else 1, workers=1
    ) as shop:
        yield shop


@pytest.fixture
def tab(shop):
    """Of somebody who has never been here."""
    return Browser(shop.url).tab()


@pytest.fixture
def email(tab):
    """A new account's."""
    email = f"newcomer{next(numbers)}@example.com"
    pages.register(tab, email=email, phone="", password=PASSWORD, password2=PASSWORD)
    return email


@pytest.fixture
def member(tab, email):
    """The same, logged in, with an address."""
    pages.log_in(tab, email, PASSWORD)
    pages.add_address(tab, **HOME)
    return tab


@pytest.fixture
def offer(shop, tab):
    """A service, its smallest package and a time with free places, as arguments of `pages.add_to_cart`."""
    (service,) = pages.service_list(tab, search="Satyanarayan")
    slots = tab.call("GET", f"/puja/services/{service['id']}/slots/").json()
    free = next(slot for slot in slots if slot["available"])
    return service["id"], service["packages"][0]["id"], free["date"], free["time"]


@pytest.fixture
def shopper(member, offer):
    """Somebody with a cart."""
    pages.add_to_cart(member, *offer)
    return member
