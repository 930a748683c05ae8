import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from booking.models import Package, PromoCode, PujaCategory, PujaService, Slot
from booking.services import demo_package

pytestmark = pytest.mark.django_db


def seed(**options) -> str:
    out = io.StringIO()
    call_command("seed_demo", stdout=out, **options)
    return out.getvalue()


def passwords_of(email, *candidates):
    return [word for word in candidates if User.objects.get(email=email).check_password(word)]


def test_there_is_something_to_book():
    seed()
    assert PujaService.objects.count() >= 6
    assert PujaCategory.objects.count() >= 3
    assert not PujaService.objects.filter(packages=None).exists()
    assert Slot.objects.exists()
    assert demo_package().puja_service.slots.count() == 0
    assert all(
        url.startswith("https://ik.imagekit.io/")
        for url in PujaService.objects.values_list("image_url", flat=True)
    )
    assert PromoCode.objects.get().code == "WELCOME10"


def test_everything_seeded_could_have_been_typed_in():
    seed()
    for row in [
        *PujaService.objects.all(),
        *Package.objects.all(),
        *Slot.objects.all(),
        *PromoCode.objects.all(),
    ]:
        row.full_clean()


def test_seeding_again_adds_only_new_days():
    seed()
    counts = [model.objects.count() for model in (PujaService, Package, Slot, User)]
    first_day = Slot.objects.earliest("starts_at").starts_at
    Slot.objects.filter(starts_at__lt=first_day + timedelta(hours=20)).delete()
    seed()
    assert [model.objects.count() for model in (PujaService, Package, Slot, User)] == counts


def test_new_people_get_a_random_password_told_once():
    told = seed()
    (line,) = [line for line in told.splitlines() if line.startswith("devotee@example.com")]
    assert passwords_of("devotee@example.com", line.rsplit(" ", 1)[1])
    assert "password" not in seed()


def test_a_given_password_is_set_and_not_shown(settings):
    assert "river-stone-88" not in seed(password="river-stone-88")
    assert passwords_of("staff@example.com", "river-stone-88")
    settings.DEMO_PASSWORD = "morning-raga-12"
    seed()
    assert passwords_of("staff@example.com", "river-stone-88", "morning-raga-12") == ["morning-raga-12"]


def test_the_two_people_can_do_what_they_are_for(api):
    seed()
    devotee, staff = (
        User.objects.get(email="devotee@example.com"),
        User.objects.get(email="staff@example.com"),
    )
    assert devotee.addresses.get().is_default
    assert (staff.is_staff, staff.is_superuser, staff.role) == (True, True, "ADMIN")
    assert not devotee.is_staff


def test_nothing_is_seeded_beside_real_money(settings):
    settings.PHONEPE_ENV = "PRODUCTION"
    with pytest.raises(CommandError, match="real money"):
        seed()
    assert not User.objects.exists()
