import pytest

from accounts.checks import check_code_sender


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
