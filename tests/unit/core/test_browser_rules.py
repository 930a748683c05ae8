"""What browsers are told with every answer: what a page may load, and that nothing private is kept."""

import re

import pytest
from django.test import Client

from tests.harness import ROOT

PAGES = [
    "/admin/login/",
    "/api/docs/",
    "/simulator/",
    pytest.param("/api/payments/payments/debug-connectivity/", marks=pytest.mark.slow),
    "/healthz",
]
PRIVATE = ["/api/auth/me/", "/api/payments/payments/", "/api/booking/bookings/", "/api/cart/carts/"]
TEMPLATES = sorted(
    path
    for path in ROOT.glob("*/templates/**/*.html")
    if not path.relative_to(ROOT).as_posix().startswith("notifications/")  # mails
)


def policy(answer):
    return dict(each.split(" ", 1) for each in answer["Content-Security-Policy"].split("; "))


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*PAGES, *PRIVATE, "/nowhere/", "/api/nowhere/"])
def test_every_answer_says_what_a_browser_may_do(path):
    answer = Client().get(path, headers={"Accept": "text/html"})
    assert policy(answer)["default-src"] == "'none'"
    assert policy(answer)["frame-ancestors"] == policy(answer)["base-uri"] == "'none'"
    assert "unsafe-inline" not in policy(answer)["script-src"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in answer["Permissions-Policy"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [*PAGES, *PRIVATE, "/api/puja/categories/", "/nowhere/"])
def test_no_answer_is_kept(path):
    assert "no-store" in Client().get(path)["Cache-Control"]


@pytest.mark.django_db
def test_answers_of_people_and_staff_are_not_kept(api, alice, staff, client):
    assert "no-store" in api(alice).get("/api/payments/payments/")["Cache-Control"]
    client.force_login(staff)
    assert "no-store" in client.get("/admin/payment/payment/")["Cache-Control"]


def test_forms_lead_to_us_to_the_shop_and_to_phonepe_only(settings):
    assert set(policy(Client().get("/healthz"))["form-action"].split()) == {
        "'self'",
        "https://*.phonepe.com",
        settings.PUBLIC_BASE_URL,
        settings.FRONTEND_BASE_URL,
    }


def test_over_https_browsers_remember_it(settings):
    settings.SECURE_HSTS_SECONDS = 31_536_000
    assert "max-age=31536000" in Client().get("/healthz", secure=True)["Strict-Transport-Security"]


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_page_of_ours_has_a_script_or_a_style_inside(template):
    """The policy would block it."""
    html = template.read_text(encoding="utf-8")
    assert not re.findall(r"<style|<script(?![^>]*src=)|\sstyle=|\son[a-z]+=|javascript:", html)
