"""The frame of the desk: who sees what in it, and where its address leads."""

import re

import pytest
from django.test import Client

from tests.harness.builders import PASSWORD

pytestmark = pytest.mark.django_db


def test_the_address_of_the_admin_is_today(desk):
    page = desk("Support").get("/admin/")

    assert page.status_code == 200
    assert page.context["title"] == "Today"


def test_who_may_see_no_bookings_starts_with_a_page_of_theirs(desk):
    page = desk("Priest").get("/admin/", follow=True)

    assert page.status_code == 200
    assert page.context["title"] != "Today"
    assert '/admin/desk/"' not in page.content.decode()


def test_a_page_without_the_right_is_a_page_that_says_so(desk):
    refused = desk("Priest").get("/admin/desk/")

    assert refused.status_code == 403
    assert "Your role does not include this page." in refused.content.decode()


def test_the_desk_asks_for_a_login_and_comes_back():
    assert Client().get("/admin/desk/").url == "/admin/login/?next=/admin/desk/"


@pytest.mark.parametrize(
    ("simulation", "environment", "badge"),
    [(True, "PRODUCTION", "Simulation"), (False, "UAT", "Test (UAT)"), (False, "PRODUCTION", "Production")],
)
def test_every_page_says_whether_the_money_is_real(desk, settings, simulation, environment, badge):
    settings.PHONEPE_SIMULATION_MODE, settings.PHONEPE_ENV = simulation, environment
    assert badge in desk("Support").get("/admin/desk/tables/").content.decode()


def test_a_login_at_the_address_of_the_login_leads_to_the_desk(staff):
    form = {"username": staff.email, "password": PASSWORD}
    assert Client().post("/admin/login/", form).url == "/admin/"


def test_the_first_link_leads_past_the_menu(desk):
    page = desk("Support").get("/admin/desk/slots/").content.decode()
    _, body = page.split("<body", 1)
    assert re.search(r'<a [^>]*href="([^"]*)"', body)[1] == "#desk"
    assert body.count('id="desk" tabindex="-1"') == 1
