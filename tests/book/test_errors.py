"""How the command says that the book cannot be built."""

import subprocess
import sys
from pathlib import Path

from book.tiny import BOOK, TinyBook


def test_the_command_ends_with_one_line_that_says_what_is_wrong(
    tmp_path: Path,
) -> None:
    book = TinyBook(tmp_path).page(":::{paper} 3.2.9\nWords.\n:::")
    lines = [f"{key} = {value!r}" for key, value in book.settings.items()]
    path = f"import sys\nsys.path[:0] = {[str(BOOK), str(BOOK / '_ext')]!r}"
    book.write({"conf.py": "\n".join([path, *lines])})
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "dummy"]
    done = subprocess.run(
        [*command, str(book.source), str(tmp_path / "build")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert done.stderr.splitlines() == [
        f"Book error: {book.source / 'index.md'}:3: {{paper}} 3.2.9: the "
        "paper has no such section; the nearest name is '3.2.3'"
    ]
