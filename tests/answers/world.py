"""Two databases with the same rows: one server's, and three shards behind a router."""
import datetime
import pathlib
import random
import uuid

import psycopg
from psycopg import pq

from harness.cluster import USER, USER_PASSWORD

SHARDS = 3
SCHEMA = (pathlib.Path(__file__).parent / "schema.sql").read_text()
# sharded table -> its key; the tables w_… are written to, the others only read
KEYS = {"big": "id", "det": "id", "oth": "id", "i4": "k", "i2": "k", "txt": "k", "vch": "k", "chr": "k", "uid": "k", "dat": "k", "byt": "k",
        "tst": "k", "tsz": "k",
        "w_big": "id", "w_det": "id", "w_txt": "k", "w_vch": "k", "w_chr": "k", "w_uid": "k", "w_i2": "k"}
READ = [name for name in KEYS if not name.startswith("w_")] + ["home"]
HASHES = {"bigint": "hashint8extended({}, 0)", "integer": "hashint8extended({}::bigint, 0)", "smallint": "hashint8extended({}::bigint, 0)",
          "text": "hashtextextended({}, 0)", "character varying": "hashtextextended({}, 0)", "character": "hashbpcharextended({}, 0)",
          "uuid": "uuid_hash_extended({}, 0)", "date": "hashint8extended(({} - date '2000-01-01')::bigint, 0)",
          "bytea": "hashtextextended(convert_from({}, 'UTF8'), 0)", "timestamp without time zone": "timestamp_hash_extended({}, 0)",
          "timestamp with time zone": "timestamp_hash_extended({} AT TIME ZONE 'UTC', 0)"}
