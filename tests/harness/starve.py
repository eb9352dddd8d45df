"""Allocations that fail, in a router that was started with Starve.environment(): see starve.c."""
import mmap
import struct
import tempfile

from .router import NANU

LIBRARY = NANU.parent / "tests" / "harness" / "libstarve.so"
FIELDS = struct.Struct("=6Q")  # armed, first, last, count, failed, bought
NEVER = 2**63


class Starve:
    def __init__(self):
        self.file = tempfile.NamedTemporaryFile(prefix="nanu-starve-")
        self.file.truncate(FIELDS.size)
        self.shared = mmap.mmap(self.file.fileno(), FIELDS.size)

    def environment(self):
        return {"LD_PRELOAD": str(LIBRARY), "STARVE_FILE": self.file.name}

    def arm(self, first=NEVER, row=1):
        """From now on allocations are counted, and `row` of them fail from the first-th on."""
        self.shared[:] = FIELDS.pack(0, first, first + row - 1, 0, 0, 0)
        self.shared[:8] = struct.pack("=Q", 1)

    def disarm(self):
        """(allocations counted, of which failed)"""
        self.shared[:8] = struct.pack("=Q", 0)
        return FIELDS.unpack(self.shared[:])[3:5]
