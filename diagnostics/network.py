"""Probes of all targets at once, then the status requests; what lost packets explain is tried a second time."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from diagnostics.deadlines import result_cache, side_by_side
from diagnostics.dns import DnsClients, LookedUpResolver
from diagnostics.enums import TIMEOUTS
from diagnostics.evidence import Evidence
from diagnostics.probes import ProbeResult, fresh_session, probe, probe_timeout
from diagnostics.status_probe import SHORTEST_WAIT, StatusProbeResult, probe_status, status_timeout
from diagnostics.targets import (
    Role,
    Target,
    control_targets,
    is_in_process,
    phonepe_targets,
    sibling_targets,
)
from payment.gateways import PhonePeGateway
from payment.phonepe.credentials import Merchant
from payment.phonepe.oauth import TokenStore
from payment.phonepe.rate_limit import RateLimit
from payment.phonepe.transport import Deadline, Resolver

SHARE_OF_PROBES = 0.5  # of the time; the rest is for the status requests that follow
SHARE_OF_SECOND_PROBES = 0.6  # of the rest: without an address that is reached there is no status request
SHARE_OF_NAMES = 0.5  # of what is left for the status requests
SHARE_OF_TASK = 0.9  # a probe or status request ends a little before its caller stops waiting


def probe_network(
    merchant: Merchant, deadline: Deadline, clients: DnsClients, ask_simulator: bool
) -> Evidence:
    """Everything behind a socket; a PhonePe inside this process has none."""
    if is_in_process(merchant):
        if not ask_simulator:
            return Evidence()
        return Evidence(status_results=(_status_result(merchant, None, deadline, clients.system),))
    phonepe = phonepe_targets(merchant)
    groups = phonepe, control_targets(phonepe), sibling_targets(phonepe)
    targets = [target for group in groups for target in group]
    done = iter(_probe_all(targets, deadline.within(deadline.remaining() * SHARE_OF_PROBES), clients))
    probes, controls, siblings = (tuple(next(done) for _ in group) for group in groups)
    found = Evidence(probes=probes, controls=controls, siblings=siblings)
    if found.unreachable and found.unreachable.finding in TIMEOUTS and found.is_network_open:
        found = replace(found, probes=_probe_again(probes, deadline, clients))
    if found.unreachable:
        return found
    return replace(found, status_results=_status_results(merchant, found, deadline, clients))


def _probe_all(targets: Sequence[Target], deadline: Deadline, clients: DnsClients) -> list[ProbeResult]:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)
    tasks = [functools.partial(probe, target, shorter, clients) for target in targets]
    done = side_by_side(tasks, deadline)
    return [found or probe_timeout(target) for target, found in zip(targets, done, strict=True)]


def _probe_again(
    probes: Iterable[ProbeResult], deadline: Deadline, clients: DnsClients
) -> tuple[ProbeResult, ...]:
    """Those that got no answer, though others did: on a bad line a single time-out proves nothing."""
    silent = [each.target for each in probes if each.finding in TIMEOUTS]
    again = _probe_all(silent, deadline.within(deadline.remaining() * SHARE_OF_SECOND_PROBES), clients)
    reached = {each.target: each for each in again if each.is_reached}
    return tuple(reached.get(each.target, each) for each in probes)


def _status_results(
    merchant: Merchant, found: Evidence, deadline: Deadline, clients: DnsClients
) -> tuple[StatusProbeResult, ...]:
    """One address after the other: of two token requests at the same time one would invalidate the other's token.

    A share of the time is kept for a second request where the first one got no answer.
    """
    reached = {probed.target for probed in found.probes if probed.is_reached}
    pairs = [(each, Target(Role.API, each.base_url, each.proxy)) for each in merchant.endpoints if each.signs]
    usable = [(endpoint, target) for endpoint, target in pairs if target in reached]
    peers = [each.target.peer for each in found.probes]
    names = LookedUpResolver(clients.system, peers, deadline.within(deadline.remaining() * SHARE_OF_NAMES))
    results = []
    for left, (endpoint, target) in zip(range(len(usable), 0, -1), usable, strict=True):
        only = replace(merchant, endpoints=(endpoint,))
        share = deadline.within(deadline.remaining() / (left + 1))
        results.append(_status_result(only, target, share, names))
    doubtful = next((each for each, result in enumerate(results) if result.is_doubtful), None)
    if doubtful is not None and deadline.remaining() > SHORTEST_WAIT:
        endpoint, target = usable[doubtful]
        only = replace(merchant, endpoints=(endpoint,))
        results[doubtful] = _status_result(only, target, deadline, clients.system)
    return tuple(results)


def _status_result(
    merchant: Merchant, target: Target | None, deadline: Deadline, resolver: Resolver
) -> StatusProbeResult:
    shorter = deadline.within(deadline.remaining() * SHARE_OF_TASK)

    def send() -> StatusProbeResult:
        # A database or cache of ours that hangs must not take the time of a question to PhonePe.
        tokens, limit = TokenStore(merchant, store=result_cache), RateLimit(merchant, store=result_cache)
        if target is None:
            return probe_status(PhonePeGateway(merchant, tokens=tokens, rate_limit=limit), shorter)
        with fresh_session(resolver) as session:
            gateway = PhonePeGateway(merchant, session=session, tokens=tokens, rate_limit=limit)
            return probe_status(gateway, shorter, target)

    [found] = side_by_side([send], deadline)
    return found or status_timeout(target)
