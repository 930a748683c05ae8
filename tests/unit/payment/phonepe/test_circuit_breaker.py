from payment.phonepe.circuit_breaker import CircuitBreaker
from payment.phonepe.credentials import Endpoint
from tests.unit.payment.wire import Clock

ENDPOINT, OTHER = Endpoint("https://a.example", ""), Endpoint("https://b.example", "")


def opened(clock):
    breaker = CircuitBreaker(clock)
    for _ in range(3):
        breaker.record_failure(ENDPOINT)
    return breaker


def test_two_failures_are_bad_luck_three_are_a_pattern():
    breaker = CircuitBreaker(Clock())
    breaker.record_failure(ENDPOINT)
    breaker.record_failure(ENDPOINT)
    assert breaker.allows(ENDPOINT)
    breaker.record_failure(ENDPOINT)
    assert not breaker.allows(ENDPOINT)


def test_one_endpoint_says_nothing_about_another():
    assert opened(Clock()).allows(OTHER)


def test_after_its_rest_exactly_one_caller_probes_it():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 29.9
    assert not breaker.allows(ENDPOINT)
    clock.now += 0.2
    assert breaker.allows(ENDPOINT)
    assert not breaker.allows(ENDPOINT)


def test_a_probe_that_connects_ends_the_rest():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 31
    assert breaker.allows(ENDPOINT)
    breaker.record_success(ENDPOINT)
    assert breaker.allows(ENDPOINT)
    assert breaker.allows(ENDPOINT)


def test_a_probe_that_fails_begins_another_rest():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 31
    assert breaker.allows(ENDPOINT)
    breaker.record_failure(ENDPOINT)
    clock.now += 29
    assert not breaker.allows(ENDPOINT)


def test_an_endpoint_that_left_us_in_doubt_stands_last_for_a_while_and_is_never_left_alone():
    clock = Clock()
    breaker = CircuitBreaker(clock)
    breaker.record_ambiguous(ENDPOINT)
    assert breaker.order_by_health([ENDPOINT, OTHER]) == [OTHER, ENDPOINT]
    assert breaker.allows(ENDPOINT)
    clock.now += 31
    assert breaker.order_by_health([ENDPOINT, OTHER]) == [ENDPOINT, OTHER]


def test_endpoints_that_all_leave_us_in_doubt_take_turns():
    clock = Clock()
    breaker = CircuitBreaker(clock)
    for endpoint in (ENDPOINT, OTHER, ENDPOINT):
        clock.now += 1
        breaker.record_ambiguous(endpoint)
    assert breaker.order_by_health([ENDPOINT, OTHER]) == [OTHER, ENDPOINT]
