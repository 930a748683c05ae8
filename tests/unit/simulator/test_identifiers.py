import re
from datetime import datetime, timezone

from simulator import identifiers
from simulator.clock import milliseconds

MOMENT = datetime(2026, 6, 11, 4, 42, 34, 567_999, tzinfo=timezone.utc)


def test_an_id_carries_its_time_in_india_to_the_millisecond():
    assert re.fullmatch(r"OMO260611101234567\d{7}", identifiers.provider_id("OMO", MOMENT))


def test_ids_of_one_millisecond_differ():
    assert len({identifiers.provider_id("T", MOMENT) for _ in range(50)}) > 45


def test_a_utr_has_twelve_digits():
    assert re.fullmatch(r"6162\d{8}", identifiers.utr(MOMENT))


def test_milliseconds_are_whole_numbers_of_the_epoch():
    assert milliseconds(datetime.fromtimestamp(1781153854, tz=timezone.utc).replace(microsecond=567_000)) == (
        1_781_153_854_567
    )
