import io

import pytest

from core.encrypted_files import (
    CHUNK_BYTES,
    MAGIC,
    SALT_BYTES,
    TAG_BYTES,
    EncryptedReader,
    EncryptedWriter,
    Unreadable,
)

KEY = "k" * 32
HEAD, SEALED = len(MAGIC) + SALT_BYTES, CHUNK_BYTES + TAG_BYTES


def sealed(content, key=KEY):
    file = io.BytesIO()
    writer = EncryptedWriter(file, key)
    for start in range(0, len(content), 10_000):
        writer.write(content[start : start + 10_000])
    writer.finish()
    return file.getvalue()


def opened(data, key=KEY):
    return io.BufferedReader(EncryptedReader(io.BytesIO(data), key)).read()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_written_is_read(size):
    content = bytes(number % 251 for number in range(size))

    assert opened(sealed(content)) == content


def test_nothing_of_the_content_is_in_the_file_and_no_two_files_are_equal():
    content = b"alice@example.com " * 100

    assert b"alice" not in sealed(content)
    assert sealed(content) != sealed(content)


def test_another_key_reads_nothing():
    with pytest.raises(Unreadable):
        opened(sealed(b"money"), key="K" * 32)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data[: HEAD + SEALED],  # whole chunks are missing at the end
        lambda data: data[:HEAD],
        lambda data: data[: HEAD - 1],
        lambda data: b"",
        lambda data: data + b"x",
        lambda data: data[:HEAD] + data[HEAD + SEALED :],  # the first chunk is missing
        lambda data: (
            data[:HEAD]
            + data[HEAD + SEALED : HEAD + 2 * SEALED]
            + data[HEAD : HEAD + SEALED]
            + data[HEAD + 2 * SEALED :]
        ),
        lambda data: data[: HEAD + SEALED] + data[HEAD:],  # one twice
        lambda data: data[: HEAD + 70_000] + bytes([data[HEAD + 70_000] ^ 1]) + data[HEAD + 70_001 :],
        lambda data: data[: HEAD - 1] + bytes([data[HEAD - 1] ^ 1]) + data[HEAD:],
        lambda data: b"SQLite format 3\0" * 100,
    ],
    ids=[
        "byte off",
        "chunks off",
        "all off",
        "head cut",
        "empty",
        "more",
        "first off",
        "swapped",
        "twice",
        "bit",
        "salt",
        "other",
    ],
)
def test_a_file_that_was_changed_anywhere_is_noticed(change):
    data = sealed(bytes(3 * CHUNK_BYTES))

    with pytest.raises(Unreadable):
        opened(change(data))
