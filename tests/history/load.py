"""Many clients at work, and what they make of it: see load_main.c."""
import json
import subprocess
import threading
import time

from harness.router import NANU
from harness.wait import PATIENCE, wait_until

BUILT = NANU.parent / "tests" / "history"
REST_S = 0.01


class Load:
    """Runs from the beginning; finish() has the verdict."""

    def __init__(self, **options):
        self.popen = subprocess.Popen([BUILT / "load", json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.operations, self.enough, self.verdict = 0, False, None
        self.hearing = threading.Thread(target=self.hear, daemon=True)
        self.hearing.start()

    def hear(self):
        for line in self.popen.stdout:
            if line.startswith("{"):
                self.verdict = json.loads(line)
            elif line == "enough\n":
                self.enough = True
            else:
                self.operations = int(line)

    def go_on(self, operations, seconds):
        """Returns when so many more have been done, and so much time has passed."""
        until, end = self.operations + operations, time.monotonic() + seconds
        wait_until(lambda: self.popen.poll() is not None or self.operations >= until and time.monotonic() >= end, f"{operations} operations are done",
                   timeout_s=60, interval_s=REST_S)
        assert self.popen.poll() is None, "the load has ended"

    def finish(self):
        """Nothing disturbs the servers any more."""
        self.popen.stdin.write("quiet\n")
        self.popen.stdin.close()
        self.hearing.join(120 * PATIENCE)
        assert self.popen.wait(10) == 0 and self.verdict
        return self.verdict

    def kill(self):
        self.popen.kill()
        self.popen.wait()
        self.hearing.join()
