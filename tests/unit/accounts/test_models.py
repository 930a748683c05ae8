import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import User, normalize_postal_code
from tests.harness import builders


@pytest.mark.parametrize(
    "spelling",
    [
        *(
            "110001",
            "110 001",
            "110\u00a0001",
            "110-001",
            " 110001. ",
            "1 1 0 0 0 1",
            "११०००१",
            "११० ००१",
            "১১০০০১",
        ),
        *("PIN 110001", "Pin code: 110 001", "１１０００１"),
    ],
)
@pytest.mark.parametrize("country", ["India", "india ", "IN", "भारत"])
def test_a_pin_code_has_one_spelling(spelling, country):
    assert normalize_postal_code(spelling, country) == "110001"


@pytest.mark.parametrize("code", ["", "12345", "1100011", "11000a", "110001 or 110002", "²²²²²²"])
def test_what_is_no_pin_code_is_refused_in_india(code):
    with pytest.raises(ValidationError, match="PIN code"):
        normalize_postal_code(code, "India")


@pytest.mark.parametrize(
    ("code", "country", "kept"), [(" SW1A 1AA ", "United Kingdom", "SW1A 1AA"), ("४४६००", "Nepal", "44600")]
)
def test_a_foreign_postal_code_keeps_its_letters_and_spaces(code, country, kept):
    assert normalize_postal_code(code, country) == kept


def test_a_person_is_found_in_any_spelling_of_the_email(db):
    user = builders.make_user("Devotee@Example.com")
    assert User.objects.get(email="DEVOTEE@example.COM") == user
    assert user.email == "devotee@example.com"


def test_the_database_refuses_a_second_default_address(alice):
    with pytest.raises(IntegrityError), transaction.atomic():
        builders.make_address(alice)


@pytest.mark.parametrize("status", ["PENDING", "SUSPENDED", "DEACTIVATED"])
def test_only_an_active_account_may_do_anything(db, status):
    assert not builders.make_user(account_status=status).is_active


def test_a_person_without_a_name_is_greeted_by_the_email(db):
    assert builders.make_user("asha@example.com").username == "asha"
