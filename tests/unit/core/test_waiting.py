"""Slots to wait in: few, free again after use, and never waited for themselves."""

import threading

import pytest

from core import waiting
from core.waiting import InProgress, WaitSlots, wait_for


@pytest.fixture(autouse=True)
def one_place(monkeypatch):
    monkeypatch.setattr(waiting, "wait_slots", WaitSlots(1))


def test_what_is_there_already_needs_no_place():
    with waiting.wait_slots.reserve():
        assert wait_for(lambda: "there", 600) == "there"


def test_who_finds_no_place_goes_on_at_once():
    looks = []
    with waiting.wait_slots.reserve():
        assert wait_for(lambda: looks.append("look"), 600) is None
    assert looks == ["look"]


def test_a_wait_ends_with_what_was_waited_for_and_gives_its_place_back(monkeypatch):
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: None)
    answers = iter([None, None, "there"])
    assert wait_for(lambda: next(answers), 600) == "there"
    with waiting.wait_slots.reserve() as taken:
        assert taken


def test_a_wait_ends_with_its_time():
    assert wait_for(lambda: None, 0.01) is None


def test_a_look_that_fails_gives_the_place_back(monkeypatch):
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: None)
    answers = iter([None])
    with pytest.raises(StopIteration):
        wait_for(lambda: next(answers), 600)
    with waiting.wait_slots.reserve() as taken:
        assert taken


def test_who_is_patient_gets_the_place_that_becomes_free():
    with waiting.wait_slots.reserve():
        got = []
        patient = threading.Thread(target=lambda: got.append(taken_within(60)))
        patient.start()
    patient.join()
    assert got == [True]


def taken_within(seconds):
    with waiting.wait_slots.reserve(seconds) as taken:
        return taken


def test_one_thing_is_under_way_once():
    under_way = InProgress()
    assert [under_way.begin(1), under_way.begin(1), under_way.begin(2)] == [True, False, True]
    under_way.end(1)
    assert under_way.begin(1)
