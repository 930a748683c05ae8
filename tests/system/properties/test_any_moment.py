"""Our process is killed at every boundary of every story; the end is the same as if it had lived."""

import pytest

from tests.harness.databases import ON_POSTGRESQL
from tests.system.properties import audit
from tests.system.properties.installation import DEEP, Town
from tests.system.properties.process import Process
from tests.system.properties.scenarios import STORIES

pytestmark = pytest.mark.proof(every=6)


def tell(story, dies_at=None):
    """The process of the deed, and how it all ended."""
    town = Town()
    story.before(town)
    town.dies_at = dies_at
    story.deed(town)
    deed = town.last
    assert audit.always() == {}
    story.after(town)
    town.quiet_comes()
    return deed, audit.ending()


def moments(crossed):
    """The numbers of the boundaries that leave different things behind: before the first, and after each.

    What lies before another one is the same to everybody who is still alive as what lies after the one before it.
    """
    return [
        number for number, name in enumerate(crossed, 1) if DEEP or number == 1 or name.startswith("after")
    ]


def versions():
    """Both generations on both databases when there is time; else each story in the one here and the other there."""
    for number, name in enumerate(STORIES):
        here = "v2" if (number % 2 == 0) == ON_POSTGRESQL else "v1"
        for generation in ("v1", "v2") if DEEP else (here,):
            yield pytest.param(generation, name, id=f"{generation} {name}")


@pytest.mark.parametrize(("generation", "name"), [*versions()], indirect=["generation"])
def test_whenever_our_process_is_killed_the_end_is_the_same(generation, name):
    story = STORIES[name]
    deed, expected = tell(story)
    assert expected["outcomes"] == sorted(story.outcomes)
    assert expected["ledger"] == sorted(story.ledger)
    assert expected["places"] == story.places
    assert deed.crossed

    for number in moments(deed.crossed):
        where = f"killed {deed.crossed[number - 1]} ({number} of {len(deed.crossed)})"
        killed, ending = tell(story, dies_at=number)
        assert killed.is_dead, f"another way than the first time: {where}"
        assert ending == expected, where


def test_a_killed_process_does_nothing_any_more(generation):
    """Else the test above would prove nothing: what `finally` says in code is not said by a dead process."""
    town = Town()
    town.choose(0, 0)
    town.dies_at = 1

    assert town.click(0) is None

    assert (town.last.is_dead, town.last.crossed) == (True, ["before COMMIT"])
    assert Process.living is None
    assert town.phonepe.order_ids == []
    assert audit.ending()["outcomes"] == []
