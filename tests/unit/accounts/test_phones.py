import phonenumbers
import pytest
from django.db import connection, models
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts.models import User
from accounts.phones import (
    PhoneField,
    digits_to_search,
    format_phone,
    indian_mobile,
    normalize_phone,
    read_phone,
)
from tests.harness import builders

ASHA = "+919876543210"
SPELLINGS = [
    *("9876543210", "98765 43210", "98765-43210", "98765.43210", "98765\u00a043210", "(98765) 43210"),
    *("09876543210", "098765 43210", "098765-43210", "919876543210", "91 98765 43210", "91-9876543210"),
    *("+91 98765 43210", "+91-98765-43210", "+91(98765)43210", "(+91) 98765 43210", "+ 91 98765 43210"),
    *("+91 (0) 98765 43210", "+91 098765 43210", "0091 98765 43210", "00919876543210", "+91+9876543210"),
    *(
        "९८७६५ ४३२१०",
        "+९१ ९८७६५४३२१०",
        "৯৮৭৬৫৪৩২১০",
        "９８７６５４３２１０",
        "98765,43210",
        "98765_43210",
        "98765/43210",
    ),
    *(
        "\u202a+91 98765 43210\u202c",
        "98765\u200e43210",
        " 98765\n43210 ",
        "98765 43210.",
        "tel:+91-98765-43210",
    ),
    *("Mob: 98765 43210", "98765 43210 (home)", "Asha 98765 43210", 9876543210, 919876543210, 9876543210.0),
    *("0919876543210", "0 91 98765 43210", "091-98765-43210", "+091 98765 43210", "91 9876543210"),
    *(
        "+91+919876543210",
        "+91 091 98765 43210",
        "+91 0091 98765 43210",
        "+91-0-98765 43210",
        "+0 98765 43210",
    ),
    *("(+91) (0) 98765 43210", "+91 (mobile) 98765 43210", "+91 91 98765 43210", "0091 098765 43210"),
    *("9876543210.0", "919876543210.0", "+919876543210.0", "9876543210.00", "'9876543210", '="9876543210"'),
    *("9876543210, 9876543210", "98765 43210 98765 43210", "+91 98765 43210 / 098765-43210"),
    *("98765 43210 or 9876543210", "9876543210;+919876543210", "Asha 98765 43210, WhatsApp 98765 43210"),
    *(
        "mobile no. 1: 98765 43210",
        "Mobile1: 98765 43210",
        "Phone (2): +91 98765 43210",
        "मोबाइल नं. १: ९८७६५ ४३२१०",
    ),
    *(
        "tel:+919876543210",
        "wa.me/919876543210",
        "https://wa.me/919876543210?text=hi",
        "98765 43210 (WhatsApp)",
    ),
    *(
        "＋９１ ９８７６５ ４３２１０",
        "98765\u00ad43210",
        "\u200f+91 98765 43210\u200f",
        "\u2067९८७६५\u00ad४३२१०\u2069",
    ),
]
FOREIGN = {
    "+44 7911 123456": "+447911123456",
    "0044 7911 123456": "+447911123456",
    "+1 (202) 555-0143": "+12025550143",
    "+977 984-1234567": "+9779841234567",
    "+971 50 123 4567": "+971501234567",
    "+44 (0) 7911 123456": "+447911123456",
    "+44 7911 123456, +44 7911 123456": "+447911123456",
    "UK +44 7911 123456 or 0044 7911 123456": "+447911123456",
    "+1 98765 43210": "+19876543210",
}
NO_NUMBERS = [
    *("12345", "+91", "98765 4321O", "98765abcde", "98765 43210 / 91234 56780", "98765 43210 or 98765 43211"),
    *(
        "9876543210/9876543211",
        "98765 43210 98765 43211",
        "98765 43210/11",
        "Ph: 98765 43210/11",
        "98765 43210 5",
    ),
    *("98765 43210, +44 7911 123456", "98765 43210, +1 98765 43210", "98765 43210 or 98765 43211/12"),
    *("+44 mobile 7911123456", "+999 98765 43210", "987654321.0", "919876543210 919876543211"),
    *(
        "+91 98765 43210 0612-2234567",
        "mobile no. 1: 98765 43210 no. 2: 98765 43211",
        "9.87654E+09",
        "1 98765 43210",
    ),
    *(
        "9" * 5000,
        "x" * 5000,
        "\x00",
        "\ud800",
        True,
        [],
        {},
        10**300,
        -9876543210,
        1.5,
        float("nan"),
        float("inf"),
    ),
]


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
def test_a_number_is_the_same_in_every_spelling(spelling):
    assert read_phone(spelling) == ASHA


@pytest.mark.parametrize(("spelling", "number"), FOREIGN.items())
def test_a_foreign_number_keeps_its_country_code(spelling, number):
    assert read_phone(spelling) == number
    assert indian_mobile(number) is None


@pytest.mark.parametrize("value", [*NO_NUMBERS, None, "", " - "], ids=lambda value: repr(value)[:30])
def test_what_is_not_one_number_is_read_as_none(value):
    assert read_phone(value) is None
    assert "\x00" not in normalize_phone(value)
    assert len(normalize_phone(value)) <= 32


