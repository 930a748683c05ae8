"""Virtual environments of their own, with packages from the registry."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# What pip says when it cannot reach a registry. Any other failure is a failure of the package.
UNREACHABLE = (
    "NewConnectionError",
    "ConnectTimeoutError",
    "Temporary failure in name resolution",
    "ProxyError",
)


def create_environment(folder: Path) -> Path:
    """Its Python. Nothing but pip is installed there."""
    run(sys.executable, "-m", "venv", str(folder))
    return folder / "bin" / "python"


def pip(python: Path, *arguments: str) -> None:
    """Skips the test where no package registry is reachable."""
    try:
        run(str(python), "-m", "pip", "--disable-pip-version-check", *arguments)
    except AssertionError as error:
        if any(reason in str(error) for reason in UNREACHABLE):
            pytest.skip(f"No package registry is reachable: pip {' '.join(arguments)}")
        raise


def run(*command: str, **environment: str) -> str:
    """What it prints. Neither our code nor our packages are on its path."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        command, cwd="/", env=kept | environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
