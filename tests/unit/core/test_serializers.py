"""No field of a change is dropped: it counts, or it is refused by its name."""

import ast
import importlib

import pytest
from rest_framework import serializers as framework

from core.serializers import LONGEST_NAME, MOST_NAMES, ChoiceField, ModelSerializer, Serializer
from okpuja.build import PACKAGES
from tests.integration.access.rules import LOGIN, OWNER, PUBLIC, RULES
from tests.integration.test_access import filled
from tests.unit.test_structure import DOTTED, MODULES, nodes

__all__ = ["filled"]

for name, path in DOTTED.items():
    if path.stem == "serializers" or "serializers" in path.parts:
        importlib.import_module(name)

CHANGES = {row for row in RULES if row.startswith("api/") and row.split()[1] in ("put", "patch")}


def ours(kind):
    for each in kind.__subclasses__():
        if each.__module__.partition(".")[0] in PACKAGES and each.__module__ != "core.serializers":
            yield each
        yield from ours(each)


def test_every_serializer_is_one_that_refuses_what_it_does_not_read():
    every = set(ours(framework.Serializer))

    assert len(every) > 40
    assert {each for each in every if not issubclass(each, Serializer)} == set()


@pytest.mark.slow
def test_nobody_imports_the_serializers_that_drop_fields():
    importing = {
        str(path)
        for path in MODULES
        for node in nodes(path, ast.ImportFrom)
        if node.module == "rest_framework.serializers"
        or (node.module == "rest_framework" and "serializers" in {alias.name for alias in node.names})
    }

    assert importing == {"core/serializers.py"}


@pytest.mark.parametrize(
    "kind", sorted(set(ours(framework.Serializer)), key=str), ids=lambda kind: kind.__name__
)
def test_an_unknown_field_is_refused_by_every_serializer(kind):
    form = kind(data={"no_such_field": 1}, partial=True)

    assert not form.is_valid()
    assert form.errors["no_such_field"] == ["This field is not known here."]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", sorted(CHANGES))
def test_an_unknown_field_is_refused_by_every_route_that_changes_a_row(api, alice, staff, filled, row):
    path, method = row.split()
    client = api(alice if RULES[row] in (PUBLIC, LOGIN, OWNER) else staff)
    answer = getattr(client, method)(filled(path), {"no_such_field": 1})

    assert answer.status_code == 400
    assert answer.json()["fields"]["no_such_field"] == ["This field is not known here."]


# Their GET shows a picture where PATCH takes a file, and 404 while there is no card.
NOT_RETURNED = {"api/auth/profile/picture/ patch", "api/auth/pancard/ patch"}
# Rows that are read in their list only; a status is no row.
NOT_RETURNED |= {
    *("api/auth/users/{pk}/ patch", "api/booking/admin/bookings/{pk}/status/ patch"),
    "api/booking/admin/bookings/{pk}/assign/ patch",
    *("api/promo/admin/promos/{pk}/ patch", "api/puja/categories/{pk}/ patch"),
}
# A cart is shown with its puja, and chosen by ids: CartChoiceSerializer has other fields.
CHOSEN_BY_IDS = {row for row in CHANGES if row.startswith("api/cart/carts/")}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("row", sorted(CHANGES - NOT_RETURNED - CHOSEN_BY_IDS))
def test_what_a_route_has_shown_may_come_back_whole(api, alice, staff, filled, row):
    path, method = row.split()
    client = api(alice if RULES[row] in (PUBLIC, LOGIN, OWNER) else staff)
    address = filled(path)
    shown = client.get(address).json()
    for sent in (shown, shown):  # the second time some of it is old
        answer = getattr(client, method)(address, sent, format="json")
        assert answer.status_code == 200, answer.json()
    assert client.get(address).json() | {"updated_at": 0} == shown | {"updated_at": 0}


