"""The kernel's own count of processes that it killed for want of memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MemoryKills:
    """How many so far. `whole_machine`: strangers are counted too, so that only a count of none proves anything."""

    count: int
    whole_machine: bool = False

    def since(self, before: MemoryKills | None) -> MemoryKills | None:
        """Those after `before`; None where the two do not count the same."""
        if before is None or before.whole_machine != self.whole_machine:
            return None
        return MemoryKills(max(0, self.count - before.count), self.whole_machine)


def memory_kills(root: Path = Path("/")) -> MemoryKills | None:
    """Of this process's control group where the kernel tells, else of the machine; None where it tells neither.

    Version 2 `memory.events`, version 1 `memory.oom_control`, `/proc/vmstat` (the kernel's Documentation/admin-guide/cgroup-v2.rst
    and cgroup-v1/memory.rst; proc_vmstat(5)).
    """
    for path in _group_files(root):
        if (count := _oom_kill(path)) is not None:
            return MemoryKills(count)
    count = _oom_kill(root / "proc/vmstat")
    return None if count is None else MemoryKills(count, whole_machine=True)


def _group_files(root: Path) -> list[Path]:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found: list[Path] = []
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers:
            found.append(root / f"sys/fs/cgroup{group}" / "memory.events")
        elif "memory" in controllers.split(","):
            # Inside a container the group's own path may not be visible: there it is the root.
            found += [root / f"sys/fs/cgroup/memory{path}" / "memory.oom_control" for path in (group, "")]
    return found


def _oom_kill(path: Path) -> int | None:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)
