"""Results as text: Markdown tables."""
import goals

MIB = 1 << 20


def ratio(value, base):
    return f"{value / base:.2f}" if value and base else ""


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def plural(clients):
    return f"{clients} client{'s' if clients > 1 else ''}"


def pgbench_cell(cell):
    found = cell["targets"]
    base, straight = found.get("PgBouncer", {}), found.get("direct", {})
    rows = []
    for name, run in found.items():
        latency = [f"{run['latency_us'][p] / 1000:.2f}" if run["latency_us"] else "" for p in ("p50", "p95", "p99")]
        rows.append([name, f"{run['tps']:,.0f}", ratio(run["tps"], base.get("tps")), ratio(run["tps"], straight.get("tps")), *latency,
                     f"{run['cpu_us']:.1f}" if run["cpu_us"] else "", ratio(run["cpu_us"], base.get("cpu_us")),
                     f"{run['system_calls']:.2f}" if "system_calls" in run else ""])
    title = f"### pgbench {cell['script']} -M {cell['mode']}, {plural(cell['clients'])}{', ' + cell['note'] if 'note' in cell else ''}\n\n"
    return title + table(["", "transactions/s", "× PgBouncer", "× direct", "p50 ms", "p95", "p99", "own CPU µs", "× PgBouncer", "system calls"], rows)


def pgbench(cells):
    return "\n".join(map(pgbench_cell, cells))


def connections(found):
    text = ""
    for auth, runs in found.items():
        base = runs.get("PgBouncer", {})
        text += f"### New connections by {auth}, one query each, 8 at a time\n\n" + table(
            ["", "connections/s", "× PgBouncer", "own CPU µs", "× PgBouncer"],
            [[name, f"{run['per_second']:,.0f}", ratio(run["per_second"], base.get("per_second")), f"{run['cpu_us']:.0f}" if run["cpu_us"] else "",
              ratio(run["cpu_us"], base.get("cpu_us"))] for name, run in runs.items()]) + "\n"
    return text


def memory(found):
    return "### Memory of idle clients (PSS)\n\n" + table(
        ["", "clients", "bytes a client, logged in", "whole process, MiB", "after a query of each, MiB"],
        [[name, f"{run['clients']:,}", f"{run['bytes_a_client']:,.0f}", f"{run['whole_bytes'] / MIB:.1f}", f"{run['whole_bytes_after_a_query'] / MIB:.1f}"]
         for name, run in found.items()])


def merge(found):
    straight = found.get("direct", {})
    return "### 1,000,000 rows in order: one server, and four shards merged\n\n" + table(
        ["", "seconds", "× direct", "growth at most, MiB"],
        [[name, f"{run['seconds']:.2f}", ratio(run["seconds"], straight.get("seconds")),
          f"{run['grown_bytes'] / MIB:.1f}" if run["grown_bytes"] is not None else ""] for name, run in found.items()])


def understand(found):
    return "### To know where a statement goes\n\n" + table(
        ["statement", "ns", "of which fingerprint"],
        [[f"`{one['statement']}`", f"{one['ns']:.0f}", f"{one['fingerprint_ns']:.0f}"] for one in found])


SECTIONS = {"pgbench": pgbench, "connections": connections, "memory": memory, "merge": merge, "understand": understand}


def section(part, found):
    return SECTIONS[part](found)


def whole(results):
    versions = "; ".join(results["versions"].values())
    text = f"""# {results["date"]}

{versions}. {results["machine"]}; pgbench, proxies and servers share it. One worker or thread a proxy where its name says nothing else (Pgpool-II: a process
for each client), pools of {results["pool"]}; scale {results["scale"]}, fsync off; medians of {results["rounds"]} interleaved rounds of {results["seconds"]} s. `bench/run`,
{results["minutes"]} minutes.

## Goals

{goals.text(results)}
"""
    for part, make in SECTIONS.items():
        if part in results:
            text += f"## {part}\n\n{make(results[part])}\n"
    if results["failures"]:
        text += "## What failed\n\n" + "".join(f"- {failure}\n" for failure in results["failures"])
    return text
