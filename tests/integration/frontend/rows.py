"""The rows of both sites' contracts: what a page calls, what it reads of the answer, and a check of that.

The rows of one site are one story: one person plays them in their order, and a row may use what an earlier one left in
`kept`. A row that fails does not end the story.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import requests

from tests.harness.databases import PASSWORD
from tests.harness.installation import InstallationWithPhonePe
from tests.integration.frontend.browser import Browser, Tab
from tests.integration.frontend.people import Person

BOTH = ("july", "today")


class Calls:
    """Calls of the tab's page, whose status is as expected."""

    tab: Tab

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.call("GET", path, status=status)
        return answer.json()

    def call(
        self, method: str, path: str, body: Any = None, status: int = 200, **how: Any
    ) -> requests.Response:
        answer = self.tab.call(method, path, body, **how)
        assert answer.status_code == status, f"{answer.status_code}: {answer.text[:200]}"
        return answer


@dataclass
class Desk(Calls):
    tab: Tab


class Story(Calls, Person):
    """The person who plays the rows, somebody else, and what the rows before this one left."""

    def __init__(self, shop: InstallationWithPhonePe, era: str) -> None:
        super().__init__(shop, era)
        self.kept: dict[str, Any] = {}
        self.password = PASSWORD

    def visitor(self) -> Tab:
        return Browser(self.shop.url, self.site.MAIN).tab()

    def stranger(self) -> Tab:
        """Logged in, and nothing here is theirs."""
        return Browser(self.shop.url, self.site.MAIN, {"access": self.shop.tokens.customers[0]}).tab()

    @cached_property
    def desk(self) -> "Desk":
        """A superuser before the admin pages."""
        return Desk(Browser(self.shop.url, self.site.MAIN, {"access": self.shop.tokens.staff[0]}).tab())

    def new_toast(self, do: Callable[..., object], *arguments: Any, **named: Any) -> str:
        """What the person is told by `do`."""
        before = len(self.tab.toasts)
        do(self.tab, *arguments, **named)
        told = self.tab.toasts[before:]
        assert len(told) == 1, told
        return told[0]


class Row(NamedTuple):
    """`told`: why the answer is not what the page asks for, where the contract says so."""

    era: str
    page: str
    call: str
    reads: str
    told: str
    play: Callable[[Story], object]

    @property
    def name(self) -> str:
        return f"{self.page}: {self.call}"


class Table(list[Row]):
    """The rows of one module, in the order in which they are written: `@row(page, call, what it reads)`."""

    def __call__(
        self, page: str, call: str, reads: str, eras: tuple[str, ...] = BOTH, told: str = ""
    ) -> Callable[[Callable[[Story], object]], Callable[[Story], object]]:
        def keep(play: Callable[[Story], object]) -> Callable[[Story], object]:
            self.extend(Row(era, page, call, reads, told, play) for era in eras)
            return play

        return keep
