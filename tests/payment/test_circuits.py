from payment.circuits import Circuits
from payment.merchants import Endpoint
from tests.payment.wire import Clock

ENDPOINT, OTHER = Endpoint("https://a.example", ""), Endpoint("https://b.example", "")


def opened(clock):
    circuits = Circuits(clock)
    for _ in range(3):
        circuits.failed(ENDPOINT)
    return circuits


def test_two_failures_are_bad_luck_three_are_a_pattern():
    circuits = Circuits(Clock())
    circuits.failed(ENDPOINT)
    circuits.failed(ENDPOINT)
    assert circuits.admits(ENDPOINT)
    circuits.failed(ENDPOINT)
    assert not circuits.admits(ENDPOINT)


def test_one_endpoint_says_nothing_about_another():
    assert opened(Clock()).admits(OTHER)


def test_after_its_rest_exactly_one_caller_probes_it():
    clock = Clock()
    circuits = opened(clock)
    clock.now += 29.9
    assert not circuits.admits(ENDPOINT)
    clock.now += 0.2
    assert circuits.admits(ENDPOINT)
    assert not circuits.admits(ENDPOINT)


def test_a_probe_that_connects_ends_the_rest():
    clock = Clock()
    circuits = opened(clock)
    clock.now += 31
    assert circuits.admits(ENDPOINT)
    circuits.connected(ENDPOINT)
    assert circuits.admits(ENDPOINT)
    assert circuits.admits(ENDPOINT)


def test_a_probe_that_fails_begins_another_rest():
    clock = Clock()
    circuits = opened(clock)
    clock.now += 31
    assert circuits.admits(ENDPOINT)
    circuits.failed(ENDPOINT)
    clock.now += 29
    assert not circuits.admits(ENDPOINT)
