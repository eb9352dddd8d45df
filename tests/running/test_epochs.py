"""The note of the newest epoch that a router has served by, beside its store: an old copy of that is not served by, and what was never stored is not missed."""
import subprocess

import psycopg
import pytest

from harness.router import NANU

from .test_takeover import shard, tables

ONE_LOOP = "epoll"


def refused(cluster):
    done = subprocess.run([NANU, "serve", "--config", cluster.router.config], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "nanu.db-epoch" in done.stderr
    return done.stderr


@pytest.mark.parametrize("how", ["an old copy", "lost"])
def test_a_store_that_is_older_than_what_was_served_by_is_refused(start_own, how):
    cluster = start_own(shards=2)
    folder = cluster.router.folder
    cluster.router.stop()
    copy = {path: path.read_bytes() for path in folder.glob("nanu.db*") if "lock" not in path.name and "epoch" not in path.name}
    cluster.router.start()
    cluster.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
    assert shard(cluster)
    cluster.router.stop()
    good = {path: path.read_bytes() for path in folder.glob("nanu.db*") if "lock" not in path.name and "epoch" not in path.name}
    for path in good:
        path.unlink()
    for path, content in copy.items() if how == "an old copy" else ():
        path.write_bytes(content)
    assert "this router has served by epoch" in refused(cluster)
    for path in folder.glob("nanu.db"):
        path.unlink()
    for path, content in good.items():
        path.write_bytes(content)
    cluster.router.start()
    with cluster.connect() as conn:
        assert tables(conn) == [("t",)]


@pytest.mark.parametrize("why", ["it has rows", "it is locked"])
def test_a_change_that_failed_was_not_stored(start_own, why):
    cluster = start_own(shards=2)
    cluster.execute("CREATE TABLE t (k bigint PRIMARY KEY)")
    with cluster.connect_node() as conn:
        conn.execute("BEGIN")
        conn.execute("INSERT INTO t VALUES (1)" if why == "it has rows" else "LOCK TABLE t")
        if why == "it has rows":
            conn.execute("COMMIT")
        with pytest.raises((psycopg.errors.ObjectNotInPrerequisiteState, psycopg.errors.LockNotAvailable)):
            cluster.execute("SELECT nanu.shard_table('t', key => 'k')")
        if why == "it is locked":
            conn.execute("ROLLBACK")
    cluster.execute("SELECT nanu.reload()")
    cluster.router.stop()
    cluster.router.start()
    cluster.execute("DELETE FROM t")
    assert shard(cluster)
    cluster.router.stop()
    cluster.router.start()
    with cluster.connect() as conn:
        assert tables(conn) == [("t",)]


@pytest.mark.parametrize("content, why", [(b"", "empty"), (b"three\n", "not a number"), (b"3", "not a number"), (b"-1\n", "not a number"),
                                          (b"99999999999999999999\n", "not a number"), (None, "directory")])
def test_a_note_that_cannot_be_read_is_not_taken_for_none(start_own, content, why):
    cluster = start_own(shards=1)
    cluster.router.stop()
    note = cluster.router.folder / "nanu.db-epoch"
    good = note.read_bytes()
    note.unlink()
    if content is None:
        note.mkdir()
    else:
        note.write_bytes(content)
    assert why in refused(cluster)
    if content is None:
        note.rmdir()
    else:
        note.unlink()
    note.write_bytes(good)
    cluster.router.start()
    cluster.execute("SELECT 1")
