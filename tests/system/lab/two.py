"""Rows about two faults at once: what is to be mended first is the verdict, the other one is told besides."""

from collections.abc import Callable, Iterator
from datetime import timedelta

from diagnostics.enums import Culprit, Verdict
from tests.integration.wire.endpoints import Request
from tests.system.lab import actors, dependencies, faults, once
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import CONFIGURATION, HOSTING, PHONEPE, THIS_SERVER, Break
from tests.system.lab.testbed import LOGIN, Host, Testbed

Arrange = Callable[[Testbed], object]
V = Verdict
WRONG_SECRET = {"PHONEPE_SALT_KEY": "not-the-salt-key", "PHONEPE_CLIENT_SECRET": "not-the-client-secret"}


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, arrange, verdict, culprit, also in ROWS:
            yield Case(title, generation, "two faults", arrange, verdict, culprit, also=also)
    yield Case(
        "PhonePe refused, cache refused", "v2", "two faults", both(_phonepe(faults.refused), _no_cache),
        V.CONNECTION_REFUSED, PHONEPE, also=(V.MISCONFIGURED,), look=dependencies.with_redis,
    )  # fmt: skip
    yield Case(
        "no name is known, the database's neither", "v2", "two faults",
        both(_everybody(faults.named("NXDOMAIN")), dependencies.database({"told": "NXDOMAIN"})), V.DNS_FAILURE, HOSTING,
        look=dependencies.elsewhere,
    )  # fmt: skip
    yield Case(
        "no name is known, the cache's neither", "v2", "two faults",
        both(_everybody(faults.named("SERVFAIL")), dependencies.cache({"told": "SERVFAIL"})), V.DNS_FAILURE, HOSTING,
        look=dependencies.with_redis,
    )  # fmt: skip
    yield Case(
        "PhonePe refused, database refused", "v2", "two faults", both(_phonepe(faults.refused), _no_database),
        V.DATABASE_DOWN, THIS_SERVER, "down", dependency="database", also=(V.CONNECTION_REFUSED,),
        look=dependencies.elsewhere,
    )  # fmt: skip


def both(*arrangements: Arrange) -> Callable[[Testbed], None]:
    def arrange(testbed: Testbed) -> None:
        for each in arrangements:
            each(testbed)

    return arrange


def _phonepe(breaks: Break) -> Arrange:
    return _at(lambda testbed: testbed.endpoints, breaks)


def _everybody(breaks: Break) -> Arrange:
    return _at(lambda testbed: testbed.everybody, breaks)


def _first(breaks: Break) -> Arrange:
    return _at(lambda testbed: (testbed.first,), breaks)


def _second(breaks: Break) -> Arrange:
    return _at(lambda testbed: (testbed.second,), breaks)


def _controls(breaks: Break) -> Arrange:
    return _at(lambda testbed: tuple(testbed.controls), breaks)


def _at(hosts: Callable[[Testbed], tuple[Host, ...]], breaks: Break) -> Arrange:
    return lambda testbed: [breaks(testbed, host) for host in hosts(testbed)]


def _wrong_secret(testbed: Testbed) -> None:
    known = {name: value for name, value in WRONG_SECRET.items() if testbed.settings[name]}
    testbed.settings.update(known)


def _no_database(testbed: Testbed) -> None:
    dependencies.database({"listens": False})(testbed)


def _no_cache(testbed: Testbed) -> None:
    dependencies.cache({"listens": False})(testbed)


def _proxy_forbids(testbed: Testbed) -> None:
    testbed.uses_proxy(actors.proxy(LOGIN, 403))


def clocks(ahead: timedelta) -> Arrange:
    """Everybody else's."""

    def arrange(testbed: Testbed) -> None:
        for host in testbed.everybody:
            host.answer = _ahead(host.answer, ahead)

    return arrange


def _clock_of_one(testbed: Testbed) -> None:
    """One host outside has a wrong clock; all others agree with ours."""
    testbed.controls[0].answer = _ahead(testbed.controls[0].answer, timedelta(days=2))


def _clock_of_phonepe(testbed: Testbed) -> None:
    for host in testbed.phonepes:
        host.answer = _ahead(host.answer, -timedelta(hours=3))


def _ahead(answer: actors.Answer, ahead: timedelta) -> actors.Answer:
    def answer_later(request: Request) -> bytes:
        now, then = actors.date(), actors.date(ahead)
        return answer(request).replace(now.encode(), then.encode())

    return answer_later


def _dead_ipv6(testbed: Testbed) -> None:
    """Both families have an address; by one of them nobody answers."""
    for host in testbed.endpoints:
        host.more = ("2001:db8::66",)


