"""The table of shapes is of use only if it notices what the frontend would stumble over."""

import pytest

from tests.integration.frontend import shapes

ROW = {"id": 7, "name": "Festivals"}


def test_more_than_the_frontend_reads_is_welcome():
    assert shapes.misfits([ROW | {"created_at": None}], [shapes.CATEGORY]) == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([{"name": "Festivals"}], "[0].id is missing"),
        ([ROW | {"id": "7"}], "[0].id is '7'"),
        ([ROW | {"id": True}], "[0].id is True"),
        ([ROW | {"name": ""}], "[0].name is ''"),
        ({"results": [ROW]}, " is no array"),
    ],
)
def test_what_it_would_stumble_over_is_told_with_its_place(answer, told):
    assert shapes.misfits(answer, [shapes.CATEGORY]) == [told]


def test_money_is_a_string_with_two_decimals():
    assert shapes.misfits("1100.00", shapes.RUPEES) == []
    assert shapes.misfits(1100.0, shapes.RUPEES)
    assert shapes.misfits("1100.0", shapes.RUPEES)
