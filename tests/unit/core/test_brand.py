"""One brand, by settings, on pages and in mails."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from notifications.messages import write
from notifications.models import Notification
from okpuja.environment import colour, picture
from tests.unit.notifications.samples import FACTS


@pytest.fixture
def kashi(settings, tmp_path):
    logo = tmp_path / "logo.svg"
    logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    settings.BRAND_NAME, settings.BRAND_COLOUR, settings.BRAND_LOGO = "Kashi Seva", "#123456", str(logo)
    settings.BRAND_EMAIL, settings.BRAND_PHONE = "help@kashi.example", "+91 98765 43210"
    settings.BRAND_ADDRESS, settings.BRAND_LEGAL = ["1 Ghat", "Varanasi"], ["GSTIN 09AAAAA0000A1Z5"]


@pytest.mark.django_db
def test_pages_show_the_brand(kashi, settings):
    settings.STOREFRONT = True
    text = Client().get("/login/").content.decode()

    for shown in (
        "Kashi Seva",
        "tel:+919876543210",
        "help@kashi.example",
        "Varanasi",
        "GSTIN 09AAAAA0000A1Z5",
    ):
        assert shown in text
    assert "OkPuja" not in text
    assert Client().get("/brand/colours.css").content == b":root{--brand:#123456}\n"
    logo = Client().get("/brand/logo")
    assert logo["Content-Type"] == "image/svg+xml"
    assert "sandbox" in logo["Content-Security-Policy"]
    assert "max-age" in logo["Cache-Control"]


def test_without_a_logo_there_is_none():
    assert Client().get("/brand/logo").status_code == 404


@pytest.mark.parametrize("kind", ["confirm", "booked", "registered"])
def test_mails_show_the_brand(kashi, kind):
    message = write(Notification(kind=kind, facts=FACTS[kind], language="en"))

    assert "Kashi Seva" in message.text
    assert "help@kashi.example" in message.text
    assert "#123456" in message.html
    assert "OkPuja" not in message.subject + message.text + message.html


@pytest.mark.parametrize("value", ["red", "#fff", "#ffd700", "#e8890c", "#12345g"])
def test_a_colour_on_which_nobody_can_read_is_refused(monkeypatch, value):
    monkeypatch.setenv("BRAND_COLOUR", value)
    with pytest.raises(ImproperlyConfigured, match="BRAND_COLOUR"):
        colour("BRAND_COLOUR", "#a8380b")


def test_the_own_colour_can_be_read(monkeypatch):
    monkeypatch.setenv("BRAND_COLOUR", "")
    assert colour("BRAND_COLOUR", "#a8380b") == "#a8380b"


@pytest.mark.parametrize(("name", "size"), [("logo.gif", 10), ("logo.png", 20_481), ("missing", None)])
def test_a_logo_that_slow_networks_cannot_load_is_refused(monkeypatch, tmp_path, name, size):
    file = tmp_path / name
    if size is not None:
        file.write_bytes(b"x" * size)
    monkeypatch.setenv("BRAND_LOGO", str(file))
    with pytest.raises(ImproperlyConfigured, match="BRAND_LOGO"):
        picture("BRAND_LOGO")
