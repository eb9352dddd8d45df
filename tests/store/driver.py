"""A process with a store of its own, which does what it is told: see store_driver.c."""
import json
import os
import pathlib
import subprocess

from harness.router import NANU

DRIVER = NANU.parent / "tests" / "store" / "store_driver"


class Refused(Exception):
    def __init__(self, answer):
        super().__init__(f"{answer['error']}: {answer['message']}")
        self.code, self.sqlstate, self.message, self.hint = (answer[name] for name in ("error", "sqlstate", "message", "hint"))


class Driver:
    def __init__(self, kind, where):
        self.popen = subprocess.Popen([DRIVER, kind, where if isinstance(where, (str, pathlib.Path)) else json.dumps(where)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        self.hear()

    def hear(self):
        line = self.popen.stdout.readline()
        if not line:
            raise RuntimeError(f"the driver ended with {self.popen.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer)
        return answer

    def send(self, *call):
        """hear() has the answer."""
        self.popen.stdin.write(json.dumps(call) + "\n")
        self.popen.stdin.flush()

    def call(self, *call):
        self.send(*call)
        return self.hear()

    def get(self, key):
        answer = self.call("get", key)
        return answer["value"], answer["revision"]

    def swap(self, key, revision, value, lease=0):
        return self.call("swap", key, revision, value, lease)["revision"]

    def watch(self, key, revision, wait_ms):
        """(value, revision), or None when nothing changed."""
        answer = self.call("watch", key, revision, wait_ms)
        return (answer["value"], answer["revision"]) if answer["rc"] else None

    def changed(self, revision, wait_ms):
        """The counter as it is then, or None."""
        answer = self.call("changed", revision, wait_ms)
        return answer["revision"] if answer["rc"] else None

    def keys(self, prefix):
        return [key for key, _, _ in self.call("list", prefix)["items"]]

    def grant(self, ttl_ms):
        return self.call("grant", ttl_ms)["lease"]

    def close(self):
        self.popen.stdin.close()
        self.popen.stdout.close()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
