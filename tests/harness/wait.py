"""Waiting for conditions, never for a fixed time."""
import os
import time

# Sanitizers and slow machines: every limit of time is multiplied by this.
PATIENCE = float(os.environ.get("NANU_TEST_PATIENCE", "1"))
INTERVAL_S = 0.01


def wait_until(condition, what, timeout_s=30, interval_s=INTERVAL_S):
    """Returns the first true value of condition(); fails, naming `what`, when there is none in time."""
    end = time.monotonic() + timeout_s * PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not so after {timeout_s * PATIENCE:.0f} s")
        time.sleep(interval_s)
