"""Every wait there is in our code, with the reason why it cannot take all threads of the server.

A new one belongs into `core.waiting`, or here with its reason.
"""

import ast

import pytest

from okpuja.build import PACKAGES
from tests.harness import ROOT

WAITS = {"sleep", "wait", "acquire", "select", "_sleep"}
OTHERS = {"unpaid", "sockets", "throttle"}  # of ours, with a function of that name
BOUNDED = {
    "core/request_bodies.py": "a body, for a second; then with one of its places, until REQUEST_BODY_SECONDS",
    "core/waiting.py": "the places themselves",
    "payment/services/gateway_calls.py": "a click on Pay for 2 s with one of the slots, a reserved call for 5 s",
    "payment/phonepe/oauth.py": "inside a call to PhonePe, of which there are PHONEPE_CALLS_AT_ONCE; has its deadline",
    "payment/phonepe/client.py": "the pause before a repeat, inside such a call",
    "diagnostics/dependencies.py": "looks again at a lock, for three seconds, in a thread of the one diagnosis in 30 s",
    "okpuja/gunicorn_worker.py": "a millisecond, while a click is left to a process that has fewer; 50 ms at most",
    "simulator/adapter.py": "a late answer of the simulated PhonePe, inside such a call",
    "simulator/sockets.py": "two threads in the shop's server; as many as callers in a process of its own",
}
NO_REQUEST = {
    "worker/wake_up.py",
    "worker/scheduler.py",
    "worker/management/commands/serve.py",
    "worker/management/commands/dev.py",
    "diagnostics/golive/flow.py",  # a command
    "diagnostics/load.py",  # a thread of its own
    "worker/backups.py",  # commands
    "okpuja/celery.py",  # the timer
    "payment/reconciliation/status_checks.py",  # the worker, or a command
    "simulator/dispatcher.py",  # a thread of its own
}


def waits(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            owner = getattr(getattr(node.func, "value", None), "id", "")
            if name in WAITS and owner not in OTHERS:
                yield name


def waiting_modules():
    modules = (
        path for app in PACKAGES for path in (ROOT / app).rglob("*.py") if "migrations" not in path.parts
    )
    return {path.relative_to(ROOT).as_posix() for path in modules if any(waits(path))}


def test_no_request_waits_but_where_waits_are_bounded():
    assert waiting_modules() - NO_REQUEST == BOUNDED.keys()


@pytest.mark.parametrize("module", sorted(NO_REQUEST))
def test_what_is_said_to_be_no_request_is_no_view(module):
    assert "rest_framework" not in (ROOT / module).read_text()
