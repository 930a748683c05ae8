from payment.phonepe.circuit_breaker import Circuits
from payment.phonepe.credentials import Endpoint
from tests.unit.payment.wire import Clock

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


def test_an_endpoint_that_left_us_in_doubt_stands_last_for_a_while_and_is_never_left_alone():
    clock = Clock()
    circuits = Circuits(clock)
    circuits.doubted(ENDPOINT)
    assert circuits.in_order([ENDPOINT, OTHER]) == [OTHER, ENDPOINT]
    assert circuits.admits(ENDPOINT)
    clock.now += 31
    assert circuits.in_order([ENDPOINT, OTHER]) == [ENDPOINT, OTHER]


def test_endpoints_that_all_leave_us_in_doubt_take_turns():
    clock = Clock()
    circuits = Circuits(clock)
    for endpoint in (ENDPOINT, OTHER, ENDPOINT):
        clock.now += 1
        circuits.doubted(endpoint)
    assert circuits.in_order([ENDPOINT, OTHER]) == [OTHER, ENDPOINT]
