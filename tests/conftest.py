"""Settings for all tests."""

import os

import pytest
import torch
from hypothesis import settings

# One thread: the tensors are tiny, and the results do not depend on cores.
torch.set_num_threads(1)

# Whatever a test builds of the book, the page that trains does so for seconds.
os.environ["LAIDOUT_FAST"] = "1"

# No deadline, for a busy machine is no bug. On the server the examples are
# always the same ones, so that a red build is the fault of the change.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def the_same_random_state_for_every_test() -> None:
    """Let no test depend on the ones that ran before it."""
    torch.manual_seed(0)
