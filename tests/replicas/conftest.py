"""What is tested here is the control plane's and the commands', and the same on every event loop: it runs once."""
import shutil

import pytest

from harness.once import start_cluster, start_own  # noqa: F401
from harness.postgres import make_folder


@pytest.fixture(scope="module")
def above():
    """A folder for the data of replicas."""
    folder = make_folder()
    yield folder
    shutil.rmtree(folder)
