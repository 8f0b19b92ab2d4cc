"""Calls of an appliance's programs that fail when a test says so: tests/lib/fault/fault.c, in every process of it."""

import mmap
import struct
from pathlib import Path

KINDS = ["none", "alloc", "write", "fsync", "rename", "socket", "open"]
LAYOUT = struct.Struct("=6I32s32s")


class Faults:
    """For one appliance: `flags` are what its engine needs to be told. library: fault.c, compiled."""

    def __init__(self, folder, library):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        (folder / "fault.so").write_bytes(library)
        (folder / "fault.so").chmod(0o755)
        (folder / "preload").write_text("/opt/fault/fault.so\n")
        (folder / "page").write_bytes(bytes(4096))
        (folder / "page").chmod(0o666)
        with open(folder / "page", "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 4096)
        self.flags = ["-v", f"{folder}:/opt/fault", "-v", f"{folder / 'preload'}:/etc/ld.so.preload:ro"]

    def _write(self, kind, nth, on, program):
        self._page[:LAYOUT.size] = LAYOUT.pack(0, nth, on, 0, 0, 0, program.encode(), b"")
        self._page[:4] = struct.pack("=I", KINDS.index(kind))

    def arm(self, program, kind, nth, on=False):
        """Its nth call of that kind from now fails, and with `on` all that follow in that process."""
        self._write(kind, nth, on, program)

    def stop(self):
        """Nothing fails any more."""
        self._page[:4] = bytes(4)

    def counted(self):
        """How many such calls there were until now."""
        return LAYOUT.unpack(self._page[:LAYOUT.size])[3]

    def disarm(self):
        """The same; returns (how many calls were counted, how many failed, which was the first)."""
        self.stop()
        _, _, _, count, _, failed, _, call = LAYOUT.unpack(self._page[:LAYOUT.size])
        return count, failed, call.rstrip(b"\0").decode()
