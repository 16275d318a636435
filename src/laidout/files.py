"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path

__all__ = ["write_atomically"]


def write_atomically(path: str | Path, data: str | bytes) -> None:
    """Write a file so that whoever opens it finds all of it.

    The data goes to a new file beside the old one, which then takes its
    place in one step. A full disk, Ctrl-C or a killed process leaves the old
    file as it was. Text is written as UTF-8, its line ends as they are.

    Raises:
        OSError: if it cannot be written; the message names the file.
    """
    path = Path(path)
    content = data.encode("utf-8") if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_beside_and_rename(path, content)
    except OSError as error:
        reason = error.strerror or error
        raise OSError(error.errno, f"cannot write {path}: {reason}") from None


def _write_beside_and_rename(path: Path, content: bytes) -> None:
    """Write a new file beside the old one, then let it take its place."""
    # 1. Make an unfinished file in the same folder, so that it can be
    #    renamed: a file cannot be renamed from one disk to another.
    number, unfinished = tempfile.mkstemp(
        prefix=f".{path.name}.", suffix=".part", dir=path.parent
    )
    try:
        # 2. Write all of it and wait until it is on the disk.
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # 3. Take the old file's place, with the rights of a new file.
        os.chmod(unfinished, 0o666 & ~_umask())
        os.replace(unfinished, path)
    except BaseException:
        # 4. Leave nothing unfinished behind, whatever went wrong.
        Path(unfinished).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """Return which rights new files are not given (it can only be set)."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
