"""What an end means, from the exit code, the kernel's count and the logs' last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from aligndbg.jobs.memory import MemoryKills
from aligndbg.jobs.outcome import Evidence, failure_at_end, outcome, ranks_killed, tail
from aligndbg.jobs.processes import Killed

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "a.py", line 1, in <module>',
    "    main()",
    "    ^^^^^^",
    "KeyError: 'loss'",
]
LAUNCH_FAILED = [
    "LAUNCH INFO 2026-11-25 18:09:00,965 Pod failed",
    "LAUNCH ERROR 2026-11-25 18:09:00,965 Container failed !!!",
    "Container rank 1 status failed cmd ['python', '-u', 'rank.py'] code -9 log l2/workerlog.1",
    "LAUNCH INFO 2026-11-25 18:09:00,965 ------------------------- ERROR LOG DETAIL -------------------------",
    "rank 1 says",
    "LAUNCH INFO 2026-11-25 18:09:01,166 Exit code -15",
]
OLD_ERROR = "[2026-11-24 00:16:50,570] [   ERROR] logger.py:78 - unsupported operand type(s) for /"


def log(tmp_path: Path, lines: list[str], name: str = "launcher.log") -> Path:
    (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
    return tmp_path / name


@pytest.mark.parametrize(
    ("lines", "failure"),
    [
        ([], ""),
        (["loss: 1.0"], ""),
        (TRACEBACK, "KeyError: 'loss'"),
        (
            [*TRACEBACK, "LAUNCH INFO 2026-11-25 18:05:08,863 Pod completed", "LAUNCH INFO 2026-11-25 18:05:08,864 Exit code 0"],
            "KeyError: 'loss'",
        ),
        ([*TRACEBACK, "  [Hint: it is missing]", "  (at here)", "  (or there)"], "KeyError: 'loss'"),
        ([*TRACEBACK, "epoch 1", "epoch 2", "epoch 3"], ""),
        (TRACEBACK[:3], "main()"),
        (["Exception ignored in: <function C.__del__>", *TRACEBACK], ""),
        ([f"[rank0]: {line}" for line in TRACEBACK], "KeyError: 'loss'"),
        ([*TRACEBACK[:-1], "socket.timeout: timed out"], "socket.timeout: timed out"),
        ([OLD_ERROR], OLD_ERROR),
        ([OLD_ERROR, "I1124 00:16:40.708647 20161 tcp_store.cc:336] create libuv server at port: 57614", ""], OLD_ERROR),
        ([OLD_ERROR, "epoch:1  , train step:1"], ""),
        (["[2026-11-24 00:16:50,570] [   ERROR] logger.py:78 - data read faild: a.jpg 3, exception info: x"], ""),
        (["[2026/11/24 00:11:10] ppcls ERROR: no such file"], "[2026/11/24 00:11:10] ppcls ERROR: no such file"),
        (["ERROR:root:no such file"], "ERROR:root:no such file"),
        (["the ERROR is 0.1"], ""),
        (LAUNCH_FAILED, LAUNCH_FAILED[1]),
    ],
)
def test_failures_at_the_end_of_a_log(lines: list[str], failure: str) -> None:
    assert failure_at_end(lines) == failure


def test_a_failure_in_any_log_denies_exit_code_0(tmp_path: Path) -> None:
    logs = [log(tmp_path, ["done"]), log(tmp_path, ["done"], "workerlog.0"), log(tmp_path, TRACEBACK, "workerlog.1")]
    end = outcome(0, Evidence(logs))
    assert (end.status, end.exit_code) == ("failed", 0)
    assert end.reason == "exit code 0, yet the log ends with a failure: workerlog.1: KeyError: 'loss'"
    assert outcome(0, Evidence(logs[:2])).status == "ended"


def test_where_the_exit_code_tells_of_failure_an_earlier_traceback_counts(tmp_path: Path) -> None:
    logs = [log(tmp_path, [*TRACEBACK, "one", "two", "three", "four"])]
    assert outcome(1, Evidence(logs)).reason == "exit code 1; launcher.log: KeyError: 'loss'"
    assert outcome(0, Evidence(logs)).status == "ended"


@pytest.mark.parametrize(
    ("kills", "words"),
    [
        (MemoryKills(2), "was killed for want of memory (SIGKILL; the kernel counts 2 such kills meanwhile)"),
        (None, "was killed by SIGKILL, which aligndbg did not send: likely for want of memory"),
        (
            MemoryKills(1, True),
            "was killed by SIGKILL, likely for want of memory: the kernel counts 1 such kill on this machine meanwhile",
        ),
        (
            MemoryKills(0, True),
            "was killed by SIGKILL, which aligndbg did not send; the kernel counts no kill for want of memory meanwhile",
        ),
    ],
)
def test_sigkill_is_told_by_the_kernels_count(tmp_path: Path, kills: MemoryKills | None, words: str) -> None:
    end = outcome(-9, Evidence(memory_kills=kills))
    assert (end.status, end.exit_code, end.signal, end.reason) == ("killed", None, 9, f"its first process {words}")
    ranks = outcome(241, Evidence([log(tmp_path, LAUNCH_FAILED)], memory_kills=kills))
    assert (ranks.status, ranks.exit_code, ranks.reason) == ("failed", 241, f"rank 1 {words}; exit code 241")


def test_what_was_asked_for_is_no_failure(tmp_path: Path) -> None:
    logs = [log(tmp_path, TRACEBACK)]
    assert outcome(-15, Evidence(logs, asked="stopped on request")).reason == "stopped on request (SIGTERM)"
    assert outcome(15, Evidence(logs, asked="stopped on request")).reason == "stopped on request (exit code 15)"
    assert {outcome(code, Evidence(logs, MemoryKills(3), "stopped on request")).status for code in (-15, -9, 0, 1, 15)} == {
        "killed"
    }


def test_a_shells_word_for_a_signal() -> None:
    assert outcome(137, Evidence()).reason == "exit code 137 (128 + 9: SIGKILL)"


def test_a_launcher_that_hears_a_signal(tmp_path: Path) -> None:
    logs = [
        log(
            tmp_path,
            [
                "LAUNCH INFO 2026-11-25 18:09:00,965 Terminating with signal 15",
                "LAUNCH INFO 2026-11-25 18:09:01,1 Exit with signal 15",
            ],
        )
    ]
    end = outcome(15, Evidence(logs))
    assert (end.status, end.exit_code) == ("killed", 15)
    assert end.reason == "its launcher was ended by SIGTERM, which aligndbg did not send; exit code 15"
    assert outcome(1, Evidence(logs)).status == "failed"


def test_what_was_left_behind_is_told() -> None:
    swept = [Killed(7, "rank", "SIGTERM"), Killed(8, "rank", "SIGKILL")]
    assert outcome(0, Evidence(swept=swept)).reason == "exit code 0; 2 processes that it left behind were ended: 7, 8"
    assert outcome(0, Evidence(swept=swept[:1])).reason == "exit code 0; 1 process that it left behind was ended: 7"


def test_secrets_in_last_words_are_masked(tmp_path: Path) -> None:
    logs = [log(tmp_path, [*TRACEBACK[:-1], "OSError: https://me:swordfish@host/x cannot be reached"])]
    assert "swordfish" not in outcome(1, Evidence(logs)).reason


def test_ranks_that_a_signal_ended() -> None:
    torchrun = [
        "Root Cause (first observed failure):",
        "[0]:",
        "  rank      : 1 (local_rank: 1)",
        "  exitcode  : -9 (pid: 41)",
        "  exitcode  : 1",
    ]
    assert ranks_killed(LAUNCH_FAILED) == [(1, 9)]
    assert ranks_killed(torchrun) == [(1, 9)]
    assert ranks_killed(["Container rank 0 status failed cmd [] code 1 log x"]) == []


def test_the_tail_of_a_log_is_bounded_and_plain(tmp_path: Path) -> None:
    path = tmp_path / "launcher.log"
    path.write_bytes(b"x" * 1_000_000 + b"\n\x1b[31mred\x1b[0m\n10%\r20%\r\n\xff\n")
    lines = tail(path)
    assert lines[1:] == ["red", "20%", "\N{REPLACEMENT CHARACTER}", ""]
    assert len(lines[0]) < 70_000
    assert tail(tmp_path / "absent") == []


@pytest.mark.parametrize("words", ["Read error [127.0.0.1]:7083: Connection reset by peer", "Connection closed by peer [::1]:1"])
def test_a_rank_that_only_the_others_tell_of(tmp_path: Path, words: str) -> None:
    """Launchers sometimes see the others' failure first, and end the one that was killed as if it had still been there."""
    lost = [*TRACEBACK[:-1], f"RuntimeError: [pair.cc:576] {words}"]
    logs = [log(tmp_path, lost), log(tmp_path, lost, "workerlog.0"), log(tmp_path, ["loss: 1.0"], "workerlog.1")]
    end = outcome(1, Evidence(logs))
    assert end.status == "failed"
    assert end.reason.startswith("rank 1 ended without a word, as by SIGKILL, and the others noticed; exit code 1; workerlog.0: ")
    logs[2] = log(tmp_path, TRACEBACK, "workerlog.1")
    assert outcome(1, Evidence(logs)).reason.startswith("exit code 1; workerlog.0: ")
