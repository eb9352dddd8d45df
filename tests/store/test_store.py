"""The store does the same over SQLite and over etcd of one and of three members; and what only etcd can meet: members that die, hang and vote."""
import concurrent.futures
import sqlite3
import time

import pytest

from harness.certificates import Authority
from harness.etcd import Etcd
from harness.wait import PATIENCE, wait_until

from .driver import Driver, Refused

SOON_MS = int(20000 * PATIENCE)   # nothing waits so long when all is well


@pytest.fixture(scope="module")
def clusters():
    """By their number of members."""
    started = {}

    def cluster(members):
        if members not in started:
            started[members] = Etcd(members).start()
        return started[members]

    yield cluster
    for etcd in started.values():
        etcd.close()


@pytest.fixture(params=["sqlite", "etcd of 1", "etcd of 3"])
def start(request, clusters, tmp_path):
    """start() -> a driver; all of them on one store, which is empty at first."""
    drivers = []
    if request.param == "sqlite":
        kind, where = "sqlite", tmp_path / "nanu.db"
    else:
        kind, where = "etcd", {"hosts": clusters(int(request.param[-1])).hosts, "prefix": f"/{tmp_path.name}/", "timeout_ms": int(10000 * PATIENCE)}

    def start_one():
        drivers.append(Driver(kind, where))
        return drivers[-1]

    yield start_one
    for driver in drivers:
        driver.close()


@pytest.fixture
def start_driver():
    drivers = []

    def start_one(etcd, **options):
        drivers.append(Driver("etcd", {"hosts": etcd.hosts, **options}))
        return drivers[-1]

    yield start_one
    for driver in drivers:
        driver.close()


def refused(code, function, *arguments):
    with pytest.raises(Refused) as info:
        function(*arguments)
    assert info.value.code == code, info.value
    return info.value


# ---- both stores ----

def test_a_swap_is_made_under_the_right_revision_only(start):
    store, other = start(), start()
    assert store.get("a") == (None, 0)
    refused("ERR_CONFLICT", store.swap, "a", 1, "x")
    first = store.swap("a", 0, "one")
    assert other.get("a") == ("one", first)
    refused("ERR_CONFLICT", other.swap, "a", 0, "x")
    second = other.swap("a", first, "two ä\n\t\"")
    assert second > first
    refused("ERR_CONFLICT", store.swap, "a", first, "x")
    assert store.get("a") == ("two ä\n\t\"", second)


def test_a_key_that_went_and_came_again_has_another_revision(start):
    store = start()
    first = store.swap("a", 0, "one")
    refused("ERR_CONFLICT", store.swap, "a", first + 1, None)
    assert store.swap("a", first, None) == 0
    assert store.get("a") == (None, 0)
    refused("ERR_CONFLICT", store.swap, "a", first, None)
    assert store.swap("a", 0, "one") > first
    refused("ERR_CONFLICT", store.swap, "a", first, "two")


def test_keys_are_listed_by_their_beginning(start):
    store = start()
    for key in ("b/2", "b/1", "b", "bb", "c/1", "b/%", "b/_"):
        store.swap(key, 0, key.upper())
    assert store.keys("b/") == ["b/%", "b/1", "b/2", "b/_"]
    assert store.keys("b/_") == ["b/_"]
    assert store.keys("x") == []
    assert len(store.keys("")) == 7


def test_threads_of_several_processes_that_race_lose_nothing(start):
    drivers = [start() for _ in range(3)]
    for driver in drivers:
        driver.send("race", "n", 4, 12)
    answers = [driver.hear() for driver in drivers]
    assert all(answer["done"] == 48 and not answer["failed"] and not answer["unknown"] for answer in answers)
    assert drivers[0].get("n")[0] == str(3 * 48)


