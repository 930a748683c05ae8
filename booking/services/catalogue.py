"""What leaves the catalogue: a row that anything was bought by is hidden, and never lost."""

from django.db import transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from booking.models import Package, PujaCategory, PujaService
from core.errors import Conflict


class CategoryInUse(Conflict):
    default_code = "category_in_use"
    default_detail = _("There are pujas in this category. Move them to another one first.")


def remove_category(category: PujaCategory) -> None:
    """Raises CategoryInUse."""
    try:
        category.delete()
    except ProtectedError as error:
        raise CategoryInUse from error


def remove_package(package: Package) -> bool:
    """Deletes a package that stands in no cart, checkout or waiting list, else hides it. Says whether it is deleted."""
    try:
        with transaction.atomic():
            package.delete()
    except ProtectedError:
        _hide(package)
        return False
    return True


def remove_service(service: PujaService) -> bool:
    """Deletes a puja with its packages and times if nobody has ever wanted one, else hides it, as `remove_package`."""
    try:
        with transaction.atomic():
            service.packages.all().delete()
            service.slots.all().delete()
            service.delete()
    except ProtectedError:
        _hide(service)
        return False
    return True


def _hide(row: Package | PujaService) -> None:
    row.is_active = False
    row.save(update_fields=["is_active", "updated_at"])
