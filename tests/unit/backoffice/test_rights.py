"""The roles: the table in the code, what the migrations have made, and what people read."""

import pytest
from django.contrib.auth.models import Group, Permission

from backoffice import rights

pytestmark = pytest.mark.django_db


def test_the_migrations_have_made_the_roles_of_the_table():
    made = {
        group.name: {f"{each.content_type.app_label}.{each.codename}" for each in group.permissions.all()}
        for group in Group.objects.prefetch_related("permissions__content_type")
    }
    assert made == {role: set(held) for role, held in rights.ROLES.items()}


def test_every_right_is_a_permission_with_words():
    permissions = Permission.objects.select_related("content_type")
    known = {f"{each.content_type.app_label}.{each.codename}" for each in permissions}
    constants = {value for name, value in vars(rights).items() if name.isupper() and "." in value}

    assert constants == set(rights.WORDS)
    assert constants - known == set()


def test_a_permission_of_the_migration_has_the_name_that_django_gives(db):
    names = Permission.objects.filter(content_type__app_label="booking").values_list("codename", "name")
    assert dict(names)["change_pujaservice"] == "Can change puja service"
