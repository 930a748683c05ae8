"""Shops of real processes are watched here as in the flows."""

from tests.integration.flows.conftest import no_server_breaks, pytest_runtest_makereport

__all__ = ["no_server_breaks", "pytest_runtest_makereport"]
