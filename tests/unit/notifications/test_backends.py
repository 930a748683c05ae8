"""Without a mail server, mails are files that any mail program opens."""

from email import message_from_bytes, policy

import pytest
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from okpuja.environment import mail as mail_settings


def test_each_mail_is_a_file(tmp_path, settings):
    settings.EMAIL_FOLDER = str(tmp_path / "mail")
    settings.EMAIL_BACKEND = "notifications.backends.MailFolder"
    for number in (1, 2):
        mail.EmailMessage(f"Receipt {number}", "नमस्ते", to=["alice@example.com"]).send()

    files = sorted((tmp_path / "mail").iterdir())
    assert [file.suffix for file in files] == [".eml", ".eml"]
    read = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in files]
    assert [each["Subject"] for each in read] == ["Receipt 1", "Receipt 2"]
    assert read[0].get_content().strip() == "नमस्ते"


def test_a_folder_that_cannot_be_written_is_an_error_to_try_again_after(tmp_path, settings):
    (tmp_path / "mail").write_text("a file")
    settings.EMAIL_FOLDER = str(tmp_path / "mail")
    settings.EMAIL_BACKEND = "notifications.backends.MailFolder"
    with pytest.raises(OSError, match="mail"):
        mail.EmailMessage("Receipt", "Namaste", to=["alice@example.com"]).send()


def test_a_mail_server_is_one_address():
    told = mail_settings("smtp+tls://user%40shop:p%2Fw@mail.example:2525")

    assert (told["EMAIL_HOST"], told["EMAIL_PORT"]) == ("mail.example", 2525)
    assert (told["EMAIL_HOST_USER"], told["EMAIL_HOST_PASSWORD"]) == ("user@shop", "p/w")
    assert told["EMAIL_USE_TLS"]
    assert not told["EMAIL_USE_SSL"]


def test_each_kind_of_mail_server_has_its_port():
    ports = [mail_settings(f"{scheme}://h")["EMAIL_PORT"] for scheme in ("smtp", "smtp+tls", "smtps")]

    assert ports == [25, 587, 465]


@pytest.mark.parametrize("url", ["mail.example", "http://mail.example"])
def test_what_is_no_mail_server_stops_the_start(url):
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        mail_settings(url)
