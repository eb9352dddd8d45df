"""The drivers: what is run for each, and the checks that its program has."""
import os
import pathlib
import subprocess
import sys

from harness.postgres import PROGRAMS as SERVER_PROGRAMS

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
BUILT = ROOT / "build-drivers"          # compiled once, and again when the source is newer

CHECKS = ["connect", "prepared", "types", "pipeline", "transaction", "copy", "cancel", "error", "large", "leak"]
RUN_S_MAX = 120


class Driver:
    """argv: of the program; compile: the command that makes `made` of `source`; without, more: checks that it lacks and has beyond CHECKS."""

    def __init__(self, *argv, source=None, compile=None, made=None, env=None, without=(), more=()):
        self.argv, self.source, self.compile, self.made, self.env = argv, source, compile, made, env or {}
        self.checks = [check for check in CHECKS if check not in without] + list(more)

    def build(self):
        if not self.compile or self.made.exists() and self.made.stat().st_mtime > self.source.stat().st_mtime:
            return
        BUILT.mkdir(exist_ok=True)
        done = subprocess.run(self.compile, capture_output=True, text=True, env=dict(os.environ, **self.env), timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, env):
        """{check: "ok", or why not}, and all that the program said."""
        self.build()
        try:
            done = subprocess.run(self.argv, capture_output=True, text=True, errors="replace", timeout=RUN_S_MAX, cwd=PROGRAMS,
                                  env=dict(os.environ, **self.env, **env))
            said = f"{done.stdout}\n{done.stderr}\nexit status {done.returncode}"
        except subprocess.TimeoutExpired as late:
            said = "\n".join((text or b"").decode(errors="replace") for text in (late.stdout, late.stderr)) + f"\nnot done after {RUN_S_MAX} s"
        results = {}
        for line in said.splitlines():
            if line.startswith("ok "):
                results[line[3:]] = "ok"
            elif line.startswith("not ok "):
                check, _, why = line[7:].partition(": ")
                results[check] = why
        return results, said


def python(name, **more):
    return Driver(sys.executable, PROGRAMS / f"py_{name}.py", env={"PYTHONDONTWRITEBYTECODE": "1"}, **more)


GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(BUILT / "go"), "GOFLAGS": "", "GOTOOLCHAIN": "local"}
JDBC = "/usr/share/java/postgresql.jar"

DRIVERS = {
    "psql": Driver(PROGRAMS / "psql.sh", env={"NANU_PSQL": str(SERVER_PROGRAMS / "psql")}, more=["catalog"]),
    "psycopg3": python("psycopg3"),
    # Neither psycopg2 nor SQLAlchemy over it has a pipeline, or sends statements without waiting otherwise than over sockets of its own.
    "psycopg2": python("psycopg2", without=["pipeline"]),
    "sqlalchemy": python("sqlalchemy", without=["pipeline"], more=["orm", "migrations"]),
    "jdbc": Driver("java", "-XX:TieredStopAtLevel=1", "-cp", f"{JDBC}:{BUILT}", "Jdbc", source=PROGRAMS / "Jdbc.java", made=BUILT / "Jdbc.class",
                   compile=["javac", "-cp", JDBC, "-d", BUILT, PROGRAMS / "Jdbc.java"], more=["metadata"]),
    "node-pg": Driver("node", PROGRAMS / "node.js", env={"NODE_PATH": f"/usr/share/nodejs:{ROOT / 'build-node' / 'node_modules'}"},
                      more=["listen"]),
    "dbd-pg": Driver("/usr/bin/perl", PROGRAMS / "perl.pl"),
    "libpqxx": Driver(BUILT / "pqxx", source=PROGRAMS / "pqxx.cpp", made=BUILT / "pqxx",
                      compile=["g++", "-std=c++17", "-O0", "-o", BUILT / "pqxx", PROGRAMS / "pqxx.cpp", "-lpqxx", "-lpq", "-pthread"]),
    "pgx": Driver(BUILT / "pgx", source=PROGRAMS / "pgx.go", made=BUILT / "pgx", env=GO,
                  compile=["/usr/bin/go", "build", "-o", BUILT / "pgx", PROGRAMS / "pgx.go"]),
    "php": Driver("/usr/bin/php", PROGRAMS / "php.php", more=["pdo"]),
    "ruby-pg": Driver("/usr/bin/ruby", PROGRAMS / "ruby.rb"),
}
