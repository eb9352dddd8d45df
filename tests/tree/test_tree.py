"""The source tree keeps its own rules: floors, headers, sizes."""
import concurrent.futures
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
FLOORS = ("base net proto catalog sql place topo store route backend session ha stream move multi quorum admin agent app").split()
FILE_LINES_MAX = 800
LIBRARIES = ["liburing", "openssl", "libpq", "sqlite3", "libcyaml", "libxxhash", "jansson", "libcurl", "libmicrohttpd", "smartcols"]

sources = sorted(SRC.rglob("*.[ch]"))
headers = [path for path in sources if path.suffix == ".h"]


def name(path):
    return str(path.relative_to(ROOT))


def test_every_folder_is_a_floor():
    assert {path.name for path in SRC.iterdir() if path.is_dir()} <= set(FLOORS)
    assert all(path.parent.parent == SRC for path in sources)


@pytest.mark.parametrize("path", sources, ids=name)
def test_includes_respect_the_floors(path):
    own = FLOORS.index(path.parent.name)
    for included in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
        floor = included.split("/")[0]
        assert floor in FLOORS and "/" in included, f'"{included}" does not name its floor'
        assert FLOORS.index(floor) <= own, f"{path.parent.name}/ may not include {included}: that floor comes after it"
        assert (SRC / included).exists(), f"{included} is not there"


def compile_alone(path):
    flags = subprocess.run(["pkg-config", "--cflags", *LIBRARIES], capture_output=True, text=True, check=True).stdout.split()
    warnings = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-missing-field-initializers"]
    command = [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", *warnings, "-I", SRC, *flags,
               "-include", path, "-x", "c", os.devnull]
    return path, subprocess.run(command, capture_output=True, text=True)


def test_every_header_compiles_alone():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failed = [f"{name(path)}:\n{done.stderr}" for path, done in pool.map(compile_alone, headers) if done.returncode != 0]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("path", headers, ids=name)
def test_a_header_opens_with_what_it_owns(path):
    text = path.read_text()
    assert text.startswith("/* "), "no opening paragraph"
    assert "#pragma once" in text


@pytest.mark.parametrize("path", sources, ids=name)
def test_a_file_has_one_idea(path):
    assert len(path.read_text().splitlines()) <= FILE_LINES_MAX


def test_nothing_is_left_for_later():
    words = re.compile(r"\b(TODO|FIXME|XXX)\b")
    assert not [f"{name(path)}:{number}" for path in sources for number, line in enumerate(path.read_text().splitlines(), 1)
                if words.search(line)]
