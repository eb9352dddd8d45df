"""Several routers on one etcd: what one changes the others have before it takes effect, nothing is ever sent by an old topology, and a store that is
away, or old, stops changes and not statements."""
import concurrent.futures
import contextlib
import itertools
import signal
import threading
import time

import psycopg
import pytest

from harness.wait import PATIENCE, wait_until


def tables(cluster):
    return [row[0] for row in cluster.execute("SELECT name FROM nanu.tables WHERE NOT being_sharded ORDER BY name")]


def epoch(cluster):
    return cluster.execute("SELECT epoch FROM nanu.router")[0][0]


def state(cluster):
    return cluster.execute("SELECT store_state FROM nanu.router")[0][0]


def routers(cluster):
    """name -> whether it is heard from."""
    return dict(cluster.execute("SELECT name, heard FROM nanu.routers"))


def make(cluster, name):
    cluster.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, value text)")


def shard(cluster, name):
    return cluster.execute(f"SELECT nanu.shard_table('{name}', key => 'id')")


def is_refused(run):
    try:
        run()
    except psycopg.errors.FeatureNotSupported:
        return True
    return False


def rows_of(cluster, name):
    """Of each node, past the routers: (number of rows, number of rows that belong on another node)."""
    found = []
    count = len(cluster.servers)
    slice_size = 2 ** 64 // count
    for place in range(count):
        with cluster.connect_node(place) as conn:
            low = -2 ** 63 + place * slice_size
            high = -2 ** 63 + (place + 1) * slice_size - 1 if place + 1 < count else 2 ** 63 - 1
            found.append(conn.execute(
                f"SELECT count(*), count(*) FILTER (WHERE hashint8extended(id, 0) NOT BETWEEN {low} AND {high}) FROM {name}").fetchone())
    return found


def all_in_place(cluster, name, expected):
    rows = rows_of(cluster, name)
    assert sum(count for count, _ in rows) == expected, rows
    assert [strays for _, strays in rows] == [0] * len(rows), rows


class Writers:
    """Threads that insert into tables through their router, an id each time: what was acknowledged must be there, once, and in its place."""

    def __init__(self, clusters, names):
        self.names, self.stop, self.ids = names, threading.Event(), itertools.count(1)
        self.done = {name: 0 for name in names}
        self.errors, self.lock = [], threading.Lock()
        self.threads = [threading.Thread(target=self.write, args=(cluster,)) for cluster in clusters for _ in range(2)]
        for thread in self.threads:
            thread.start()

    def write(self, cluster):
        with cluster.connect() as conn:
            while not self.stop.is_set():
                for name in self.names:
                    try:
                        conn.execute(f"INSERT INTO {name} VALUES (%s, 'x')", [next(self.ids)])
                    except psycopg.Error as error:
                        with self.lock:
                            self.errors.append(error)
                        if conn.broken:
                            return
                        if error.sqlstate in ("55000", "40001"):        # being sharded
                            time.sleep(0.005)
                            continue
                        return
                    with self.lock:
                        self.done[name] += 1

    def count(self):
        with self.lock:
            return sum(self.done.values())

    def go_on(self, more=20):
        before = self.count()
        wait_until(lambda: self.count() > before + more or not any(thread.is_alive() for thread in self.threads), "the writers go on")

    def end(self):
        """The errors that were none of a table's being sharded."""
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return [error for error in self.errors if error.sqlstate not in ("55000", "40001")]


@contextlib.contextmanager
def writers(clusters, names):
    running = Writers(clusters, names)
    try:
        running.go_on()
        yield running
    finally:
        problems = running.end()
    assert not problems, problems


def test_what_one_router_shards_the_other_has_at_once(start_etcd, start_routers):
    one, two = start_routers(start_etcd())
    wait_until(lambda: routers(one) == {"r1": True, "r2": True}, "each knows of the other")
    for number, (here, there) in enumerate([(one, two), (two, one), (one, two)]):
        make(here, f"t{number}")
        shard(here, f"t{number}")
        assert tables(there) == [f"t{i}" for i in range(number + 1)]
        assert epoch(here) == epoch(there)
        with there.connect() as conn:
            for i in range(50):
                conn.execute(f"INSERT INTO t{number} VALUES (%s, 'x')", [i])
        all_in_place(one, f"t{number}", 50)
    one.execute("DROP TABLE t0")
    assert tables(two) == ["t1", "t2"]
    two.execute("ALTER TABLE t1 RENAME TO renamed")
    assert tables(one) == ["renamed", "t2"]
    assert one.execute("SELECT count(*) FROM renamed") == [(50,)]


