"""What the Python programs share: the data of the checks, and how a check is run and told of. README.md says what a program is."""
import contextlib
import datetime
import hashlib
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
OTHER_ROOT = os.environ["NANU_OTHER_ROOT"]      # of an authority that did not issue the router's certificate
LARGE = (b"0123456789abcdefghijklmnopqrstuvwxyz nanu\n" * 500000)[:20_000_000]
MOMENT = datetime.datetime(2024, 2, 29, 12, 34, 56, 789012, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
# On the first shard, as every query of the catalog is.
SLEEP = "SELECT pg_sleep(60) FROM plain WHERE id = 1"
SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
WAIT_S = 30


def table(name):
    lines = (HERE / name).read_text().splitlines()[1:]
    return [line.split("\t") for line in lines]


ERRORS, LEAKS = table("errors.tsv"), table("leaks.tsv")


def expect(found, wanted, about=""):
    if found != wanted:
        raise AssertionError(f"{about}: found {str(found)[:400]}, wanted {str(wanted)[:400]}")


def fails(kind, call, *arguments, **more):
    """The error of this kind that the call ends with."""
    try:
        call(*arguments, **more)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} from {call.__name__} {str(arguments)[:200]}")


@contextlib.contextmanager
def failing(kind):
    """The same, for a block."""
    try:
        yield
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


def md5(data):
    return hashlib.md5(data).hexdigest()


def until(condition):
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not come to be")
        time.sleep(0.01)


def run(names):
    """Runs the functions check_… among these, or those that the command line names; one line each."""
    for name, check in list(names.items()):
        if not name.startswith("check_") or sys.argv[1:] and name[6:] not in sys.argv[1:]:
            continue
        try:
            check()
            print(f"ok {name[6:]}", flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"not ok {name[6:]}: {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
