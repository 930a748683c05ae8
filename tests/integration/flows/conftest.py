from tests.harness.process_output import no_server_breaks, pytest_runtest_makereport

__all__ = ["no_server_breaks", "pytest_runtest_makereport"]
