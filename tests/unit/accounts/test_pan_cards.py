"""The permanent account number: taken, masked, encrypted, and kept through every change of keys."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import PanCard
from accounts.pan_cards import number_of, save
from core.logging import redact
from tests.harness.races import at_once
from tests.unit.accounts.test_uploads import files, folder, get, picture  # noqa: F401

PATH = "/api/auth/pancard/"
NUMBER = "ABCPE1234F"


def stored() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_pancard")
        return repr(cursor.fetchall())


def test_who_has_none_gets_404(alice, api):
    assert api(alice).get(PATH).status_code == 404


def test_it_is_made_and_changed_by_patch_and_answered_masked(alice, charlie, api):
    for typed in (NUMBER, " abcpe 1234f "):
        answer = api(alice).patch(PATH, {"pan_number": typed})
        assert answer.status_code == 200
        assert set(answer.json()) == {"pan_number", "is_verified", "pan_card_image_url", "updated_at"}
        assert answer.json()["pan_number"] == "XXXXX1234X"
    assert api(alice).get(PATH).json() == answer.json()
    assert number_of(PanCard.objects.get()) == NUMBER
    assert api(charlie).get(PATH).status_code == 404


@pytest.mark.parametrize("typed", ["12345", "ABCDE12345", "ABCPE1234FF", "ABCP\u00c91234F", "A" * 20, ""])
def test_a_wrong_one_is_refused_with_a_sentence(alice, api, typed):
    answer = api(alice).patch(PATH, {"pan_number": typed})
    assert answer.status_code == 400
    assert answer.json()["detail"] == answer.json()["pan_number"][0]
    assert not PanCard.objects.exists()


def test_the_masked_number_changes_nothing_and_is_no_number(alice, charlie, api):
    first = api(alice).patch(PATH, {"pan_number": NUMBER}).json()
    PanCard.objects.update(is_verified=True)
    again = api(alice).patch(PATH, {"pan_number": first["pan_number"]})
    assert again.json() == first | {"is_verified": True}
    assert api(alice).patch(PATH, {"pan_number": "XXXXX9999X"}).status_code == 400
    assert api(charlie).patch(PATH, {"pan_number": "XXXXX1234X"}).status_code == 400
    assert number_of(PanCard.objects.get()) == NUMBER


def test_another_number_is_not_verified(alice, api):
    api(alice).patch(PATH, {"pan_number": NUMBER})
    PanCard.objects.update(is_verified=True)
    assert api(alice).patch(PATH, {"pan_number": "ABCPE1234G"}).json()["is_verified"] is False


def test_the_database_holds_it_encrypted_and_each_time_otherwise(alice, charlie):
    cards = [save(alice, NUMBER), save(charlie, NUMBER)]
    assert "1234" not in stored()
    assert cards[0].number != cards[1].number


def test_a_number_that_is_copied_into_another_row_is_not_read_there(alice, charlie, api):
    save(alice, NUMBER)
    save(charlie, "ABCPE9999Z")
    PanCard.objects.filter(user=charlie).update(number=PanCard.objects.get(user=alice).number)
    answer = api(charlie).get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "pan_unreadable")


def test_a_new_secret_key_and_new_data_keys_lose_no_number(alice, settings, capsys):
    save(alice, NUMBER)
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another-" * 8
    settings.SECRET_KEY_FALLBACKS = [old]
    assert number_of(PanCard.objects.get()) == NUMBER
    settings.DATA_KEYS = ["a-key-of-its-own-" * 4]
    call_command("reencrypt_pan_cards")
    assert "1 encrypted" in capsys.readouterr().out
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a-third-one-" * 6, []
    assert number_of(PanCard.objects.get()) == NUMBER
    settings.DATA_KEYS = ["a-newer-key-of-it" * 4, *settings.DATA_KEYS]
    call_command("reencrypt_pan_cards")
    settings.DATA_KEYS = settings.DATA_KEYS[:1]
    assert number_of(PanCard.objects.get()) == NUMBER


def test_a_lost_key_is_told_and_a_new_number_can_be_given(alice, api, settings):
    save(alice, NUMBER)
    settings.SECRET_KEY = "another-" * 8
    answer = api(alice).get(PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "pan_unreadable")
    with pytest.raises(CommandError, match="1 cannot be read"):
        call_command("reencrypt_pan_cards")
    assert save(alice, NUMBER)
    assert api(alice).get(PATH).status_code == 200


def test_no_log_shows_it():
    assert redact(f"pan_number={NUMBER} {NUMBER.lower()}!") == "pan_number=[pan] [pan]!"
    assert redact("order OKP20261122A0001") == "order OKP20261122A0001"


def test_the_desk_sees_the_mask_and_verifies_nothing_unseen(client, staff, alice):
    save(alice, NUMBER)
    client.force_login(staff)
    card = PanCard.objects.get()
    for path in ("/admin/accounts/pancard/", f"/admin/accounts/pancard/{card.pk}/change/"):
        page = client.get(path).content.decode()
        assert "XXXXX1234X" in page
        assert NUMBER not in page
    client.post("/admin/accounts/pancard/", {"action": "mark_verified", "_selected_action": [card.pk]})
    card.refresh_from_db()
    assert not card.is_verified  # nobody can have compared it with a picture there


@pytest.mark.django_db(transaction=True)
def test_of_several_first_numbers_at_once_one_row_stays(charlie):
    results = at_once(*[lambda: save(charlie, NUMBER)] * 4)
    assert {type(each) for each in results} == {PanCard}
    assert PanCard.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_picture_of_the_card_may_come_along(alice, api, folder):  # noqa: F811
    file = SimpleUploadedFile("card.jpg", picture(), "image/jpeg")
    body = {"pan_number": NUMBER, "pan_card_image": file}
    answer = api(alice).patch(PATH, body, format="multipart")
    assert answer.status_code == 200
    assert get(api, answer.json()["pan_card_image_url"]).status_code == 200
    assert api(alice).get("/api/auth/profile/").json()["profile_picture"] is None
    wrong = SimpleUploadedFile("card.jpg", b"<script>", "image/jpeg")
    other = {"pan_number": "ABCPE9999Z", "pan_card_image": wrong}
    answer = api(alice).patch(PATH, other, format="multipart")
    assert answer.json()["detail"] == answer.json()["pan_card_image"][0]
    assert number_of(PanCard.objects.get()) == NUMBER
