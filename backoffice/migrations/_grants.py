"""For the migrations of this package: rights for roles, as data. It must go on doing what it does today."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import migrations


def grant(roles: Mapping[str, Iterable[str]]) -> migrations.RunPython:
    """`{"Owner": ["booking.add_slot", "accounts.user.assign_role"]}`: of `Meta.permissions` with the name of their model.

    Makes the groups and the permissions that are not there yet. Django itself makes permissions only after all migrations have run, and keeps those that it finds.
    """

    def add(apps: Any, schema_editor: Any) -> None:
        for role, rights in roles.items():
            group, _ = apps.get_model("auth", "Group").objects.get_or_create(name=role)
            group.permissions.add(*(_permission(apps, right) for right in rights))

    return migrations.RunPython(add, migrations.RunPython.noop)


def _permission(apps: Any, right: str) -> Any:
    app, *named, codename = right.split(".")
    verb, _, what = codename.partition("_")
    model = named[0] if named else what
    content_type, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app, model=model
    )
    permissions = apps.get_model("auth", "Permission").objects
    meta = apps.get_model(app, model)._meta
    name = dict(meta.permissions).get(codename, f"Can {verb} {meta.verbose_name_raw}")
    return permissions.get_or_create(content_type=content_type, codename=codename, defaults={"name": name})[0]
