"""The kernel that executes the book's cells: quiet, vector plots."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from figures.plots import matplotlib_settings

c = get_config()  # type: ignore[name-defined]  # noqa: F821
c.IPKernelApp.log_level = "ERROR"
c.InlineBackend.figure_formats = {"svg"}
c.InlineBackend.rc = matplotlib_settings()
