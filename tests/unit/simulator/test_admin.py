import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.urls import reverse


@pytest.fixture
def staff(client, db):
    client.force_login(
        get_user_model().objects.create_superuser(email="staff@example.com", password="Secret-123")
    )
    return client


@pytest.mark.parametrize("model", ["merchant", "order", "attempt", "refund", "delivery", "fault", "clock"])
def test_the_rows_of_phonepe_can_be_read(staff, v2, model):
    v2.pay()
    v2.decide("V2-order-1", "success")
    v2.refund()
    v2.arm("pay", "refuse")
    v2.control("clock/", {"advance": 1})
    row = apps.get_model("simulator", model).objects.first()
    assert staff.get(reverse(f"admin:simulator_{model}_changelist")).status_code == 200
    assert staff.get(reverse(f"admin:simulator_{model}_change", args=[row.pk])).status_code == 200


def test_what_customers_did_cannot_be_edited(staff, v2):
    v2.pay()
    assert staff.get(reverse("admin:simulator_order_add")).status_code == 403


def test_tokens_are_not_shown(staff):
    assert b"/admin/simulator/token/" not in staff.get(reverse("admin:index")).content
