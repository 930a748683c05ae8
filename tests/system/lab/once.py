"""Rows about one cause that breaks several things: it is told once. And about lines that lose a packet now and then."""

import functools
import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta

from diagnostics.enums import Verdict
from tests.integration.wire.endpoints import Request
from tests.system.lab import actors, boxes, faults, webhook
from tests.system.lab.actors import Answer, Behaviour
from tests.system.lab.case import NONE, OK, Case
from tests.system.lab.faults import HOSTING, THIS_SERVER, Break
from tests.system.lab.testbed import Host, Testbed, Wire

V = Verdict
DB_CACHE = {"CACHE_URL": "db://cache"}
Arrange = Callable[[Testbed], object]


def rows() -> Iterator[Case]:
    for generation in ("v1", "v2"):
        for title, where, arrange, verdict, culprit in ROWS:
            yield Case(title, generation, where, arrange, verdict, culprit)
    for title, environment in (
        ("disk without a byte", {}),
        ("disk without a byte, the cache in it", DB_CACHE),
    ):
        yield Case(
            title, "v2", "dependencies", _small_disk, V.DISK_FULL, THIS_SERVER, "full", dependency="disk",
            named="Make room", look=functools.partial(_on_the_small_disk, **environment),
        )  # fmt: skip


def everybody_and_us(breaks: Break) -> Arrange:
    """The fault of the network befalls the way to our own public address as well."""

    def arrange(testbed: Testbed) -> None:
        shop = webhook.shop_with({"answer": webhook.ours})(testbed)
        for host in (*testbed.everybody, shop):
            breaks(testbed, host)

    return arrange


def forged(testbed: Testbed, host: Host) -> None:
    host.certificate = testbed.stranger.issue(host.name, with_issuer=True)


def portal(testbed: Testbed, host: Host) -> None:
    shown = testbed.hosts[testbed.first.name].certificate if host is not testbed.first else None
    host.certificate = shown or testbed.stranger.issue("portal.hosting.example")
    host.answer = boxes.PORTAL


def loses_the_first(lost: Behaviour) -> Arrange:
    """Of our own public address: the first connection is lost, the next ones pass."""

    def arrange(testbed: Testbed) -> None:
        shop = webhook.shop_with({"answer": webhook.ours})(testbed)
        assert shop.certificate
        shop.behave = _first(lost, actors.secured(shop.certificate, actors.answering(shop.answer)))

    return arrange


def _first(lost: Behaviour, then: Behaviour) -> Behaviour:
    count = itertools.count()
    return lambda connection: (then if next(count) else lost)(connection)


def loses_the_first_question(testbed: Testbed) -> None:
    """Of each address of payments: its first status request, or request for a token, gets no answer."""
    for host in testbed.endpoints:
        host.answer = _forgetting(host.answer)


def _forgetting(answer: Answer) -> Answer:
    count = itertools.count()

    def answer_later(request: Request) -> bytes:
        if actors.is_question(request) and next(count) == 0:
            return actors.wait_for_ever(request)
        return answer(request)

    return answer_later


def loses_first_handshakes(testbed: Testbed) -> None:
    """Of each address of payments: whatever comes in the first second and a half is lost."""
    for host in testbed.endpoints:
        assert host.certificate
        host.behave = _first(
            actors.listen_only, actors.secured(host.certificate, actors.answering(host.answer))
        )


def _small_disk(testbed: Testbed) -> None:
    disk = testbed.folder / "small"
    disk.mkdir()
    testbed.commands.append(f"mount -t tmpfs -o size=64m tmpfs {disk}")


def _on_the_small_disk(testbed: Testbed, **environment: str) -> Wire:
    """The last byte goes before it looks."""
    disk = testbed.folder / "small"
    shutil.copy(testbed.folder / testbed.database, disk / "shop.sqlite3")
    subprocess.run(["dd", "if=/dev/zero", f"of={disk}/ballast", "bs=4k"], check=False, capture_output=True)
    return testbed.ask_doctor(DATABASE_URL=f"sqlite:///{disk}/shop.sqlite3", **environment)


NOT_YET = faults.shows(starts=timedelta(days=1))
ROWS: tuple[tuple[str, str, Arrange, Verdict, str], ...] = (
    ("large packets dropped (MTU), our address too", "all hosts", everybody_and_us(faults.behaves(actors.listen_only)),
     V.TLS_HANDSHAKE_FAILED, HOSTING),
    ("intercepted, our address too", "all hosts", everybody_and_us(forged), V.TLS_UNTRUSTED, HOSTING),
    ("portal, our address too", "all hosts", everybody_and_us(portal), V.TLS_UNTRUSTED, HOSTING),
    ("trusted portal, our address too", "all hosts", everybody_and_us(faults.is_replaced_by_a_portal), V.HTTP_BLOCKED,
     HOSTING),
    ("clock before every certificate, ours too", "all hosts", everybody_and_us(NOT_YET), V.CLOCK_SKEW, THIS_SERVER),
    ("our address loses a connection", "webhook", loses_the_first(actors.listen_only), OK, NONE),
    ("first status request lost", "both", loses_the_first_question, OK, NONE),
    ("first handshake lost", "both", loses_first_handshakes, OK, NONE),
)  # fmt: skip