def test_a_watch_hears_what_another_process_does(start):
    store, watcher = start(), start()
    revision = store.swap("a", 0, "one")
    assert watcher.watch("a", 0, 0) == ("one", revision)
    assert watcher.watch("a", revision, 100) is None
    watcher.send("watch", "a", revision, SOON_MS)
    store.swap("other", 0, "x")
    second = store.swap("a", revision, "two")
    assert watcher.hear() == {"rc": 1, "value": "two", "revision": second}
    watcher.send("watch", "a", second, SOON_MS)
    store.swap("a", second, None)
    assert watcher.hear() == {"rc": 1, "value": None, "revision": 0}


def test_any_change_is_told_to_who_waits_for_one(start):
    store, watcher = start(), start()
    counter = watcher.changed(0, 0) if store.swap("first", 0, "x") else None
    assert watcher.changed(counter, 100) is None
    watcher.send("changed", counter, SOON_MS)
    revision = store.swap("a/b/c", 0, "x")
    answer = watcher.hear()
    assert answer["rc"] == 1 and answer["revision"] >= revision
    watcher.send("changed", answer["revision"], SOON_MS)
    store.swap("a/b/c", revision, None)
    assert watcher.hear()["rc"] == 1


def test_what_is_under_a_lease_goes_when_it_ends(start):
    store, watcher = start(), start()
    lease = store.grant(2000)
    revision = store.swap("a", 0, "held", lease)
    store.swap("b", 0, "free")
    for _ in range(8):      # longer than it lives by itself
        store.call("keep", lease)
        time.sleep(0.4)
    assert watcher.get("a") == ("held", revision)
    assert watcher.watch("a", revision, SOON_MS) == (None, 0)
    assert watcher.keys("") == ["b"]
    refused("ERR_NOT_FOUND", store.call, "keep", lease)
    refused("ERR_NOT_FOUND", store.swap, "c", 0, "late", lease)
    assert store.get("c") == (None, 0)
    assert store.swap("a", 0, "new") > revision


def test_the_end_of_a_lease_is_a_change(start):
    store = start()
    store.swap("a", 0, "held", store.grant(1000))
    counter = store.changed(0, 0)
    assert store.changed(counter, SOON_MS)
    assert store.keys("") == []


def test_a_lease_can_be_ended(start):
    store, other = start(), start()
    lease, kept = store.grant(600000), store.grant(600000)
    store.swap("a", 0, "x", lease)
    store.swap("b", 0, "x", kept)
    other.call("revoke", lease)
    assert other.keys("") == ["b"]
    other.call("revoke", lease)     # again: it has ended, which was wanted
    revision = store.swap("b", store.get("b")[1], "no longer held")
    store.call("revoke", kept)
    assert other.get("b") == ("no longer held", revision)


# ---- SQLite ----

def test_a_file_of_the_older_format_is_taken_over(tmp_path):
    path = tmp_path / "nanu.db"
    with sqlite3.connect(path) as old:
        old.executescript("CREATE TABLE entry (key text PRIMARY KEY, value text NOT NULL, revision integer NOT NULL) WITHOUT ROWID;"
                          "PRAGMA application_id = 1851879029; PRAGMA user_version = 1; INSERT INTO entry VALUES ('topology', 'old', 7)")
    store = Driver("sqlite", path)
    try:
        assert store.get("topology") == ("old", 7)
        assert store.swap("topology", 7, "new") == 8
        # A process of the older nanu that still has it open.
        old.execute("UPDATE entry SET value = 'older', revision = revision + 1 WHERE key = 'topology' AND revision = 8")
        old.commit()
        assert store.get("topology") == ("older", 9)
        assert store.swap("b", 0, "x") == 10
    finally:
        store.close()
        old.close()


# ---- etcd: members that fail ----

def test_a_member_that_is_killed_or_hangs_stalls_nobody(start_etcd, start_driver):
    etcd = start_etcd(3)
    store = start_driver(etcd, timeout_ms=int(8000 * PATIENCE))
    revision = store.swap("a", 0, "1")
    for number, fail in enumerate(("freeze", "kill"), 2):
        member = etcd.members[0]        # the one that is asked first
        getattr(member, fail)()
        revision = store.swap("a", revision, str(number))
        assert store.get("a") == (str(number), revision)
        begin = time.monotonic()
        for _ in range(5):              # who answered last is asked first: only one call pays for it
            store.get("a")
        assert time.monotonic() - begin < 2 * PATIENCE
        member.thaw()
        if fail == "kill":
            member.start()
        wait_until(etcd.ready, "all members are well", interval_s=0.1)