def test_definitions_through_one_router_are_known_to_the_other_when_they_are_answered(start_etcd, start_routers):
    """What the other keeps of the schema is what it plans by."""
    one, two = start_routers(start_etcd())
    make(one, "t")
    shard(one, "t")
    for i in (1, 2):
        two.execute("INSERT INTO t VALUES (%s, 'x')", [i])
    with one.connect() as here, two.connect() as there:
        here.execute("CREATE FUNCTION look() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
        assert there.execute("SELECT look()").fetchone() == (1,)
        here.execute("CREATE OR REPLACE FUNCTION look() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t'")
        with pytest.raises(psycopg.errors.FeatureNotSupported):         # it would count the rows of one shard
            there.execute("SELECT look()")
        here.execute("ALTER TABLE t ADD COLUMN more int DEFAULT 7")
        assert there.execute("SELECT id, more FROM t ORDER BY id").fetchall() == [(1, 7), (2, 7)]


def test_definitions_through_both_at_once_are_known_to_both(start_etcd, start_routers):
    """One's word of its own must not hide the other's."""
    one, two = start_routers(start_etcd())
    make(one, "t")
    shard(one, "t")

    def define(cluster, name, body):
        cluster.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS bigint LANGUAGE sql AS '{body}'")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for number in range(6):
            names = (f"a{number}", f"b{number}")
            for body, check in (("SELECT 1::bigint", lambda run: run() == [(1,)]), ("SELECT count(*) FROM t", is_refused)):
                for done in [pool.submit(define, cluster, name, body) for cluster, name in zip((one, two), names)]:
                    done.result()
                for cluster in (one, two):
                    for name in names:
                        assert check(lambda: cluster.execute(f"SELECT {name}()"))


def test_definitions_while_the_store_is_away_are_told_when_it_is_back(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd, etcd_timeout=500)
    make(one, "t")
    shard(one, "t")
    one.execute("CREATE FUNCTION look() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'")
    assert two.execute("SELECT look()") == [(1,)]
    etcd.members[0].kill()
    wait_until(lambda: state(one) == "away", "it is noticed")
    one.execute("CREATE OR REPLACE FUNCTION look() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM t'")
    etcd.members[0].start()

    wait_until(lambda: is_refused(lambda: two.execute("SELECT look()")), "the other router knows what the function does")


def test_sharding_through_both_at_once_under_load_places_every_row(start_etcd, start_routers):
    etcd = start_etcd(3)
    one, two = start_routers(etcd)
    names = [f"t{i}" for i in range(6)]
    for name in [*names, "own"]:
        make(one, name)

    def shard_half(cluster, mine):
        for name in mine:
            wait_until(lambda: shard_empty(cluster, name), f"{name} is sharded", interval_s=0.05)

    def shard_empty(cluster, name):
        try:
            shard(cluster, name)
        except psycopg.errors.SerializationFailure:
            return False
        return True

    with writers([one, two], ["own"]):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            halves = [pool.submit(shard_half, one, names[::2]), pool.submit(shard_half, two, names[1::2])]
            etcd.move_leader()
            for half in halves:
                half.result()
    assert tables(one) == tables(two) == names
    with writers([one, two], names) as running:
        running.go_on(200)
    for name in names:
        all_in_place(one, name, running.done[name])


def test_inserts_through_the_other_router_while_a_table_is_sharded_are_refused_or_in_place(start_etcd, start_routers):
    """The table is emptied by each round, so that it can be sharded while everybody tries to write into it."""
    one, two = start_routers(start_etcd())
    for number in range(8):
        name = f"t{number}"
        make(one, name)
        stop, done = threading.Event(), []

        def write():
            with two.connect() as conn:
                for i in itertools.count():
                    try:
                        conn.execute(f"INSERT INTO {name} VALUES (%s, 'x')", [i])
                        done.append(i)
                    except psycopg.errors.ObjectNotInPrerequisiteState:
                        pass
                    if stop.is_set():
                        return

        with two.connect() as conn, concurrent.futures.ThreadPoolExecutor(2) as pool:
            conn.execute("SELECT 1")
            sharding = pool.submit(shard, one, name)
            writing = pool.submit(write)
            try:
                sharding.result()
                sharded = True
            except psycopg.errors.ObjectNotInPrerequisiteState as error:        # "has rows": a writer was faster
                assert "has rows" in str(error)
                sharded = False
            stop.set()
            writing.result()
        if sharded:
            all_in_place(one, name, len(done))
        else:
            assert rows_of(one, name)[0][0] == len(done) and rows_of(one, name)[1][0] == 0
            assert name not in tables(two)


def test_the_store_away_stops_changes_and_not_statements(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd, etcd_timeout=1000)
    make(one, "t")
    shard(one, "t")
    make(one, "later")
    with writers([one, two], ["t"]) as running:
        etcd.members[0].kill()
        wait_until(lambda: state(one) == "away" and state(two) == "away", "both routers notice")
        running.go_on(200)
        with pytest.raises(psycopg.Error) as info:
            shard(one, "later")
        assert info.value.sqlstate == "58030" and "etcd does not answer" in str(info.value)
        running.go_on(200)
        etcd.members[0].start()
        wait_until(lambda: state(one) == "ok" and state(two) == "ok", "both routers notice")
        wait_until(lambda: routers(one) == {"r1": True, "r2": True}, "both are heard from again")
        shard(two, "later")
        running.go_on()
    assert tables(one) == ["later", "t"]
    all_in_place(one, "t", running.done["t"])
    for cluster in (one, two):
        log = cluster.router.log.read_text()
        assert log.count("the store is away") == 1 and log.count("the store is back") == 1, log


def test_a_store_that_hangs_for_longer_than_a_lease_is_no_reason_to_forget_anybody(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd, etcd_timeout=1000)
    make(one, "t")
    etcd.members[0].freeze()
    wait_until(lambda: state(one) == "away" and state(two) == "away", "both routers notice")
    time.sleep(5 * PATIENCE)    # the leases have ended when etcd wakes
    assert one.execute("SELECT 1") == two.execute("SELECT 1") == [(1,)]
    etcd.members[0].thaw()
    wait_until(lambda: state(one) == "ok" and routers(one) == {"r1": True, "r2": True}, "both are heard from again")
    shard(one, "t")
    assert tables(two) == ["t"]


def test_a_router_that_was_killed_keeps_changes_from_being_made_until_it_is_back_or_forgotten(start_etcd, start_routers):
    one, two, three = start_routers(start_etcd(), count=3)
    make(one, "t")
    make(one, "u")
    two.router.kill()
    wait_until(lambda: routers(one)["r2"] is False, "its lease ends")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as info:
        shard(one, "t")
    assert '"r2"' in str(info.value) and "nanu.forget_router('r2')" in info.value.diag.message_hint
    assert tables(one) == [] and one.execute("SELECT count(*) FROM t") == [(0,)]
    two.router.start()      # of the same name and place: it takes its own place
    assert wait_until(lambda: routers(one) == {"r1": True, "r2": True, "r3": True}, "it is back")
    shard(one, "t")
    assert tables(two) == tables(three) == ["t"]
    two.router.kill()
    with one.connect() as conn:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as info:        # as long as its lease lasts
            conn.execute("SELECT nanu.forget_router('r2')")
        wait_until(lambda: routers(one)["r2"] is False, "its lease ends")
        with pytest.raises(psycopg.errors.UndefinedObject):
            conn.execute("SELECT nanu.forget_router('r9')")
        conn.execute("SELECT nanu.forget_router('r2')")
    assert routers(one) == {"r1": True, "r3": True}
    shard(one, "u")
    assert tables(three) == ["t", "u"]


def test_a_router_that_ends_well_is_waited_for_by_nobody(start_etcd, start_routers):
    one, two = start_routers(start_etcd())
    two.router.stop()
    make(one, "t")
    shard(one, "t")
    wait_until(lambda: routers(one) == {"r1": True}, "it is no member any more")
    two.router.start()
    assert tables(two) == ["t"]


def test_a_router_that_hangs_fails_the_change_which_is_taken_back(start_etcd, start_routers):
    one, two = start_routers(start_etcd())
    make(one, "t")
    two.router.program.popen.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as info:
            shard(one, "t")
        assert '"r2"' in str(info.value)
        one.execute("INSERT INTO t VALUES (1, 'x')")
    finally:
        two.router.program.popen.send_signal(signal.SIGCONT)
    wait_until(lambda: epoch(two) == epoch(one), "it has what there is")
    assert two.execute("SELECT count(*) FROM t") == [(1,)]
    two.execute("DELETE FROM t")
    shard(two, "t")
    assert tables(one) == ["t"]


def test_a_router_that_dies_while_it_shards_leaves_nothing_behind(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd)
    make(one, "t")
    asking = one.connect()
    with one.connect_node() as conn:
        conn.execute("BEGIN")
        conn.execute("LOCK TABLE t IN ACCESS SHARE MODE")       # it waits here, after it has announced
        asking.pgconn.send_query(b"SELECT nanu.shard_table('t', key => 'id')")
        wait_until(lambda: two.execute("SELECT being_sharded FROM nanu.tables") == [(True,)], "the other one knows")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            two.execute("INSERT INTO t VALUES (1, 'x')")
        one.router.kill()
        conn.execute("COMMIT")
    asking.close()
    wait_until(lambda: routers(two)["r1"] is False, "its lease ends")
    two.execute("SELECT nanu.forget_router('r1')")
    assert two.execute("SELECT * FROM nanu.tables") == []
    two.execute("INSERT INTO t VALUES (1, 'x')")
    one.router.start()
    assert one.execute("SELECT count(*) FROM t") == [(1,)]


def test_a_store_restored_from_an_old_copy_is_noticed_and_not_followed(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd, etcd_timeout=2000)
    make(one, "before")
    shard(one, "before")
    copy = etcd.snapshot()
    make(one, "after")
    shard(one, "after")
    newest = epoch(one)
    with writers([one, two], ["before", "after"]) as running:
        etcd.restore(copy)
        wait_until(lambda: "old copy" in state(one) and "old copy" in state(two), "both routers notice")
        running.go_on(200)
        assert epoch(one) == epoch(two) == newest and tables(one) == tables(two) == ["after", "before"]
        make(one, "next")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState) as info:
            shard(one, "next")
        assert "nanu.restore_topology()" in info.value.diag.message_hint
        two.execute("SELECT nanu.restore_topology()")
        wait_until(lambda: state(one) == state(two) == "ok", "both have it again")
        wait_until(lambda: routers(one) == {"r1": True, "r2": True}, "both are heard from")
        shard(one, "next")
    assert tables(one) == tables(two) == ["after", "before", "next"]
    for name in ("before", "after"):
        all_in_place(one, name, running.done[name])


