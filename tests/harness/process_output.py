"""For a conftest.py of tests with processes: a failure shows their output, and no server may break in any test."""

import pytest

from tests.harness import processes

LAST = 4000
# Celery writes the stack of every broken connection to its broker, as a warning.
LIBRARIES = ('"logger": "celery.', '"logger": "kombu.')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.sections += [(process.name, process.output[-LAST:]) for process in processes.running]
    return report


@pytest.fixture(autouse=True)
def no_server_breaks():
    """Whatever a test does to PhonePe or to a process, no server answers 500 or logs a stack."""
    before = {process: len(process.output) for process in processes.running}
    yield
    for process in processes.running:
        lines = process.output[before.get(process, 0) :].splitlines()
        news = "\n".join(line for line in lines if not any(logger in line for logger in LIBRARIES))
        assert '"status": 500' not in news, news[-LAST:]
        assert "Traceback" not in news, news[-LAST:]