def test_a_landline_is_kept_and_not_sent_to_phonepe_as_a_mobile_number():
    assert read_phone("0612-2234567") == "+916122234567"
    assert indian_mobile("+916122234567") is None
    assert indian_mobile(ASHA) == "9876543210"


@given(digits=st.from_regex(r"[6-9][0-9]{9}", fullmatch=True))
def test_a_series_that_the_library_does_not_know_yet_is_read(digits):
    assert read_phone(digits) == f"+91{digits}"


GAPS = st.sampled_from(
    ["", " ", "-", ".", " - ", "\u00a0", "\u2011", "\u00ad", "\u200f", "/", ",", "_", ")("]
)
PREFIXES = [
    *(
        [],
        ["0"],
        ["91"],
        ["091"],
        ["0091"],
        ["+91"],
        ["+91", "0"],
        ["+91", "91"],
        ["+91", "091"],
        ["+91", "+91"],
    ),
    *(["(+91)", "(0)"], ["0", "91"], ["tel:+91"], ["wa.me/91"], ["Mobile no. 2:"], ["फ़ोन +91"]),
]
SCRIPTS = ["0123456789", "०१२३४५६७८९", "০১২৩৪৫৬৭৮৯", "０１２３４５６７８９"]


@given(st.data(), st.from_regex(r"[6-9][0-9]{9}", fullmatch=True), st.sampled_from(PREFIXES))
def test_any_mobile_number_is_read_with_any_prefix_and_separators(data, digits, prefix):
    groups = [*prefix, *digits]
    spelled = "".join(group + data.draw(GAPS) for group in groups[:-1]) + groups[-1]
    text = spelled.translate(str.maketrans(SCRIPTS[0], data.draw(st.sampled_from(SCRIPTS))))
    assert read_phone(text) == f"+91{digits}"
    assert read_phone(f"{digits} or {text}") == f"+91{digits}"


@given(numbers=st.lists(st.from_regex(r"[6-9][0-9]{9}", fullmatch=True), min_size=2, max_size=2, unique=True))
@pytest.mark.parametrize("between", [" ", ", ", "/", " or ", " / +91 ", ",0", ";", "  (home) ", "&"])
def test_two_different_numbers_are_not_one(numbers, between):
    assert read_phone(between.join(numbers)) is None


@given(text=st.text(max_size=60) | st.sampled_from(SPELLINGS).map(str))
def test_what_is_kept_is_stable(text):
    kept = normalize_phone(text)
    assert normalize_phone(kept) == kept


@given(region=st.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), kind=st.sampled_from([0, 1, 3]))
def test_a_form_that_gives_back_what_it_was_shown_changes_nothing(region, kind):
    number = phonenumbers.example_number_for_type(region, kind)
    assume(number is not None)
    kept = read_phone(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    assume(kept is not None)
    assert read_phone(format_phone(kept)) == kept


@pytest.mark.parametrize(("kept", "shown"), [(ASHA, "9876543210"), ("+447911123456", "+447911123456")])
def test_an_indian_number_is_shown_in_the_ten_digits_that_the_forms_expect(kept, shown):
    assert format_phone(kept) == shown
    assert format_phone("ask at the temple") == "ask at the temple"
    assert format_phone(None) is None


@pytest.mark.parametrize("spelling", SPELLINGS, ids=repr)
def test_a_person_is_found_by_any_spelling(db, spelling):
    person = builders.make_user(phone=spelling)
    assert person.phone == ASHA
    assert User.objects.get(phone=spelling) == person
    assert User.objects.get(phone__in=[spelling]) == person


def test_a_family_shares_one_telephone(db):
    for _ in range(3):
        builders.make_user(phone="98765 43210")
    assert User.objects.filter(phone=ASHA).count() == 3


def test_no_number_is_null_and_never_an_empty_string(db):
    assert [builders.make_user(phone=nothing).phone for nothing in (None, "", " ")] == [None, None, None]


def test_what_cannot_be_read_is_kept_as_it_was_written(db):
    assert builders.make_user(phone="ask at the temple").phone == "ask at the temple"


@pytest.mark.parametrize(
    ("typed", "looked_for"),
    [("098765 4", "987654"), ("+91 98765", "9198765"), ("९८७६५", "98765"), ("४३२१०", "43210"), ("123", "")],
)
def test_a_part_of_a_number_can_be_searched(typed, looked_for):
    assert digits_to_search(typed) == looked_for


def test_every_column_for_a_telephone_is_a_phone_field():
    tables = connection.introspection.installed_models([*connection.introspection.django_table_names()])
    columns = [
        field
        for model in tables
        for field in model._meta.get_fields()
        if isinstance(field, models.CharField) and any(word in field.name for word in ("mobile", "phone"))
    ]
    ours = [
        field
        for field in columns
        if "phonepe" not in field.name and field.model._meta.app_label != "simulator"
    ]
    assert {field.model.__name__ for field in ours} == {"User", "Registration", "Payment", "Priest"}
    assert all(isinstance(field, PhoneField) for field in ours)