def test_a_watch_hears_although_its_member_dies_or_hangs(start_etcd, start_driver):
    etcd = start_etcd(3)
    store, watcher = start_driver(etcd), start_driver(etcd)
    revision = store.swap("a", 0, "0")
    watcher.get("a")
    watcher.send("watch", "a", revision, SOON_MS)
    etcd.members[0].kill()
    second = store.swap("a", revision, "1")
    assert watcher.hear()["revision"] == second


def test_races_while_the_leader_moves_and_dies_count_exactly(start_etcd, start_driver):
    """Answers are lost here. What was said to be done was done, once, and nothing else but what nobody could know of."""
    etcd = start_etcd(3)
    drivers = [start_driver(etcd, timeout_ms=int(10000 * PATIENCE)) for _ in range(2)]
    for driver in drivers:
        driver.send("race", "n", 4, 60)
    etcd.move_leader()
    leader = wait_until(etcd.leader, "etcd has a leader")
    leader.freeze()
    wait_until(lambda: etcd.leader() not in (None, leader), "there is another leader", interval_s=0.1)
    leader.thaw()
    leader = wait_until(etcd.leader, "etcd has a leader", interval_s=0.1)
    leader.kill()
    wait_until(lambda: etcd.leader() not in (None, leader), "there is another leader", interval_s=0.1)
    answers = [driver.hear() for driver in drivers]
    done, unknown = (sum(answer[name] for answer in answers) for name in ("done", "unknown"))
    count = int(drivers[0].get("n")[0])
    assert done <= count <= done + unknown
    assert done + unknown == 2 * 4 * 60
    assert unknown < 40     # nearly all lost answers are found again


def test_a_swap_whose_answer_was_lost_is_never_taken_for_failed(start_etcd, start_driver):
    """A leader that hangs in the middle of it: the swap is done by the others, or later; never is a conflict told that is one's own doing."""
    etcd = start_etcd(3)
    store = start_driver(etcd, timeout_ms=int(10000 * PATIENCE))
    revision = store.swap("a", 0, "0")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for number in range(1, 4):
            leader = wait_until(etcd.leader, "etcd has a leader", interval_s=0.05)
            asked = pool.submit(store.swap, "a", revision, str(number))
            leader.freeze()
            revision = asked.result()
            assert store.get("a") == (str(number), revision)
            leader.thaw()
            wait_until(etcd.ready, "all members are well", interval_s=0.1)
            assert store.get("a") == (str(number), revision)


def test_a_store_that_hangs_is_given_up_in_time_and_the_outcome_is_unknown(start_etcd, start_driver):
    etcd = start_etcd()
    store = start_driver(etcd, timeout_ms=1500)
    revision = store.swap("a", 0, "one")
    etcd.members[0].freeze()
    begin = time.monotonic()
    assert "no answer in time" in refused("ERR_IO", store.get, "a").message
    assert refused("ERR_UNKNOWN_OUTCOME", store.swap, "a", revision, "two").sqlstate == "08007"
    assert time.monotonic() - begin < 8 * PATIENCE
    etcd.members[0].thaw()
    value, now = wait_until(lambda: store.get("a"), "etcd answers")
    assert (value, now) == ("one", revision) or value == "two"
    assert store.swap("b", 0, "x") > revision


def test_a_store_that_is_gone_says_so_and_one_that_is_back_serves(start_etcd, start_driver):
    etcd = start_etcd()
    store = start_driver(etcd, timeout_ms=1000)
    revision = store.swap("a", 0, "one")
    etcd.members[0].kill()
    error = refused("ERR_IO", store.swap, "a", revision, "two")       # nothing was sent: it is known that it was not done
    assert etcd.members[0].url in error.message and error.hint
    etcd.members[0].start()
    wait_until(etcd.ready, "etcd is back", interval_s=0.1)
    assert store.get("a") == ("one", revision)


