from __future__ import annotations

from pathlib import Path

import pytest

from aligndbg.jobs.memory import MemoryKills, memory_kills


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


VMSTAT = {"proc__vmstat": "pgfault 7\noom_kill 5\n"}


@pytest.mark.parametrize(
    ("files", "kills"),
    [
        ({}, None),
        (VMSTAT, MemoryKills(5, whole_machine=True)),
        (
            {"proc__self__cgroup": "0::/a\n", "sys__fs__cgroup__a__memory_DOT_events": "low 0\noom 3\noom_kill 2\n", **VMSTAT},
            MemoryKills(2),
        ),
        ({"proc__self__cgroup": "0::/a\n", **VMSTAT}, MemoryKills(5, whole_machine=True)),
        (
            {"proc__self__cgroup": "4:cpu,memory:/a\n0::/\n", "sys__fs__cgroup__memory__a__memory_DOT_oom_control": "oom_kill 4\n"},
            MemoryKills(4),
        ),
        (
            {
                "proc__self__cgroup": "4:memory:/a/b:c\n",
                "sys__fs__cgroup__memory__memory_DOT_oom_control": "under_oom 0\noom_kill 1\n",
            },
            MemoryKills(1),
        ),
        ({"proc__self__cgroup": "4:memory:/a\n", "sys__fs__cgroup__memory__a__memory_DOT_oom_control": "under_oom 0\n"}, None),
    ],
)
def test_where_the_count_is_found(tmp_path: Path, files: dict[str, str], kills: MemoryKills | None) -> None:
    assert memory_kills(tree(tmp_path, **files)) == kills


def test_what_was_counted_meanwhile() -> None:
    assert MemoryKills(5).since(MemoryKills(3)) == MemoryKills(2)
    assert MemoryKills(5, True).since(MemoryKills(5, True)) == MemoryKills(0, True)
    # The job's group, or the machine's count, came into sight only later.
    assert MemoryKills(5).since(MemoryKills(3, True)) is None
    assert MemoryKills(5).since(None) is None


def test_this_kernel_tells_one_or_the_other() -> None:
    kills = memory_kills()
    assert kills is None or kills.count >= 0
