import pytest

from okpuja.build import fingerprint


@pytest.fixture
def deployed(tmp_path):
    (tmp_path / "payment").mkdir()
    (tmp_path / "payment" / "money.py").write_text("paise = 100\n")
    return tmp_path


def test_one_changed_line_is_another_build(deployed):
    before = fingerprint(deployed)
    (deployed / "payment" / "money.py").write_text("paise = 101\n")
    assert fingerprint(deployed) != before


def test_another_text_of_a_letter_is_another_build(deployed):
    before = fingerprint(deployed)
    (deployed / "payment" / "booked.txt").write_text("Subject: Booked\n")
    assert fingerprint(deployed) != before


def test_another_translation_is_another_build(deployed):
    before = fingerprint(deployed)
    (deployed / "locale").mkdir()
    (deployed / "locale" / "django.mo").write_bytes(b"\xde\x12\x04\x95")
    assert fingerprint(deployed) != before


def test_another_font_is_another_build(deployed):
    """Stored receipts are drawn anew."""
    before = fingerprint(deployed)
    (deployed / "notifications" / "fonts").mkdir(parents=True)
    (deployed / "notifications" / "fonts" / "Bold.ttf").write_bytes(b"glyphs")
    assert fingerprint(deployed) != before


def test_a_renamed_file_is_another_build(deployed):
    before = fingerprint(deployed)
    (deployed / "payment" / "money.py").rename(deployed / "payment" / "cash.py")
    assert fingerprint(deployed) != before


def test_the_same_code_elsewhere_is_the_same_build(deployed, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "payment"
    other.mkdir()
    (other / "money.py").write_text("paise = 100\n")
    assert fingerprint(other.parent) == fingerprint(deployed)


def test_what_running_leaves_behind_is_not_code(deployed):
    before = fingerprint(deployed)
    (deployed / "payment" / "__pycache__").mkdir()
    (deployed / "payment" / "__pycache__" / "money.cpython-311.pyc").write_bytes(b"compiled")
    assert fingerprint(deployed) == before
