"""Every page and every action of the admin, tried by everybody: see `rules`."""

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.test import RequestFactory
from django.urls import NoReverseMatch, URLPattern, get_resolver, reverse

from accounts.models import User
from booking.models import Slot
from payment.services.outcomes import apply_status
from tests.harness import PROOFS, builders
from tests.harness.samples import sample
from tests.integration.access.matrix import Staff, make_row, written
from tests.integration.access.rules import (
    ACTIONS,
    OF_STAFF,
    SITE_PAGES,
    action_rule,
    label,
    model_rules,
    models,
)
from tests.unit.payment.builders import completed, make_payment

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


def admin_urls() -> set[str | None]:
    """The names of all URLs of the admin, without the one that redirects `/<id>/` to its `change/`."""
    (site,) = (entry for entry in get_resolver().url_patterns if str(entry.pattern) == "admin/")
    names = set()
    for entry in site.url_patterns:
        pages = [entry] if isinstance(entry, URLPattern) else entry.url_patterns
        names |= {page.name for page in pages if str(page.pattern) != "<path:object_id>/"}
    return names


def url_name(model: Any, page: str) -> str:
    app, name = label(model).split(".")
    return "auth_user_password_change" if page == "password_change" else f"{app}_{name}_{page}"


def test_every_page_of_the_admin_has_a_rule():
    ruled = {url_name(model, row.split()[0]) for model in models() for row in model_rules(model)}
    assert admin_urls() == ruled | SITE_PAGES


def test_every_action_of_the_admin_has_a_rule():
    found = {
        (label(model), name)
        for model in models()
        for _, name, _ in admin.site._registry[model]._get_base_actions()
    }
    assert {(model, name) for model, name in found if name != "delete_selected"} == {
        tuple(row.split()) for row in ACTIONS
    }


@pytest.fixture
def rows(alice, package, slot, service):
    """Of each model the row whose pages are tried."""
    builders.make_slot(service, days=9)
    builders.make_promo()
    payment = make_payment(builders.make_checkout(builders.make_cart(alice, package, slot.starts_at)))
    apply_status(payment.attempts.get().pk, completed(), "worker")
    keys = {model: make_row(model).pk for model in models()}
    return keys | {User: alice.pk, Slot: Slot.objects.filter(holds=None).latest("pk").pk}


def path(model: Any, page: str, row: int) -> str:
    name = f"admin:{url_name(model, page)}"
    try:
        return reverse(name)
    except NoReverseMatch:
        return reverse(name, args=[row])


def is_let_in(answer: Any) -> bool:
    assert answer.status_code < 500, answer.request["PATH_INFO"]
    return answer.status_code == 200 or (answer.status_code == 302 and not answer.url.startswith(LOGIN))


class Cells:
    """Collects every cell whose answer is not the one of its rule."""

    def __init__(self, clients: Any, staff: Staff, superuser: User, customers: list[User | None]) -> None:
        self.clients, self.staff, self.superuser, self.customers = clients, staff, superuser, customers
        self.wrong: list[str] = []
        self.count = self.pages = 0

    def page(self, model: Any, row: str, rule: Any, key: int) -> None:
        self.pages += 1
        page, method = row.split()
        url = path(model, page, key)
        may = [*self.staff.who_may(rule), *([self.superuser] if rule.superuser else [])]
        may_not = [
            *self.customers,
            *self.staff.who_may_not(rule),
            *([] if rule.superuser else [self.superuser]),
        ]
        # Another few of the people try each page in `make test`.
        for person in sample(may_not, 13, self.pages):
            with written() as tables:
                answer = getattr(self.clients(person), method)(
                    url, {"post": "yes"} if method == "post" else {}
                )
            self.check(not is_let_in(answer) and not tables, f"{method} {url} let in {name(person)} {tables}")
        # A deletion that is allowed is asked for, not carried out.
        for person in sample(may, 7, self.pages) if row != "delete post" else []:
            answer = getattr(self.clients(person), method)(url)
            self.check(is_let_in(answer), f"{method} {url} refused {name(person)}: {answer.status_code}")

    def check(self, is_right: bool, sentence: str) -> None:
        self.count += 1
        if not is_right:
            self.wrong.append(sentence)


def name(person: User | None) -> str:
    if person is None:
        return "anonymous"
    if person.is_superuser or not person.is_staff:
        return person.email
    rights = person.user_permissions.values_list("codename", flat=True)
    return f"staff with {[*rights] if len(rights) < 5 else f'{len(rights)} rights'}"


@pytest.fixture
def cells(clients, staff, alice, charlie):
    return Cells(clients, Staff(), staff, [None, alice, charlie])


def test_every_page_is_open_to_those_whom_its_rule_names_and_to_nobody_else(cells, rows):
    for model in models():
        for row, rule in model_rules(model).items():
            cells.page(model, row, rule, rows[model])

    assert cells.wrong == []
    assert cells.count > (1_000 if PROOFS else 200)


def test_pages_of_the_whole_site_show_nothing_without_its_right(clients, alice):
    """Those of SITE_PAGES that look into a table: they ask the admin of that table."""
    nobody, promoter = (
        clients(Staff().with_only(frozenset(rights)))
        for rights in ((), ("booking.change_promocode", "booking.view_promocode"))
    )
    asked = {"app_label": "booking", "model_name": "promocode", "field_name": "assigned_users", "term": "ali"}
    for client in (nobody, promoter):  # of accounts neither may see anything
        assert client.get("/admin/autocomplete/", asked).status_code == 403
        assert alice.email not in client.get("/admin/search/", {"s": "alice"}).content.decode()
        kind = ContentType.objects.get_for_model(User).pk
        assert client.get(f"/admin/r/{kind}/{alice.pk}/").status_code == 404
        assert client.get("/admin/accounts/").status_code == 404
    looking = clients(Staff().with_only(frozenset({"accounts.view_user", "booking.change_promocode"})))
    assert looking.get("/admin/autocomplete/", asked).json()["results"]


@pytest.mark.parametrize("fields", [{"is_staff": True}, {"is_superuser": True}, {"role": "ADMIN"}], ids=str)
def test_an_account_of_staff_is_edited_by_superusers_only(cells, fields):
    colleague = builders.make_user("colleague@example.com", **fields)
    for row, rule in {**model_rules(User), **OF_STAFF}.items():
        if not row.startswith(("add", "changelist")):
            cells.page(User, row, rule, colleague.pk)

    assert cells.wrong == []


def test_every_action_is_offered_to_those_whom_its_rule_names_and_carried_out_for_nobody_else(cells, rows):
    for model in models():
        desk = admin.site._registry[model]
        for _, action, _ in desk._get_base_actions():
            try_action(cells, model, desk, action, rows[model])

    assert cells.wrong == []


def try_action(cells: Cells, model: Any, desk: Any, action: str, key: int) -> None:
    rule, request = action_rule(model, action), RequestFactory().get("/admin/")
    assert rule is not None
    form = {"action": action, "_selected_action": [key], "post": "yes", "reason": "tried"}
    for person in sample([*cells.customers, *cells.staff.who_may_not(rule)], 3, cells.count):
        with written() as tables:
            answer = cells.clients(person).post(path(model, "changelist", key), form)
        assert answer.status_code < 500
        cells.check(not tables, f"{action} of {label(model)} wrote {tables} for {name(person)}")
    for is_allowed, people in ((True, cells.staff.who_may(rule)), (False, cells.staff.who_may_not(rule))):
        for person in people:
            request.user = person
            offered = action in desk.get_actions(request)
            cells.check(offered is is_allowed, f"{action} of {label(model)}: {offered} for {name(person)}")
