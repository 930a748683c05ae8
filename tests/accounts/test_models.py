import pytest
from django.db import IntegrityError, transaction

from accounts.models import User, plain_phone
from tests import people


@pytest.mark.parametrize("spelling", ["9876543210", "+91 98765 43210", "098765-43210", "0091 9876543210"])
def test_an_indian_number_has_one_spelling(spelling):
    assert plain_phone(spelling) == "9876543210"


def test_a_foreign_number_keeps_its_country_code():
    assert plain_phone("+44 7911 123456") == "+447911123456"


def test_no_number_is_none():
    assert plain_phone(" - ") is None


def test_a_person_is_found_in_any_spelling_of_the_email(db):
    user = people.make_user("Devotee@Example.com")
    assert User.objects.get(email="DEVOTEE@example.COM") == user
    assert user.email == "devotee@example.com"


def test_the_database_refuses_a_second_default_address(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        people.make_address(alice)


@pytest.mark.parametrize("status", ["PENDING", "SUSPENDED", "DEACTIVATED"])
def test_only_an_active_account_may_do_anything(db, status):
    assert not people.make_user(account_status=status).is_active


def test_a_person_without_a_name_is_greeted_by_the_email(db):
    assert people.make_user("asha@example.com").username == "asha"
