"""Who changed what: catalogue, prices, promo codes and accounts, with before and after, and nothing about persons."""

import re
from contextlib import contextmanager
from datetime import time, timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import User
from backoffice.history import KINDS, PAGE
from booking.models import ClosedPeriod, OpeningHours, PackagePrice, PujaCategory
from booking.services.openings import set_hours
from booking.services.prices import plan_price
from payment.services.personal_data import erase_person
from tests.harness import builders
from tests.integration.access.rules import RULES, Needs

pytestmark = pytest.mark.django_db
HISTORY = "/admin/desk/history/"


def change(client: Client, row, **values):
    """By the form of the admin, as it stands, with these values."""
    address = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
    form = client.get(address).context["adminform"].form
    data = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in data.items() if value is not None and value is not False}
    inlines = client.get(address).context["inline_admin_formsets"]
    for each in inlines:
        data |= {f"{each.formset.prefix}-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    answer = client.post(address, data | values)
    assert answer.status_code == 302, answer.context["errors"]


def test_a_price_is_shown_before_and_after_with_who_and_when(desk, package):
    manager = desk("Manager")
    change(manager, package, price_paise="1500.00")
    page = manager.get(HISTORY, {"kind": "prices"})
    [entry] = [each for each in page.context["entries"] if str(each.what) == "changed"]
    [price] = entry.changes

    assert (price.before, price.after) == ("₹1,100.00", "₹1,500.00")
    assert entry.who == User.objects.get(groups__name="Manager").email
    assert entry.name == f"{package.puja_service.title}: Basic, Hindi, {package.location}"


def test_what_nobody_is_logged_in_for_is_of_the_system(desk, service):
    page = desk("Manager").get(HISTORY, {"kind": "pujas"})
    [entry] = page.context["entries"]

    assert (entry.who, str(entry.what)) == ("the system", "added")
    assert service.title in {change.after for change in entry.changes}
    assert "→ " not in page.content.decode().partition("<tbody>")[2]  # before it there was nothing


def test_a_use_of_a_promo_code_is_no_change_of_it(desk, alice, package):
    promo = builders.make_promo()
    before = promo.history.count()
    builders.make_checkout(builders.make_cart(alice, package, promo_code=promo.code))
    promo.refresh_from_db()

    assert promo.reserved_count == 1
    assert promo.history.count() == before


def test_a_role_is_in_the_history_with_its_reason(alice, rf):
    owner_client, owner = Client(), builders.make_staff("Owner")
    owner_client.force_login(owner)
    owner_client.post(f"/admin/desk/staff/{alice.pk}/role/", {"role": "Support", "reason": "December"})
    entry = owner_client.get(HISTORY, {"kind": "accounts"}).context["entries"][0]

    assert entry.who == owner.email
    assert entry.reason == "role: none → Support: December"
    assert "Employee" in {change.after for change in entry.changes}


def test_who_registers_or_changes_their_own_name_leaves_no_row(api, alice):
    api(alice).patch("/api/auth/profile/", {"first_name": "Alicia"})
    assert not User.history.exists()


def test_the_history_of_accounts_has_no_personal_data():
    columns = {field.name for field in apps.get_model("backoffice", "HistoricalUser")._meta.concrete_fields}
    ours = {name for name in columns if not name.startswith("history_")}
    assert ours == {"id", "role", "account_status", "is_staff", "is_superuser"}


def test_erasing_a_person_erases_what_was_decided_about_their_account(alice):
    owner = builders.make_staff("Owner")
    client = Client()
    client.force_login(owner)
    for role in ("Support", ""):
        client.post(f"/admin/desk/staff/{alice.pk}/role/", {"role": role, "reason": "Alice asked for it"})
    assert User.history.filter(id=alice.pk).count() == 2
    erase_person(alice.email)

    assert not User.history.filter(id=alice.pk).exists()


def test_only_owners_see_what_happened_to_accounts(desk):
    assert desk("Support").get(HISTORY, {"kind": "accounts"}).status_code == 404
    assert desk("Owner").get(HISTORY, {"kind": "accounts"}).status_code == 200


@pytest.mark.parametrize("asked", [{"kind": "none"}, {"before": "x"}, {"before": "1" * 30}, {"before": "²"}])
def test_what_is_no_page_is_not_found(desk, asked):
    assert desk("Owner").get(HISTORY, asked).status_code == 404


@pytest.mark.parametrize("changes", [10, 100])
def test_a_page_takes_as_many_statements_whatever_there_is(
    desk, package, changes, django_assert_max_num_queries
):
    for number in range(changes):
        package.price_paise = 100_000 + number
        package.save()
    client = desk("Manager")
    client.get(HISTORY)
    with django_assert_max_num_queries(12):
        page = client.get(HISTORY, {"kind": "prices"})
    shown = page.context["entries"]
    assert len(shown) == min(changes + 1, PAGE)
    assert all(len(entry.changes) == 1 for entry in shown if str(entry.what) == "changed")
    if changes > PAGE:
        older = client.get(HISTORY, {"kind": "prices", "before": page.context["following"]})
        assert len(older.context["entries"]) == PAGE


# --- Every way to change such rows --------------------------------------------------------------

HISTORIES = [
    apps.get_model("backoffice", f"Historical{model.__name__}") for _title, model, _right in KINDS.values()
]
CODE = {"code": "DIWALI", "discount": "10", "discount_type": "PERCENT", "code_type": "PUBLIC"}
CODES = {"discount": "10", "discount_type": "PERCENT", "prefix": "DI", "count": 3}
PUJA = {"title": "Durga Puja", "description": "<p>Nine.</p>", "type": "HOME", "duration_minutes": 60}
PACKAGE = {"location": "Varanasi", "language": "HINDI", "package_type": "BASIC", "price": "900.00"}
PACKAGE |= {"description": "One priest", "includes_materials": True, "priest_count": 1}
EMPLOYEE = {"username": "Ramesh", "email": "ramesh@example.com", "phone": "98765 00077", "role": "EMPLOYEE"}
EMPLOYEE |= {"password": builders.PASSWORD}
# Routes that need a right to such rows and change none: they hand out a code that there is.
NO_CHANGE = {"api/promo/admin/promos/send-email/ post"}
# What is sent to the others; `{pk}` is of the first row.
ROUTES: dict[str, dict[str, object]] = {
    "api/promo/admin/promos/ post": CODE,
    "api/promo/admin/promos/bulk-create/ post": CODES,
    "api/promo/admin/promos/{pk}/ patch": {"usage_limit": 5},
    "api/promo/admin/promos/{pk}/ delete": {},
    "api/puja/categories/create/ post": {"name": "Havans"},
    "api/puja/categories/{pk}/ patch": {"name": "Homas"},
    "api/puja/categories/{pk}/ delete": {},
    "api/puja/services/create/ post": PUJA,
    "api/puja/services/{pk}/ patch": {"title": "Grihapravesh"},
    "api/puja/services/{pk}/ delete": {},
    "api/puja/packages/create/ post": PACKAGE,
    "api/puja/packages/{pk}/ patch": {"price": "1300.00"},
    "api/puja/packages/{pk}/ delete": {},
    "api/auth/users/{pk}/ patch": {"account_status": "SUSPENDED"},
    "api/auth/users/{pk}/ delete": {},
    "api/auth/register/ post": EMPLOYEE,
}


@contextmanager
def written_into_history_by(person):
    """What changes in one of the tables stands in its history, as the last thing that this person did to it."""
    before = [rows_of(history) for history in HISTORIES]
    yield
    changed = [history for history, rows in zip(HISTORIES, before, strict=True) if rows_of(history) != rows]
    assert changed
    for history in changed:
        entry = history.objects.latest("history_id")
        assert entry.history_user == person, history
        latest = {key: row for key, *row in rows_of(history)}.get(entry.id)
        assert (latest is None) is (entry.history_type == "-")
        assert latest is None or latest == [getattr(entry, name) for name in columns_of(history)[1:]]


def columns_of(history):
    return ["id", *(field.attname for field in history.tracked_fields if field.attname != "id")]


def rows_of(history):
    return {*history.instance_type.objects.values_list(*columns_of(history))}


def test_every_route_of_the_desk_is_among_them():
    names = "pujacategory|pujaservice|package|packageprice|promocode|user"
    changing = re.compile(rf"(booking|accounts)\.(add|change|delete)_({names})$")
    found = {
        row
        for row, rule in RULES.items()
        if isinstance(rule, Needs) and any(changing.match(each) for way in rule.alternatives for each in way)
    }
    assert found == {*ROUTES} - {"api/auth/register/ post"} | NO_CHANGE


@pytest.mark.parametrize("is_used", [False, True], ids=["unused", "used"])
@pytest.mark.parametrize("row", ROUTES)
def test_what_a_route_changes_is_in_the_history(api, staff, row, is_used):
    """A row that somebody wants to buy is switched off where another one is deleted."""
    package, promo = builders.make_package(builders.make_service()), builders.make_promo()
    person, category = builders.make_user(), package.puja_service.category
    if is_used:
        builders.make_cart(person, package, promo_code=promo.code)
    else:
        category = PujaCategory.objects.create(name="Empty")
    path, method = row.split()
    rows = {"promos": promo, "categories": category, "services": package.puja_service, "packages": package}
    address = path.format(pk=rows.get(path.split("/")[-3], person).pk)
    body = {**ROUTES[row]}
    if body == PUJA:
        body["category"] = category.pk
    elif body == PACKAGE:
        body["puja_service"] = package.puja_service_id
    client = api(staff)
    if is_used and row == "api/puja/categories/{pk}/ delete":
        assert client.delete(f"/{address}").status_code == 409
        return
    with written_into_history_by(staff):
        answer = getattr(client, method)(f"/{address}", body, format="json")
        assert answer.status_code < 300, answer.json()


def test_what_a_page_of_the_desk_changes_is_in_the_history(client, package, alice):
    owner, day = builders.make_staff("Owner"), timezone.localdate() + timedelta(days=30)
    client.force_login(owner)
    puja, price = f"catalogue/{package.puja_service_id}/", f"catalogue/packages/{package.pk}/price/"
    pages = [
        (puja, {"action": "position", "position": "4"}),
        (puja, {"action": "hide", "sure": "1"}),
        (puja, {"action": "show"}),
        (price, {"price": "1250"}),
        (price, {"price": "1500", "valid_from": f"{day}T00:00"}),
        (price, {"cancel": lambda: PackagePrice.objects.get().pk, "sure": "1"}),
        ("slots/hours/", {"hours_1": "06:00-12:00, 16:00-21:00"}),
        ("slots/hours/", {"hours_1": "06:00-12:00"}),
        ("slots/closed/", {"first": f"{day}", "last": f"{day}"}),
        (lambda: f"slots/closed/{ClosedPeriod.objects.get().pk}/open/", {}),
        (f"staff/{alice.pk}/role/", {"role": "Support", "reason": "December"}),
    ]
    for page, fields in pages:
        address = f"/admin/desk/{page() if callable(page) else page}"
        sent = {name: value() if callable(value) else value for name, value in fields.items()}
        with written_into_history_by(owner):
            assert client.post(address, sent).status_code == 302, address


def test_what_a_form_of_the_admin_changes_is_in_the_history(client, staff, alice, package):
    client.force_login(staff)
    service, promo = package.puja_service, builders.make_promo()
    changes = [
        (service.category, {"name": "Homas"}),
        (service, {"title": "Grihapravesh"}),
        (package, {"price_paise": "1300.00"}),
        (promo, {"usage_limit": "5", "starts_at_0": "2026-01-01", "starts_at_1": "10:00"}),
        (alice, {"account_status": "SUSPENDED"}),
    ]
    for row, values in changes:
        with written_into_history_by(staff):
            change(client, row, **values)
    for row in (package, service, service.category, promo, alice):
        kind = f"/admin/{row._meta.app_label}/{row._meta.model_name}/"
        with written_into_history_by(staff):
            if row is promo:
                chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
                answer = client.post(kind, chosen)
            else:
                answer = client.post(f"{kind}{row.pk}/delete/", {"post": "yes"})
            assert answer.status_code == 302


def test_a_command_that_makes_staff_is_of_the_system(db):
    call_command("createsuperuser", email="owner@example.com", interactive=False, verbosity=0)
    [entry] = User.history.all()

    assert (entry.is_superuser, entry.history_user) == (True, None)


def test_rights_that_were_given_one_by_one_are_in_the_history_of_the_account(client, staff, alice):
    client.force_login(staff)
    right = Permission.objects.get(codename="change_refund", content_type__app_label="payment")
    change(client, alice, user_permissions=[right.pk])
    entry = client.get(HISTORY, {"kind": "accounts"}).context["entries"][0]

    assert (entry.who, entry.reason) == (staff.email, "rights: + payment.change_refund")

    many = Permission.objects.filter(content_type__app_label="payment").exclude(pk=right.pk)
    change(client, alice, user_permissions=[*many.values_list("pk", flat=True)])
    reasons = {entry.reason for entry in client.get(HISTORY, {"kind": "accounts"}).context["entries"]}
    assert "rights: - payment.change_refund" in reasons
    given = ",".join(reason.removeprefix("rights: + ") for reason in reasons if "rights: +" in reason)
    assert {name.strip() for name in given.split(",")} >= {f"payment.{each.codename}" for each in many}


def test_what_was_deleted_keeps_its_name(desk, package):
    promo, planned = builders.make_promo("DIWALI"), plan_price(package, 150_000, builders.in_days(3))
    client = desk("Manager")
    promo.delete()
    planned.delete()
    set_hours(None, {1: [(time(6), time(12))]})
    set_hours(None, {1: []})
    first = {
        kind: client.get(HISTORY, {"kind": kind}).context["entries"][0].name
        for kind in ("promo-codes", "planned-prices", "opening-hours")
    }
    assert first["promo-codes"] == "DIWALI"
    assert package.puja_service.title in first["planned-prices"]
    assert first["opening-hours"] == "Monday, closed (all pujas)"


def test_hours_that_went_with_their_puja_are_not_called_those_of_all(desk, service):
    set_hours(service.pk, {1: []})
    key, client = service.pk, desk("Manager")
    service.delete()
    entries = client.get(HISTORY, {"kind": "opening-hours"}).context["entries"]

    assert {entry.name for entry in entries} == {f"Monday, closed (Puja {key})"}


def test_hours_that_stay_are_no_change_of_them(service):
    morning, evening = (time(6), time(12)), (time(16), time(21))
    set_hours(service.pk, {1: [morning, evening]})
    set_hours(service.pk, {1: [morning], 2: None})
    written = OpeningHours.history.order_by("history_id").values_list("history_type", "opens")

    assert [*written] == [("+", time(6)), ("+", time(16)), ("-", time(16))]