def test_a_router_does_not_start_by_a_topology_older_than_it_has_served_by(start_etcd, start_routers):
    etcd = start_etcd()
    one, two = start_routers(etcd, etcd_timeout=2000)
    make(one, "t")
    copy = etcd.snapshot()
    shard(one, "t")
    one.router.stop()
    two.router.stop()
    etcd.restore(copy)
    with pytest.raises(RuntimeError) as info:
        one.router.start()
    assert "this router has served by epoch" in str(info.value) and "nanu.db-epoch" in str(info.value)
    for cluster in (one, two):
        (cluster.router.folder / "nanu.db-epoch").unlink()      # the operator knows better
        cluster.router.start()
    assert tables(one) == tables(two) == []


def test_a_start_without_the_store_fails_and_says_why(start_etcd, start_routers):
    etcd = start_etcd()
    one, = start_routers(etcd, count=1, etcd_timeout=500)
    one.router.stop()
    etcd.members[0].kill()
    with pytest.raises(RuntimeError) as info:
        one.router.start()
    assert "etcd does not answer" in str(info.value) and etcd.members[0].url in str(info.value)
    etcd.members[0].start()
    wait_until(etcd.ready, "etcd is back", interval_s=0.1)
    one.router.start()


def test_two_routers_of_one_name_are_refused(start_etcd, start_routers):
    one, two = start_routers(start_etcd())
    two.router.stop()
    two.router.settings["router_name"] = "r1"
    two.router.configure()
    with pytest.raises(RuntimeError) as info:
        two.router.start()
    assert 'another router "r1"' in str(info.value)
    assert routers(one) == {"r1": True}
    two.router.settings["router_name"] = "r2"
    two.router.configure()
    two.router.start()


