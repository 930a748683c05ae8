"""Who changed what: catalogue, prices, promo codes and accounts, with before and after, and nothing about persons."""

import pytest
from django.apps import apps
from django.test import Client

from accounts.models import User
from backoffice.history import PAGE
from payment.services.personal_data import erase_person
from tests.harness import builders

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
    [entry] = owner_client.get(HISTORY, {"kind": "accounts"}).context["entries"]

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