@pytest.mark.django_db
def test_a_profile_that_comes_back_changes_nothing_but_what_may_be_changed(api, alice):
    client = api(alice)
    shown = client.get("/api/auth/profile/").json()

    renamed = client.patch("/api/auth/profile/", shown | {"first_name": "Asha"}, format="json")
    assert (renamed.status_code, renamed.json()["first_name"]) == (200, "Asha")
    refused = client.patch("/api/auth/profile/", shown | {"email": "other@example.com"}, format="json")
    assert (refused.status_code, refused.json()["fields"]) == (
        400,
        {"email": ["This field cannot be changed."]},
    )


class Lamp(Serializer):
    pk = framework.IntegerField(read_only=True)
    oil = framework.CharField(max_length=10)


class Row:
    pk, oil = 7, "ghee"


@pytest.mark.parametrize(
    ("sent", "errors"),
    [
        ({"pk": 7, "oil": "sesame"}, {}),
        ({"pk": 8}, {"pk": ["This field cannot be changed."]}),
        ({"oil": "a" * 11, "wick": 1}, {"oil", "wick"}),
    ],
)
def test_the_whole_object_may_come_back_with_one_field_changed(sent, errors):
    form = Lamp(Row(), data=sent, partial=True)
    form.is_valid()

    assert (form.errors if isinstance(errors, dict) else set(form.errors)) == errors


def test_a_new_row_takes_more_fields_than_are_read():
    form = Lamp(data={"pk": 7, "oil": "ghee", "wick": 1})

    assert form.is_valid()
    assert form.validated_data == {"oil": "ghee"}


def test_a_refusal_is_bounded_and_can_be_sent():
    names = {f"{n}" + "\ud800" * 300: n for n in range(100)}
    form = Lamp(Row(), data={"oil": "ghee"} | names)
    form.is_valid()

    assert len(form.errors) == MOST_NAMES
    assert max(map(len, form.errors)) == LONGEST_NAME
    assert "".join(form.errors).encode()


def test_a_serializer_of_rows_is_one_of_these():
    assert issubclass(ModelSerializer, Serializer)
    assert issubclass(ModelSerializer, framework.ModelSerializer)


# What today's pages send, whole.
PROFILE = {"first_name": "Asha", "last_name": "Devi", "dob": None}
ADDRESS = {
    "address_line1": "12 Temple Road",
    "address_line2": "",
    "city": "Patna",
    "state": "Bihar",
    "postal_code": "800001",
    "country": "India",
    "is_default": True,
}
REGISTRATION = {
    "email": "new@example.com",
    "phone": "98765 43210",
    "password": "A-long-lotus-pond-47",
    "password2": "A-long-lotus-pond-47",
    "role": "USER",
}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("post", "auth/register/", REGISTRATION),
        ("post", "auth/register/", REGISTRATION | {"employee_registration_code": ""}),
        ("post", "auth/otp/request/", {"email": "new@example.com", "via": "email"}),
        ("post", "auth/password/reset/", {"email": "new@example.com"}),
        ("patch", "auth/profile/", PROFILE),
        ("post", "auth/addresses/", ADDRESS),
    ],
)
def test_what_the_pages_send_is_read(api, alice, method, path, body):
    answer = getattr(api(alice), method)(f"/api/{path}", body)

    assert answer.status_code < 300, answer.json()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "wish", [{"role": "EMPLOYEE"}, {"role": "ADMIN"}, {"employee_registration_code": "MASTER"}]
)
def test_who_wants_to_register_as_staff_is_told_that_they_cannot(api, wish):
    answer = api().post("/api/auth/register/", REGISTRATION | wish)

    assert answer.status_code == 400
    assert answer.json()["detail"] == "Accounts of staff are made by staff. You can register as a customer."


def test_a_choice_quotes_what_it_refuses_so_that_any_database_can_store_it():
    field = ChoiceField(["page"])

    with pytest.raises(framework.ValidationError) as refused:
        field.run_validation("\x00" + "x" * 500)
    assert refused.value.detail[0] == '"\\u0000' + "x" * 58 + '" is not a valid choice.'
