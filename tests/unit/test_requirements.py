"""The lock files hold what the requirements name, each file with its hash, and `make` installs nothing else."""

import re

import pytest

from tests.harness import ROOT

PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==([^\s;\\]+)", re.MULTILINE)


def pins(file: str) -> set[tuple[str, str]]:
    found = PIN.findall((ROOT / file).read_text(encoding="utf-8"))
    return {(name.lower().replace("_", "-"), version) for name, version in found}


@pytest.mark.parametrize(
    ("lock", "requirements"),
    [
        ("requirements.lock", ["requirements.txt"]),
        ("requirements-celery.lock", ["requirements.txt", "requirements-celery.txt"]),
        ("requirements-dev.lock", ["requirements.txt", "requirements-dev.txt"]),
    ],
)
def test_the_lock_holds_every_package_that_is_required_in_that_version(lock, requirements):
    """`make lock` mends it."""
    assert set().union(*map(pins, requirements)) - pins(lock) == set()


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-celery.lock", "requirements-dev.lock"])
def test_every_locked_package_has_the_hashes_of_its_files(lock):
    packages = re.split(r"(?m)^(?=[A-Za-z0-9])", (ROOT / lock).read_text(encoding="utf-8"))[1:]
    assert packages
    assert [package.split()[0] for package in packages if "--hash=sha256:" not in package] == []


def test_both_locks_agree():
    """What is tested is what runs."""
    assert pins("requirements.lock") - pins("requirements-dev.lock") == set()
    assert pins("requirements.lock") - pins("requirements-celery.lock") == set()
