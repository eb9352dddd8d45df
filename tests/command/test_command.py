"""What every subcommand answers alike."""
import re
import subprocess

import pytest

from harness.router import NANU


def nanu(*words):
    return subprocess.run([NANU, *words], capture_output=True, text=True, timeout=60, cwd="/")


def subcommands():
    return re.findall(r"^  ([\w-]+) +\S", nanu("--help").stdout, re.M)


def test_there_are_subcommands():
    assert {"playground", "add-replica"} <= set(subcommands())


def test_help_of_each_says_how_it_is_used():
    for name in subcommands():
        done = nanu(name, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"Usage: nanu {name}")
        assert nanu(name, "-h").stdout == done.stdout


def test_the_short_form_of_help_is_the_same():
    for done in nanu("-h"), nanu("help"):
        assert done.returncode == 0 and done.stdout == nanu("--help").stdout


def test_each_knows_the_version():
    version = nanu("--version").stdout
    assert re.fullmatch(r"nanu \d+\.\d+\.\d+\n", version)
    for name in subcommands():
        assert nanu(name, "--version").stdout == version


def test_each_refuses_unknown_options():
    for name in subcommands():
        done = nanu(name, "--frobnicate")
        assert done.returncode == 2
        assert done.stderr.startswith(f"nanu {name}: ")
        assert "--frobnicate" in done.stderr and f"nanu {name} --help" in done.stderr


def test_a_command_that_lacks_what_it_needs_says_what():
    done = nanu("serve")
    assert done.returncode == 2
    assert "nanu serve: it needs --config FILE" in done.stderr


@pytest.mark.parametrize("words", [[], ["frobnicate"], ["--frobnicate"]])
def test_what_is_no_subcommand_is_refused(words):
    done = nanu(*words)
    assert done.returncode == 2
    assert "--help" in done.stderr
