import pytest

from tests.integration.simulator.packages import create_environment, pip


@pytest.fixture(scope="session")
def python_sdk(tmp_path_factory):
    """A Python with PhonePe's own SDK. It needs an older `requests` than ours, and so its own environment."""
    python = create_environment(tmp_path_factory.mktemp("sdk") / "venv")
    pip(python, "install", "--quiet", "phonepe-pg-sdk-python==3.0.1")
    return python
