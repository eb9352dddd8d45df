"""What is tested here is the control plane's and the commands', and the same on every event loop: it runs once."""
from harness.once import start_cluster, start_own  # noqa: F401
