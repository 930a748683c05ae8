import pytest
from rest_framework.exceptions import ValidationError

from accounts.models import Address, Registration, User
from accounts.services import (
    add_address,
    address_for_delivery,
    change_address,
    create_account,
    open_account,
    register,
    remove_address,
)
from tests.harness import builders
from tests.harness.races import at_once

HOME = {"address_line1": "3 Ghat Road", "city": "Varanasi", "state": "UP", "postal_code": "221001"}


def test_the_chosen_address_wins_over_the_default(alice):
    chosen = builders.make_address(alice, is_default=False)
    assert address_for_delivery(alice, chosen.pk) == chosen
    assert address_for_delivery(alice, None) == alice.addresses.get(is_default=True)


def test_without_a_default_the_latest_address_is_taken(charlie):
    builders.make_address(charlie, is_default=False)
    latest = builders.make_address(charlie, is_default=False)
    assert address_for_delivery(charlie, None) == latest


def test_a_person_without_addresses_has_none(charlie):
    assert address_for_delivery(charlie, None) is None


def test_anothers_address_cannot_be_chosen(alice, charlie):
    with pytest.raises(ValidationError) as refused:
        address_for_delivery(charlie, alice.addresses.get().pk)
    assert "address_id" in refused.value.detail


@pytest.mark.django_db(transaction=True)
def test_two_first_addresses_at_once_leave_one_default(charlie):
    results = at_once(*[lambda: add_address(charlie, **HOME)] * 4)
    assert all(isinstance(result, Address) for result in results)
    assert charlie.addresses.filter(is_default=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_defaults_chosen_at_once_leave_one(alice):
    others = [builders.make_address(alice, is_default=False) for _ in range(4)]
    at_once(*[lambda address=address: change_address(address, is_default=True) for address in others])
    assert alice.addresses.filter(is_default=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_deleting_several_at_once_leaves_a_default(alice):
    addresses = [alice.addresses.get(), *[builders.make_address(alice, is_default=False) for _ in range(3)]]
    at_once(*[lambda address=address: remove_address(address) for address in addresses[:3]])
    assert alice.addresses.get().is_default


@pytest.mark.django_db(transaction=True)
def test_of_two_registrations_at_once_one_is_told_that_the_email_is_taken():
    wish = {"email": "asha@example.com", "password": builders.PASSWORD}
    results = at_once(*[lambda: create_account(**wish)] * 2)
    assert sorted(type(result).__name__ for result in results) == ["User", "ValidationError"]
    assert User.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_registrations_at_once_each_waits_for_its_own_code():
    results = at_once(*[lambda: register(email="asha@example.com", password=builders.PASSWORD)] * 3)
    assert {type(result) for result in results} == {Registration}
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("registrations", [1, 2])
def test_of_several_verifications_at_once_one_opens_the_account(registrations):
    """By the same code, or each by its own."""
    rows = [register(email="asha@example.com", password=f"lotus-{number}") for number in range(registrations)]
    results = at_once(*[lambda row=rows[number % registrations]: open_account(row) for number in range(4)])
    (user,) = [each for each in results if each is not None]
    assert User.objects.get() == user
    assert not Registration.objects.exists()
