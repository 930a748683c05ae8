import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import paise, rupees


@given(st.integers(min_value=0, max_value=99_999_999_999))
def test_no_paisa_is_lost_between_row_and_wire(amount):
    assert paise(rupees(amount)) == amount


@pytest.mark.parametrize(("amount", "text"), [(0, "0.00"), (1998, "19.98"), (1999, "19.99"), (-505, "-5.05")])
def test_rupees_have_two_decimals(amount, text):
    assert rupees(amount) == text


@pytest.mark.parametrize("text", ["", "1,100", "1.005", "-1", "1e3", "NaN", " 1", "१", "₹1"])
def test_what_is_not_plain_rupees_is_refused(text):
    with pytest.raises(ValueError, match="amount in rupees"):
        paise(text)
