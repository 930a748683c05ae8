"""Our process is killed at every boundary of every story; the end is the same as if it had lived."""

import pytest

from tests.properties import audit
from tests.properties.process import Process
from tests.properties.stories import STORIES
from tests.properties.town import Town


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


@pytest.mark.parametrize("name", STORIES)
def test_whenever_our_process_is_killed_the_end_is_the_same(generation, name):
    story = STORIES[name]
    deed, expected = tell(story)
    assert expected["fates"] == sorted(story.fates)
    assert expected["ledger"] == sorted(story.ledger)
    assert expected["places"] == story.places
    assert {"before COMMIT", "after COMMIT"} <= set(deed.crossed)

    for number, boundary in enumerate(deed.crossed, 1):
        killed, ending = tell(story, dies_at=number)
        assert killed.is_dead, f"the story went another way than the first time: {boundary} ({number})"
        assert ending == expected, f"killed {boundary} ({number} of {len(deed.crossed)})"


def test_a_killed_process_does_nothing_any_more(generation):
    """Else the test above would prove nothing: what `finally` says in code is not said by a dead process."""
    town = Town()
    town.choose(0, 0)
    town.dies_at = 1

    assert town.click(0) is None

    assert (town.last.is_dead, town.last.crossed) == (True, ["before COMMIT"])
    assert Process.living is None
    assert town.phonepe.order_ids == []
    assert audit.ending()["fates"] == []
