"""Every page of the desk, tried by every role and by everybody else. New pages are here by being in its URLs.

The rights of a page are those of its `desk_page`; what a role may do is what the migrations have given its group.
"""

from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from django.urls import reverse

from accounts.models import User
from backoffice.rights import ROLES
from backoffice.urls import urlpatterns
from tests.harness import builders
from tests.harness.samples import sample
from tests.integration.access.matrix import Staff, written

pytestmark = pytest.mark.django_db
PAGES = {pattern.name: pattern for pattern in urlpatterns}
LOGIN = "/admin/login/"
# For parts of addresses: nothing is there. Who may not open a page is not told that.
MADE_UP = {"IntConverter": 0, "StringConverter": "none", "SlugConverter": "none", "UUIDConverter": uuid4()}
MADE_UP |= {"PathConverter": "none", "DateConverter": date(2026, 1, 1)}


def address(pattern: Any) -> str:
    parts = {name: MADE_UP[type(kind).__name__] for name, kind in pattern.pattern.converters.items()}
    return reverse(f"desk:{pattern.name}", kwargs=parts)


def rights_of(pattern: Any) -> frozenset[str]:
    return frozenset(pattern.callback.rights)


def test_every_page_of_the_desk_is_guarded():
    assert [pattern.name for pattern in urlpatterns if not hasattr(pattern.callback, "rights")] == []
    assert len(PAGES) == len(urlpatterns)


@pytest.mark.proof(every=1)  # each role tries another third of the pages in `make test`
@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_the_pages_of_its_rights_and_no_others(role, clients):
    client, wrong = clients(builders.make_staff(role)), []
    for name, pattern in sample([*PAGES.items()], 3, [*ROLES].index(role)):
        status = client.get(address(pattern)).status_code
        is_allowed = rights_of(pattern) <= ROLES[role]
        if (status == 403) is is_allowed or status >= 500:
            wrong.append(f"{name}: {status}")

    assert wrong == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_one_of_its_rights_a_page_is_closed_and_nothing_is_written(clients, method):
    staff, wrong = Staff(), []
    for name, pattern in sample([*PAGES.items()], 3, len(method)):
        for right in rights_of(pattern):
            client = clients(staff.with_all_but(frozenset({right})))
            with written() as tables:
                status = getattr(client, method)(address(pattern)).status_code
            if status != 403 or tables:
                wrong.append(f"{name} without {right}: {status} {tables}")

    assert wrong == []


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["nobody", "a customer", "an administrator of the API"])
def test_nobody_but_staff_opens_a_page(clients, who, method):
    people: dict[str, User | None] = {
        "nobody": None,
        "a customer": builders.make_user(),
        "an administrator of the API": builders.make_user(role=User.Role.ADMIN),
    }
    client = clients(people[who])
    answers = {name: getattr(client, method)(address(pattern)) for name, pattern in PAGES.items()}

    assert {name for name, answer in answers.items() if answer.status_code != 302} == set()
    assert {name for name, answer in answers.items() if not answer.url.startswith(LOGIN)} == set()
