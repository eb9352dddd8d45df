"""One shard: what a client hears through nanu is, byte for byte, what PostgreSQL says. both.py says what is compared and what is not.
Here: messages of the protocol."""
import pytest

from harness.postgres import PASSWORD, SUPERUSER

from .cases_protocol import CASES


@pytest.mark.parametrize("name", CASES)
def test_messages(both, name):
    case = CASES[name]
    startup = case.get("startup", {})
    if startup.get("user") == SUPERUSER:
        startup = dict(startup, password=PASSWORD)
    both.compare(name, case["steps"], startup)
