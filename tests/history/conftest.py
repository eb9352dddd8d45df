"""Kills are for `make history` only."""
from .scene import WHOLE

collect_ignore = [] if WHOLE else ["test_kills.py"]
