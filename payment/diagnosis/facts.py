"""What one diagnosis found out, before anybody judges it."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field

from payment.diagnosis.doors import Role
from payment.diagnosis.hops import Hop
from payment.diagnosis.knocks import Knock
from payment.diagnosis.question import Reply
from payment.diagnosis.words import Verdict


@dataclass(frozen=True)
class Facts:
    """`problem`: what the settings refuse. `reply` None: PhonePe was not asked anything."""

    problem: str = ""
    knocks: tuple[Knock, ...] = ()
    controls: tuple[Knock, ...] = ()
    reply: Reply | None = None
    hops: Mapping[str, Hop] = field(default_factory=dict)
    is_simulated: bool = False

    @property
    def blocked(self) -> Knock | None:
        """The door that keeps payments from being made. One open door of each role is enough."""
        for role in (Role.API, Role.TOKEN):
            of_role = [knock for knock in self.knocks if knock.door.role is role]
            if of_role and not any(knock.is_reached for knock in of_role):
                return of_role[0]
        return None

    @property
    def spare_doors_shut(self) -> bool:
        """Payments get through, but not by every address that the settings name for them."""
        return any(not knock.is_reached for knock in self.knocks if knock.door.role is not Role.PAGE)

    @property
    def subject(self) -> Knock | None:
        """What a judgement about PhonePe is about: the door that is shut, else the first."""
        return self.blocked or next(iter(self.knocks), None)

    @property
    def control(self) -> Knock | None:
        """The host that has nothing to do with PhonePe, by the same way out."""
        subject = self.subject
        same_way = (knock for knock in self.controls if subject and knock.door.proxy == subject.door.proxy)
        return next(same_way, None)

    @property
    def control_works(self) -> bool:
        return self.control is not None and self.control.is_reached

    @property
    def is_phonepe(self) -> bool:
        return self.subject is not None and self.subject.door.is_phonepe

    @property
    def is_local(self) -> bool:
        """PhonePe is played on this machine: no network is involved."""
        return self.subject is not None and _is_loopback(self.subject.door.host)

    @property
    def fault(self) -> Verdict | None:
        """What stops us on the way to PhonePe, or what PhonePe itself refuses."""
        if self.blocked is not None:
            return self.blocked.best.verdict
        return self.reply.verdict if self.reply else None

    @property
    def clock_ahead(self) -> float:
        """Seconds that our clock is ahead of the others' (behind: negative), by the one who differs least."""
        visits = [visit for knock in (*self.controls, *self.knocks) for visit in knock.visits]
        told = [visit.clock_ahead for visit in visits if visit.clock_ahead is not None]
        return min(told, key=abs, default=0.0)

    def failed(self, hop: str, fault: str) -> bool:
        return hop in self.hops and self.hops[hop].fault == fault


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
