"""What a statement costs the router, in instructions: more than 3 % above what bench/instructions.json keeps is a failure.

Instructions, unlike times, are the same on a busy machine. They depend on the compiler and its options: with others than the kept ones, these tests
are skipped. NANU_ACCEPT_INSTRUCTIONS=1 keeps what this run counts.
"""
import json
import os
import platform
import re
import subprocess
import warnings

import pytest

from harness.router import NANU, ROOT

from .meter import BUILD, CALLGRIND, LOADS, Meter, make_tables

KEPT = ROOT / "bench" / "instructions.json"
ACCEPT = "NANU_ACCEPT_INSTRUCTIONS"
TOLERANCE = 0.03
UNDERSTAND = "understanding a short statement"
UNDERSTAND_FEW, UNDERSTAND_MANY = 1000, 3000


def this_build():
    """What instructions depend on, beside the source."""
    comment = subprocess.run(["readelf", "-p", ".comment", NANU], check=True, capture_output=True, text=True).stdout
    options = {option["name"]: option["value"] for option in json.loads((BUILD / "meson-info" / "intro-buildoptions.json").read_text())}
    return {"compiler": re.search(r"\]\s+(.*)", comment)[1], "machine": platform.machine(),
            **{name: options[name] for name in ("buildtype", "optimization", "b_sanitize", "b_ndebug")}}


def kept():
    return json.loads(KEPT.read_text()) if KEPT.exists() else {}


@pytest.fixture(scope="module", autouse=True)
def same_build():
    build = this_build()
    if not os.environ.get(ACCEPT) and build != kept().get("build"):
        pytest.skip(f"{KEPT.name} was counted with {kept().get('build')}, this is {build}")


def keep(where, counts):
    """As the numbers of `where`, if that is asked for."""
    if os.environ.get(ACCEPT):
        build = this_build()
        before = kept() if kept().get("build") == build else {}
        KEPT.write_text(json.dumps({**before, "build": build, where: {name: round(count) for name, count in counts.items()}}, indent=2) + "\n")


def compare(where, name, count):
    before = kept()[where][name]
    change = count / before - 1
    said = (f"{name} ({where}): {count:,.0f} instructions, {abs(change):.1%} {'more' if change > 0 else 'less'} than the {before:,} in "
            f"{KEPT.relative_to(ROOT)}. ")
    accept = f"{ACCEPT}=1 tools/test speed"
    assert change <= TOLERANCE, f"{said}Where they are: callgrind_annotate. If it has to be: {accept}"
    if change < -TOLERANCE:
        warnings.warn(f"{said}Well done; lower the number: {accept}")


@pytest.fixture(scope="module")
def counted(start_cluster, io):
    """Always all loads, in the same order: what was before leaves its backends."""
    cluster = start_cluster(shards=2, workers=1)
    make_tables(cluster)
    meter = Meter(cluster)
    try:
        counts = {name: meter.each(*load) for name, load in LOADS.items()}
    finally:
        meter.close()
    keep(cluster.router.settings["io"], counts)
    return counts


@pytest.mark.parametrize("name", LOADS)
def test_it_costs_no_more_instructions(counted, io, name):
    compare(io, name, counted[name])


def test_understanding_a_statement_costs_no_more_instructions():
    few, many = (collected(count) for count in (UNDERSTAND_FEW, UNDERSTAND_MANY))
    count = (many - few) / (UNDERSTAND_MANY - UNDERSTAND_FEW)
    keep("alone", {UNDERSTAND: count})
    compare("alone", UNDERSTAND, count)


def collected(count):
    """Instructions of a process that understands a statement so often."""
    done = subprocess.run([*CALLGRIND, "--callgrind-out-file=/dev/null", BUILD / "bench" / "understand", str(count)], check=True,
                          capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr)[1])
