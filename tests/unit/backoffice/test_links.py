"""A link or a button that a role is shown works for that role: whatever it lacks the right for is not on its pages."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from backoffice import rights
from backoffice.rights import ROLES
from booking.models import Booking
from payment.services.pay_links import make_pay_link
from tests.harness import builders
from tests.integration.access.matrix import written
from tests.unit.backoffice import demo_pages
from tests.unit.backoffice.test_attacks import Forms
from tests.unit.payment.services.test_by_hand import choice as choice

pytestmark = pytest.mark.django_db(transaction=True)
MAIN = re.compile(r'<main class="desk"[^>]*>(.*)</main>', re.DOTALL)
TARGET = re.compile(r'(?:href|action)="(/admin/[^"#]*)"')


@pytest.mark.proof(every=6)
@pytest.mark.parametrize("role", sorted(ROLES))  # the first one, in make test, lacks rights
def test_a_role_is_shown_no_link_that_is_closed_to_it(role):
    demo_pages.seed()
    client, known, wrong = Client(), set(), []
    client.force_login(builders.make_staff(role))
    for name, address in demo_pages.addresses().items():
        page = client.get(address)
        if page.status_code != 200:
            continue
        for target in TARGET.findall("".join(MAIN.findall(page.content.decode()))):
            if (kind := kind_of(target)) in known:
                continue
            known.add(kind)
            status = client.get(target.replace("&amp;", "&")).status_code
            if status in (403, 404) or status >= 500:
                wrong.append(f"{name}: {target} answers {status}")

    assert wrong == []
    assert len(known) > 1


@pytest.mark.proof(every=1)
@pytest.mark.parametrize("role", ROLES)
def test_a_button_within_a_page_has_its_own_right(role, alice, choice, phonepe):
    """Whoever may see the page, and sends what the button would: 403, and nothing is written."""
    link = make_pay_link(alice, choice, by=builders.make_superuser(), key=uuid4())
    buttons = [
        (rights.TAKE_MONEY, reverse("desk:pay-link", args=[link.pk]), {"means": "CASH", "key": uuid4()}),
        (rights.CONFIRM_CASH, reverse("desk:cash"), {"confirm": "9" * 5000}),
        (rights.EXPORT_PANS, reverse("desk:donations"), {"year": "2026", "file": "csv"}),
    ]
    client = Client()
    client.force_login(builders.make_staff(role))
    for right, address, sent in buttons:
        with written() as tables:
            status = client.post(address, sent).status_code
        assert (status == 403) is (right not in ROLES[role]), (right, status)
        assert status < 500
        assert status != 403 or not tables
    assert Booking.objects.exists() is (rights.TAKE_MONEY in ROLES[role])


@pytest.mark.proof
def test_a_form_that_a_role_is_not_shown_is_closed_to_it():
    """Whatever an owner may send from a page: whoever has no such form there gets 403, and changes nothing."""
    demo_pages.seed()
    addresses = {**demo_pages.addresses(), **demo_pages.rare_addresses()}
    owner = browser_of("Owner")
    of_owner = {address: forms_of(owner, address) for address in addresses.values()}
    tried, wrong = 0, []
    for role in sorted(ROLES):
        client = browser_of(role)
        for name, address in addresses.items():
            shown = forms_of(client, address)
            for kind in of_owner[address].keys() - shown.keys():
                target, fields = of_owner[address][kind]
                with written() as tables:
                    status = client.post(target or address, fields).status_code
                tried += 1
                if status != 403 or tables:
                    wrong.append(f"{role}: {name} {kind}: {status} {tables}")

    assert wrong == []
    assert tried > 100


def browser_of(role: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(builders.make_staff(role))
    return client


def forms_of(client: Client, address: str) -> dict[tuple[str, ...], tuple[str, dict[str, str]]]:
    """The POST forms of a page by their names of fields; a button with a value of its own is another form."""
    page = client.get(address)
    found = {}
    for target, method, fields in Forms(page.content.decode()).found if page.status_code == 200 else ():
        fields.pop("csrfmiddlewaretoken", None)
        if method == "post":
            found[(target.partition("?")[0], *sorted(fields), fields.get("action", ""))] = (target, fields)
    return found


def kind_of(target: str) -> str:
    """The name of its URL: of several links of a kind one is followed."""
    try:
        return resolve(target.partition("?")[0]).view_name
    except Resolver404:
        return target
