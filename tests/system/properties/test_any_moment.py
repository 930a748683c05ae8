"""Our process is killed at every boundary of every scenario; the end is the same as if it had lived."""

import pytest

from tests.harness.databases import ON_POSTGRESQL
from tests.harness.samples import sample
from tests.system.properties import audit
from tests.system.properties.installation import DEEP, InProcessInstallation
from tests.system.properties.process import Process
from tests.system.properties.scenarios import SCENARIOS

pytestmark = pytest.mark.proof(every=26)


def tell(scenario, dies_at=None):
    """The process of the action, and how it all ended."""
    installation = InProcessInstallation()
    scenario.before(installation)
    installation.dies_at = dies_at
    scenario.action(installation)
    action = installation.last
    assert audit.always() == {}
    scenario.after(installation)
    installation.wait_until_at_rest()
    return action, audit.ending()


def moments(crossed):
    """The numbers of the boundaries that leave different things behind: before the first, and after each.

    What lies before another one is the same to everybody who is still alive as what lies after the one before it.
    """
    return [
        number for number, name in enumerate(crossed, 1) if DEEP or number == 1 or name.startswith("after")
    ]


def versions():
    """Both generations on both databases when there is time; else each scenario in the one here and the other there."""
    for number, name in enumerate(SCENARIOS):
        here = "v2" if (number % 2 == 0) == ON_POSTGRESQL else "v1"
        for generation in ("v1", "v2") if DEEP else (here,):
            yield pytest.param(generation, name, id=f"{generation} {name}")


@pytest.mark.parametrize(("generation", "name"), [*versions()], indirect=["generation"])
def test_whenever_our_process_is_killed_the_end_is_the_same(generation, name):
    scenario = SCENARIOS[name]
    action, expected = tell(scenario)
    assert expected["outcomes"] == sorted(scenario.outcomes)
    assert expected["ledger"] == sorted(scenario.ledger)
    assert expected["places"] == scenario.places
    assert action.crossed

    for number in sample(moments(action.crossed), 3):
        where = f"killed {action.crossed[number - 1]} ({number} of {len(action.crossed)})"
        killed, ending = tell(scenario, dies_at=number)
        assert killed.is_dead, f"another way than the first time: {where}"
        assert ending == expected, where


def test_a_killed_process_does_nothing_any_more(generation):
    """Else the test above would prove nothing: what `finally` says in code is not said by a dead process."""
    installation = InProcessInstallation()
    installation.choose(0, 0)
    installation.dies_at = 1

    assert installation.click(0) is None

    assert (installation.last.is_dead, installation.last.crossed) == (
        True,
        ["before INSERT INTO CORE_COUNTER"],
    )
    assert Process.living is None
    assert installation.phonepe.order_ids == []
    assert audit.ending()["outcomes"] == []
