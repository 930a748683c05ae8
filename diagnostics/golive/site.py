"""What the checks use: one diagnosis, and the running server over HTTP."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from django.conf import settings

from diagnostics.report import Dependency, Report
from diagnostics.runner import diagnose
from payment.models import DiagnosisRun

Json = dict[str, Any]

TIMEOUT = 10  # seconds
PASS, FAIL, NOT_RUN = "pass", "fail", "not-run"


@dataclass(frozen=True)
class Result:
    """`next_action` stands where something failed or was not run."""

    result: str
    reason: str
    next_action: str = ""


class NoAnswer(Exception):
    """The server does not answer our requests. The message says at which URL and why."""


@dataclass
class Site:
    """`base_url`: where requests go; PUBLIC_BASE_URL when empty.

    `acknowledged`: what a person has confirmed, because no program can look it up.
    """

    base_url: str = ""
    acknowledged: frozenset[str] = frozenset()
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.base_url = (self.base_url or settings.PUBLIC_BASE_URL).rstrip("/")
        self.session.trust_env = False  # customers do not use the proxy of this shell

    @functools.cached_property
    def diagnosis(self) -> Report:
        by = DiagnosisRun.AskedBy.COMMAND
        return diagnose(ask_simulator=settings.PHONEPE_SIMULATION_MODE, asked_by=by)

    def dependency(self, name: str) -> Dependency:
        not_checked = Dependency(name, None, 0, "", "not checked")
        return self.diagnosis.dependencies.get(name, not_checked)

    def request(self, method: str, url: str, **more: Any) -> requests.Response:
        """`url` absolute, or a path of our own server. Follows no redirect. Raises NoAnswer."""
        address = url if url.startswith("http") else self.base_url + url
        is_ours = address.startswith((self.base_url, settings.PUBLIC_BASE_URL))
        trust = (is_ours and settings.DIAGNOSIS_CA_BUNDLE) or True
        more |= {"timeout": TIMEOUT, "allow_redirects": False, "verify": trust}
        try:
            return self.session.request(method, address, **more)
        except requests.RequestException as error:
            raise NoAnswer(f"{address} does not answer: {type(error).__name__}") from error


@dataclass(frozen=True)
class Point:
    """One line of the list. `is_required`: not having run it is as bad as having failed it."""

    name: str
    title: str
    check: Callable[[Site], Result]
    is_required: Callable[[], bool] = lambda: True


def passed(reason: str) -> Result:
    return Result(PASS, reason)


def failed(reason: str, next_action: str) -> Result:
    return Result(FAIL, reason, next_action)


def not_run(reason: str, next_action: str = "") -> Result:
    return Result(NOT_RUN, reason, next_action)


def from_check(check: Dependency, next_action: str) -> Result:
    """The result of one dependency check of the diagnosis. With a finding nothing proves that it works."""
    if check.ok is None or (check.ok and check.finding):
        return not_run(check.detail, next_action)
    return passed(check.detail) if check.ok else failed(check.detail, next_action)


def json_object(answer: requests.Response) -> Json:
    """{} for whatever is no JSON object, such as the page of something in front of us."""
    try:
        body = answer.json()
    except requests.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}
