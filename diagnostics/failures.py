"""What stands behind an error: its root cause, and whether it is a limit of our own process."""

import errno
from collections.abc import Iterator

FILES, MEMORY = {errno.EMFILE, errno.ENFILE}, {errno.ENOMEM, errno.ENOBUFS}


class OwnLimits:
    """How often this process could not have what every connection takes. Only differences mean something."""

    files = 0
    threads = 0
    memory = 0


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what caused it: `requests` and urllib3 wrap errors, each in its own way, some in a circle."""
    inner: BaseException | None = error
    seen: set[int] = set()
    while inner is not None and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        around = (getattr(inner, "reason", None), *inner.args, inner.__cause__, inner.__context__)
        inner = next((cause for cause in around if isinstance(cause, BaseException)), None)


def root_cause(error: BaseException) -> BaseException:
    """The error of the operating system or of OpenSSL."""
    *_, last = causes(error)
    return last


def note_own_limit(error: BaseException) -> bool:
    """True, and counted, for an error that says nothing about anybody else: no file, thread or memory was left."""
    for cause in causes(error):
        number = getattr(cause, "errno", None)
        if number in FILES:
            OwnLimits.files += 1
        elif isinstance(cause, RuntimeError) and "new thread" in str(cause):  # it has no type of its own
            OwnLimits.threads += 1
        elif number in MEMORY or isinstance(cause, MemoryError):
            OwnLimits.memory += 1
        else:
            continue
        return True
    return False
