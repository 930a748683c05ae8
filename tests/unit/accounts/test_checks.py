import pytest

from accounts.checks import check_code_sender, check_data_keys, check_uploads


class OnlySms:
    channels = ("sms",)

    def __call__(self, message, timeout):
        pass


NOT_CALLABLE = "a text"


def test_the_sender_of_a_new_installation_is_right():
    assert check_code_sender(None) == []


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("nothing.there.Sender", "accounts.E001"),
        ("okpuja.settings.no_such_name", "accounts.E001"),
        ("no-dots", "accounts.E001"),
        (f"{__name__}.NOT_CALLABLE", "accounts.E002"),
        (f"{__name__}.OnlySms", "accounts.E002"),
    ],
)
def test_a_sender_that_cannot_be_used_is_told_at_the_start(settings, path, number):
    settings.CODE_SENDER = path
    assert [each.id for each in check_code_sender(None)] == [number]


def test_pictures_lie_under_an_absolute_path_that_can_be_written(settings, tmp_path):
    (tmp_path / "a file").touch()
    told = {}
    for folder in (
        "uploads",
        tmp_path,
        tmp_path / "new" / "uploads",
        tmp_path / "a file",
        tmp_path / "a file" / "uploads",
    ):
        settings.UPLOADS_DIR = str(folder)
        told[folder] = [each.id for each in check_uploads(None)]
    assert list(told.values()) == [["accounts.E003"], [], [], ["accounts.E004"], ["accounts.E004"]]


@pytest.mark.parametrize(
    ("keys", "numbers"),
    [
        ([], []),
        (["k3Yq0vZ8bR5tW1xN7mL4pS9dF2gH6jC0"], []),
        (["k3Yq0vZ8bR5tW1xN7mL4pS9dF2gH6jC0", "secret"], ["accounts.E005"]),
        (["ab" * 20], ["accounts.E005"]),
    ],
)
def test_a_key_that_can_be_guessed_encrypts_no_pan(settings, keys, numbers):
    settings.DATA_KEYS = keys
    assert [each.id for each in check_data_keys(None)] == numbers