def test_a_store_that_was_restored_from_an_old_copy_counts_back(start_etcd, start_driver):
    etcd = start_etcd()
    store = start_driver(etcd)
    old = store.swap("a", 0, "old")
    copy = etcd.snapshot()
    revision = store.swap("a", old, "new")
    counter = store.changed(0, 0)
    etcd.restore(copy)
    assert store.changed(counter, SOON_MS) < counter
    assert store.get("a") == ("old", old)
    refused("ERR_CONFLICT", store.swap, "a", revision, "newer")
    assert store.swap("a", old, "other")


# ---- etcd: limits, users, TLS ----

def test_a_value_that_etcd_does_not_take_is_refused_with_the_reason(start_etcd, start_driver):
    store = start_driver(start_etcd())
    store.call("fill", "a", 1000000)
    assert "--max-request-bytes" in refused("ERR_LIMIT", store.call, "fill", "b", 2500000).hint
    assert store.keys("") == ["a"]


def test_users_log_in_and_again_when_the_token_is_forgotten(start_etcd, start_driver):
    etcd = start_etcd()
    for command in (("user", "add", "root:top"), ("user", "grant-role", "root", "root"), ("user", "add", "nanu:secret"), ("role", "add", "nanu"),
                    ("role", "grant-permission", "nanu", "--prefix=true", "readwrite", "/test/"), ("user", "grant-role", "nanu", "nanu")):
        etcd.ctl(*command)
    assert "switched off" in refused("ERR_CONFIG", lambda: start_driver(etcd, user="nanu", password="secret")).message
    etcd.ctl("auth", "enable")
    etcd.client = ["--user", "root:top"]
    assert "etcd_user" in refused("ERR_AUTH", lambda: start_driver(etcd)).hint
    refused("ERR_AUTH", lambda: start_driver(etcd, user="nanu", password="wrong"))
    refused("ERR_PERMISSION", lambda: start_driver(etcd, user="nanu", password="secret", prefix="/others/"))
    store = start_driver(etcd, user="nanu", password="secret")
    revision = store.swap("a", 0, "one")
    etcd.members[0].stop()      # tokens are in its memory
    etcd.members[0].start()
    wait_until(etcd.ready, "etcd is back", interval_s=0.1)
    assert store.swap("a", revision, "two") > revision
    assert store.watch("a", revision, SOON_MS)[0] == "two"
    etcd.ctl("role", "grant-permission", "nanu", "read", "/elsewhere")      # now the tokens are of an older state of the users
    assert store.get("a")[0] == "two"


def test_tls_proves_who_both_are(start_etcd, start_driver, tmp_path):
    authority, stranger = Authority(tmp_path, "authority"), Authority(tmp_path, "stranger")
    server, client = authority.issue("server", "etcd"), authority.issue("client", "nanu")
    etcd = start_etcd(scheme="https", options=["--cert-file", server.certificate, "--key-file", server.key, "--client-cert-auth",
                                               "--trusted-ca-file", authority.certificate],
                      client=["--cacert", authority.certificate, "--cert", client.certificate, "--key", client.key])
    mine = {"cert_file": str(client.certificate), "key_file": str(client.key), "timeout_ms": 1500}
    store = start_driver(etcd, ca_file=str(authority.certificate), **mine)
    revision = store.swap("a", 0, "one")
    assert store.watch("a", 0, 0) == ("one", revision)
    refused("ERR_IO", lambda: start_driver(etcd, ca_file=str(stranger.certificate), **mine))
    refused("ERR_IO", lambda: start_driver(etcd, ca_file=str(authority.certificate), timeout_ms=1500))


@pytest.mark.parametrize("hosts", ["", "127.0.0.1:2379", "http://", "ftp://127.0.0.1", "http://me:secret@127.0.0.1:2379", "http://a:1,,http://b:2",
                                   "http://127.0.0.1:2379/v3"])
def test_addresses_that_are_none_are_refused(hosts):
    assert refused("ERR_CONFIG", lambda: Driver("etcd", {"hosts": hosts})).hint
