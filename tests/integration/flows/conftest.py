"""A test that fails shows what the processes had said; one that talks to a server never sees it break."""

import pytest

from tests.harness import servers

LAST = 4000


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections += [(process.name, process.said[-LAST:]) for process in servers.running]
    return report


@pytest.fixture(autouse=True)
def no_server_breaks():
    """Whatever a test does to PhonePe or to a process, nobody is ever told of an error of our own."""
    told = {process: len(process.said) for process in servers.running}
    yield
    for process in servers.running:
        news = process.said[told.get(process, 0) :]
        assert '"status": 500' not in news, news[-LAST:]
        assert "Traceback" not in news, news[-LAST:]
