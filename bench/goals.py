"""What the project wants of itself, beside what was measured."""

MIB = 1 << 20
OLD, NEW = "PgBouncer", "nanu, 2 shards"


def pgbench(mode, clients, name, key):
    return ("pgbench", ("-S", mode, clients), name, key)


def beside(mode, clients, name, key, other):
    return pgbench(mode, clients, name, key), pgbench(mode, clients, other, key)


GOALS = [  # (what, at most or at least, limit, where the value is in the results, where what it is divided by is, or a number)
    *((f"own CPU × PgBouncer, 2 shards, {mode}, {clients} clients", "≤", limit, *beside(mode, clients, NEW, "cpu_us", OLD))
      for mode, clients, limit in (("simple", 16, 0.82), ("simple", 64, 0.65), ("prepared", 16, 0.75), ("prepared", 64, 0.60))),
    *((f"transactions/s × PgBouncer, 2 shards, {mode}, {clients} clients", "≥", 1.1, *beside(mode, clients, NEW, "tps", OLD))
      for mode in ("simple", "prepared") for clients in (16, 64)),
    *((f"transactions/s × direct, extended, {clients} clients", "≥", 1.15, *beside("extended", clients, "nanu", "tps", "direct")) for clients in (16, 64)),
    ("transactions/s × direct, simple with auto_prepare, 64 clients", "≥", 1.15, *beside("simple", 64, "nanu, auto_prepare", "tps", "direct")),
    *((f"system calls a query, 2 shards, simple, {clients} clients", "≤", limit, pgbench("simple", clients, NEW, "system_calls"), 1)
      for clients, limit in ((16, 2), (64, 1.5))),
    ("own CPU with 2 workers × with one, simple, 16 clients", "≤", 1.05, pgbench("simple", 16, "nanu, 2 workers", "cpu_us"),
     pgbench("simple", 16, "nanu", "cpu_us")),
    ("understanding a short statement, ns", "≤", 400, ("understand", 0, "ns"), 1),
    ("memory of an idle client, bytes", "≤", 1536, ("memory", "nanu", "bytes_a_client"), 1),
    ("memory of the process with all of them, MiB", "≤", 30, ("memory", "nanu", "whole_bytes"), MIB),
    *((f"connections/s × PgBouncer, {auth}", "≥", 1, ("connections", auth, "nanu", "per_second"), ("connections", auth, OLD, "per_second"))
      for auth in ("scram", "trust")),
    ("merging 1,000,000 rows of 4 shards, time × direct", "≤", 1.3, ("merge", "nanu, 4 shards", "seconds"), ("merge", "direct", "seconds")),
    ("growth meanwhile, MiB", "≤", 16, ("merge", "nanu, 4 shards", "grown_bytes"), MIB),
]


def look(results, path, epoll):
    """What stands there, None when it was not measured."""
    at = results
    for step in path:
        if isinstance(step, tuple):
            at = next((cell["targets"] for cell in at if (cell["script"], cell["mode"], cell["clients"]) == step), None)
        elif isinstance(at, list):
            at = at[step]
        else:
            at = at.get(step.replace("nanu", "nanu, epoll", 1) if epoll else step)
        if at is None:
            return None
    return at


def measured(results, goal, epoll):
    """In words: the figure, and whether it is as wanted."""
    _, direction, limit, path, base = goal
    value = look(results, path, epoll)
    under = look(results, base, epoll) if isinstance(base, tuple) else base
    if value is None or not under:
        return ""
    figure = value / under
    reached = figure <= limit if direction == "≤" else figure >= limit
    return f"{figure:,.{3 if figure < 10 else 0}f} {'✓' if reached else '✗'}"


def text(results):
    lines = ["| | goal | io_uring | epoll |", "|---|---|---|---|"]
    for goal in GOALS:
        figures = [measured(results, goal, epoll) for epoll in (False, True)]
        if any(figures):
            lines.append(f"| {goal[0]} | {goal[1]} {goal[2]:,} | {figures[0]} | {figures[1]} |")
    return "\n".join(lines) + "\n"