def test_a_take_over_is_two_processes_that_both_confirm(start_etcd, start_routers):
    one, two = start_routers(start_etcd())
    make(one, "t")
    with one.connect() as before:
        before.execute("SELECT 1")
        old = one.router.take_over()
        assert wait_until(lambda: two.execute("SELECT name, heard FROM nanu.routers ORDER BY name") ==
                          [("r1", True), ("r1", True), ("r2", True)], "both processes are there")
        shard(two, "t")
        for i in range(50):
            before.execute("INSERT INTO t VALUES (%s, 'x')", [i])       # the old process has it, too
    wait_until(old.ended, "the old process ends")
    all_in_place(one, "t", 50)
    wait_until(lambda: routers(two) == {"r1": True, "r2": True} and len(two.execute("SELECT * FROM nanu.routers")) == 2, "it took itself out")


def test_passwords_are_not_shown(start_etcd, start_routers):
    etcd = start_etcd()
    for command in (("user", "add", "root:top"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
        etcd.ctl(*command)
    etcd.client = ["--user", "root:top"]
    one, = start_routers(etcd, count=1, etcd_user="root", etcd_password="top")
    assert one.execute("SELECT value FROM nanu.settings WHERE name = 'etcd_password'") == [("(hidden)",)]
    assert one.execute("SELECT store, store_state FROM nanu.router") == [("etcd", "ok")]
