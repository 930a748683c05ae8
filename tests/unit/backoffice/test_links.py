"""A link or a button that a role is shown works for that role: whatever it lacks the right for is not on its pages."""

import re

import pytest
from django.test import Client
from django.urls import Resolver404, resolve

from backoffice.rights import ROLES
from tests.harness import builders
from tests.unit.backoffice import demo_pages

pytestmark = pytest.mark.django_db(transaction=True)
MAIN = re.compile(r'<main class="desk">(.*)</main>', re.DOTALL)
TARGET = re.compile(r'(?:href|action)="(/admin/[^"#]*)"')


@pytest.mark.proof(every=3)
@pytest.mark.parametrize("role", ROLES)
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


def kind_of(target: str) -> str:
    """The name of its URL: of several links of a kind one is followed."""
    try:
        return resolve(target.partition("?")[0]).view_name
    except Resolver404:
        return target