_clocks = clocks(timedelta(minutes=12))
MAIL_REFUSED: Arrange = dependencies.mail_server({"listens": False})
BROKER_REFUSED: Arrange = dependencies.broker({"listens": False})
ROWS: tuple[tuple[str, Arrange, Verdict, str, tuple[Verdict, ...]], ...] = (
    ("PhonePe refused, broker refused", both(_phonepe(faults.refused), BROKER_REFUSED),
     V.CONNECTION_REFUSED, PHONEPE, (V.BROKER_DOWN,)),
    ("all hosts silent, mail server silent",
     both(_everybody(faults.dropped), dependencies.mail_server({"is_deaf": True})),
     V.CONNECTION_TIMEOUT, HOSTING, ()),
    ("no name is resolved, broker among them", both(_everybody(faults.named("silence")),
     dependencies.broker({"told": "silence"})), V.DNS_FAILURE, HOSTING, ()),
    ("no name is known, mail server among them", both(_everybody(faults.named("NXDOMAIN")),
     dependencies.mail_server({"told": "NXDOMAIN"})), V.DNS_FAILURE, HOSTING, ()),
    ("no route, broker among them", both(_everybody(faults.has_no_route), dependencies.broker({"lives_here": False})),
     V.NETWORK_UNREACHABLE, HOSTING, ()),
    ("all hosts silent, mail server refuses our login", both(_everybody(faults.dropped),
     dependencies.mailing(actors.mail_server("AUTH PLAIN"), dependencies.SMTP_URL)), V.CONNECTION_TIMEOUT, HOSTING,
     (V.MAIL_DOWN,)),
    ("clock wrong, mail server's certificate too", both(_everybody(faults.shows(starts=timedelta(days=1))),
     dependencies.encrypted_mail(starts=timedelta(days=1))), V.CLOCK_SKEW, THIS_SERVER, ()),
    ("all hosts intercepted, mail server too",
     both(_everybody(once.forged), dependencies.encrypted_mail(by="stranger")), V.TLS_UNTRUSTED, HOSTING, ()),
    ("PhonePe silent, mail server silent", both(_phonepe(faults.dropped), dependencies.mail_server({"is_deaf": True})),
     V.CONNECTION_TIMEOUT, PHONEPE, (V.MAIL_DOWN,)),
    ("mail server refused, broker refused", both(MAIL_REFUSED, BROKER_REFUSED),
     V.MAIL_DOWN, THIS_SERVER, (V.BROKER_DOWN,)),
    ("disk full, PhonePe silent", both(dependencies.full_disk, _phonepe(faults.dropped)),
     V.DISK_FULL, THIS_SERVER, (V.CONNECTION_TIMEOUT,)),
    ("proxy forbids, credentials wrong", both(_proxy_forbids, _wrong_secret), V.PROXY_FAILURE, CONFIGURATION, ()),
    ("first refused, second silent", both(_first(faults.refused), _second(faults.dropped)),
     V.CONNECTION_REFUSED, PHONEPE, ()),
    ("first silent, second expired", both(_first(faults.dropped), _second(faults.shows(ends=-timedelta(days=1)))),
     V.CONNECTION_TIMEOUT, PHONEPE, ()),
    ("first refused, credentials wrong", both(_first(faults.refused), _wrong_secret),
     V.BAD_CREDENTIALS, Culprit.CREDENTIALS, ()),
    ("first answers 500, second refused",
     both(_first(faults.answers(actors.says(500, b"{}"))), _second(faults.refused)), V.PHONEPE_DOWN, PHONEPE, ()),
    ("clock wrong, credentials wrong", both(_clocks, _wrong_secret),
     V.CLOCK_SKEW, THIS_SERVER, (V.BAD_CREDENTIALS,)),
    ("clock wrong, PhonePe refused", both(_clocks, _phonepe(faults.refused)),
     V.CONNECTION_REFUSED, PHONEPE, (V.CLOCK_SKEW,)),
    ("clock wrong", _clocks, V.CLOCK_SKEW, THIS_SERVER, ()),
    ("clock two days behind", clocks(timedelta(days=2)), V.CLOCK_SKEW, THIS_SERVER, ()),
    ("clock two days fast", clocks(-timedelta(days=2)), V.CLOCK_SKEW, THIS_SERVER, ()),
    ("clock six minutes behind", clocks(timedelta(minutes=6)), V.CLOCK_SKEW, THIS_SERVER, ()),
    ("clock an hour fast (summer time)", clocks(-timedelta(hours=1)), V.CLOCK_SKEW, THIS_SERVER, ()),
    ("clock four minutes fast", clocks(-timedelta(minutes=4)), OK, NONE, ()),
    ("a control host's clock wrong", _clock_of_one, OK, NONE, ()),
    ("PhonePe's clock wrong", _clock_of_phonepe, OK, NONE, ()),
    ("PhonePe refused, control hosts silent", both(_phonepe(faults.refused), _controls(faults.dropped)),
     V.CONNECTION_REFUSED, PHONEPE, ()),
    ("control hosts refused", _controls(faults.refused), OK, NONE, ()),
    ("IPv6 leads nowhere", _dead_ipv6, OK, NONE, ()),
    ("first intercepted, second refused", both(_first(faults.shows(by="stranger")), _second(faults.refused)),
     V.TLS_UNTRUSTED, HOSTING, ()),
)  # fmt: skip