BOUNDS = [-(1 << 63) + (i << 64) // SHARDS for i in range(SHARDS + 1)]

BIG_IDS = (list(range(-5, 75)) + [2147483647, 2147483648, -2147483648, -2147483649, 9223372036854775807, -9223372036854775808,
                                  9007199254740992, 9007199254740993, 16777216, 16777217, 32767, 32768])
WORDS = ["", "a", "b", "B", "A", "ab", "aB", "é", "z", "Z", "_", "a b", " a", "a ", "10", "9", "ä", "日本", "\t", "x'y", "a\\b", "5", " 5", "NULL",
         "a,b", "{a}", '"q"']
TEXT_KEYS = WORDS + ["k%d" % i for i in range(25)]
NUMERICS = ["0", "0.0", "1", "1.0", "1.00", "-1.5", "2.50", "2.5", "100", "99999999999999999999.5", "-0.001", "NaN", "1e-5", "7", "7.000",
            "123456789.123456789"]
FLOATS = ["0", "-0", "1", "1.5", "-1.5", "NaN", "Infinity", "-Infinity", "1e300", "1e-300", "0.1", "3"]
DATES = ["2024-01-01", "2024-02-29", "1999-12-31", "0044-03-15 BC", "infinity", "-infinity", "2024-12-31", "2000-01-01"]
TIMES = ["00:00:00", "23:59:59.999999", "12:00:00", "24:00:00", "01:02:03.5"]
ZONES = ["", "+00", "+09", "-05:30"]
INTERVALS = ["1 day", "24:00:00", "1 mon", "30 days", "-1 day", "00:00:01.5", "1 mon -30 days", "0", "2 days 03:00:00"]


def maybe(rng, values, null=0.15):
    return None if rng.random() < null else rng.choice(values)


def uuid_of(number):
    return uuid.uuid5(uuid.NAMESPACE_OID, str(number))


def rows_of_tables():
    """table -> rows, in the order of its columns; the same at every run."""
    rng = random.Random(20)
    stamp = lambda: maybe(rng, DATES[:3] + DATES[6:]) and f"{rng.choice(DATES[:3] + DATES[6:8])}".replace(" BC", "") + " " + rng.choice(TIMES[:3])
    tables = {}
    tables["big"] = [(
        id, rid, rng.choice([None, 0, 1, 2, 3, -7, 2147483647, 100]), maybe(rng, [0, 1, -1, 32767, -32768, 5]), maybe(rng, NUMERICS),
        maybe(rng, ["0", "1.5", "2.25", "-3.10", "99999999.99"]), maybe(rng, FLOATS), maybe(rng, ["0", "1.5", "-2", "NaN", "3"]),
        maybe(rng, WORDS), maybe(rng, WORDS), maybe(rng, [True, False], 0.3), maybe(rng, [uuid_of(i) for i in range(10)]), maybe(rng, DATES),
        maybe(rng, TIMES), (lambda time: time and time + rng.choice(ZONES[1:]))(maybe(rng, TIMES[:3] + TIMES[4:])), stamp(),
        (lambda at: at and at + rng.choice(ZONES[1:]))(stamp()), maybe(rng, INTERVALS), maybe(rng, [b"", b"a", b"\x00\xff", b"ab", b"\\"]),
        maybe(rng, ["", "a", "ab", "abcdefgh", "a  ", "é"]), maybe(rng, ["", "a", "ab", "abc", "a b"]), rng.choice([None, 1, 2, 3, 4]))
        for rid, id in enumerate(BIG_IDS)]
    tables["det"] = [(rng.choice(BIG_IDS[:60] + [500, 501, 502]), rid, rng.choice([1, 2, 3, None]), maybe(rng, NUMERICS), maybe(rng, WORDS))
                     for rid in range(180)]
    tables["oth"] = [(rng.choice(BIG_IDS), rid, rng.choice([None, 0, 1, 2, 3]), maybe(rng, WORDS)) for rid in range(90)]
    tables["i4"] = [(id, rid, rng.choice([None, 1, 2, 3]), maybe(rng, NUMERICS)) for rid, id in
                    enumerate(id for id in BIG_IDS if -2**31 <= id < 2**31 and id % 3 != 1)]
    tables["i2"] = [(id, rid, rng.choice([None, 1, 2, 3])) for rid, id in enumerate(id for id in BIG_IDS if -2**15 <= id < 2**15 and id % 2)]
    tables["txt"] = [(key, rid, rng.choice([None, 1, 2, 3]), maybe(rng, WORDS), maybe(rng, ["a", "ab", "b", ""])) for rid, key in enumerate(TEXT_KEYS)]
    tables["vch"] = [(key, rid, rng.choice([None, 1, 2, 3])) for rid, key in enumerate(key for key in TEXT_KEYS + ["abcde", "ab   "] if len(key) <= 5)]
    short = {key.rstrip(" "): key for key in TEXT_KEYS + ["abcdef"] if len(key) <= 6}
    tables["chr"] = [(key, rid, rng.choice([None, 1, 2, 3])) for rid, key in enumerate(short.values())]
    tables["uid"] = [(uuid_of(i), i, rng.choice([None, 1, 2, 3])) for i in range(40)]
    tables["dat"] = [(datetime.date(2024, 1, 1) + datetime.timedelta(days=i * 5), i, rng.choice([None, 1, 2])) for i in range(40)]
    for name in "tst", "tsz":
        tables[name] = [(f"{row[0]} 00:00" + ("+00" if name == "tsz" else ""), i, rng.choice([None, 1, 2])) for i, row in enumerate(tables["dat"])]
    tables["byt"] = [(key.encode("latin1"), i, rng.choice([None, 1, 2])) for i, key in enumerate(["", "a", "b", "ab", "xyz", "\\", "q"])]
    tables["home"] = [(id, rid, rng.choice([None, 1, 2, 3]), maybe(rng, WORDS)) for rid, id in enumerate(BIG_IDS[:30])]
    return tables


def copy_in(conn, table, rows):
    with conn.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


class World:
    def __init__(self, farm, start_cluster, **options):
        self.cluster = start_cluster(shards=SHARDS, **options)
        self.server = farm.servers_for(SHARDS)[0]
        self.oracle_name = farm.new_database_name()
        with self.server.connect() as conn:
            conn.execute(f"CREATE DATABASE {self.oracle_name} OWNER {USER}")
        self.create()
        self.load()

    def connect_oracle(self, **more):
        return psycopg.connect(self.server.conninfo(self.oracle_name, USER, USER_PASSWORD), autocommit=True, **more)

    def connect(self):
        return self.cluster.connect()

    def create(self):
        with self.connect_oracle() as oracle, self.connect() as router:
            oracle.execute(SCHEMA)
            for statement in SCHEMA.split(";\n"):
                if statement.strip():
                    router.execute(statement)
            for table, key in KEYS.items():
                router.execute(f"SELECT nanu.shard_table('{table}', key => '{key}')")
            self.hashes = {}
            for table, key in KEYS.items():
                type, = oracle.execute("SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = %s::regclass AND attname = %s",
                                       [table, key]).fetchone()
                self.hashes[table] = HASHES[type].format(key)

    def slice(self, table, shard):
        """SQL that is true for the rows which belong to the shard."""
        return f"{self.hashes[table]} BETWEEN {BOUNDS[shard]} AND {BOUNDS[shard + 1] - 1}"

    def load(self):
        """Each node gets all rows and keeps its own; then the counts are compared through the router."""
        tables = rows_of_tables()
        with self.connect_oracle() as oracle:
            for table, rows in tables.items():
                copy_in(oracle, table, rows)
            oracle.execute("ANALYZE")
        for shard in range(SHARDS):
            with self.cluster.connect_node(shard) as node:
                for table, rows in tables.items():
                    if table in KEYS:
                        copy_in(node, table, rows)
                        node.execute(f"DELETE FROM {table} WHERE NOT ({self.slice(table, shard)})")
                    elif shard == 0:
                        copy_in(node, table, rows)
        with self.connect() as router:
            for table, rows in tables.items():
                assert router.execute(f"SELECT count(*) FROM {table}").fetchone() == (len(rows),), table

    def whole(self, conns, table):
        """All rows of a table over these connections, as sorted texts."""
        return sorted(row for conn in conns for row, in conn.execute(f"SELECT x::text FROM {table} x").fetchall())

    def misplaced(self, table, nodes):
        """(shard, rows) where rows stand that their hash puts elsewhere."""
        found = []
        for shard, node in enumerate(nodes):
            rows = node.execute(f"SELECT x::text FROM {table} x WHERE NOT ({self.slice(table, shard)})").fetchall()
            if rows:
                found.append((shard, rows))
        return found

    def drop(self):
        with self.server.connect() as conn:
            conn.execute(f"DROP DATABASE {self.oracle_name} WITH (FORCE)")


class Pair:
    """One session on each side, and the nodes; what runs on one runs on the other."""

    def __init__(self, world):
        self.world = world
        self.oracle, self.router, self.reader = world.connect_oracle(), world.connect(), world.connect_oracle()
        self.nodes = [world.cluster.connect_node(shard) for shard in range(SHARDS)]

    def close(self):
        for conn in (self.oracle, self.router, self.reader, *self.nodes):
            conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.close()

    def follow(self):
        """Brings the oracle's transaction into the state of the router's, after a refusal that it was not shown."""
        mine, other = self.router.pgconn.transaction_status, self.oracle.pgconn.transaction_status
        if mine == pq.TransactionStatus.INERROR and other == pq.TransactionStatus.INTRANS:
            self.oracle.pgconn.exec_(b"SELECT 1/0")

    def tables_differ(self, tables):
        """How the tables differ from the oracle's, outside of transactions; None: they do not."""
        if self.router.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            return None
        for table in tables:
            sharded = table in KEYS
            want = self.world.whole([self.reader], table)
            have = self.world.whole(self.nodes if sharded else self.nodes[:1], table)
            if want != have:
                return f"table {table}: {sorted(set(want) - set(have))} missing, {sorted(set(have) - set(want))} too many, {len(want)} and {len(have)}"
        return None
