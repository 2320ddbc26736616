"""What the end of a job means: by its exit code or signal, the kernel's count of kills for want of memory, its logs' last words."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aligndbg.jobs.masking import mask_text
from aligndbg.jobs.memory import MemoryKills
from aligndbg.jobs.processes import Killed
from aligndbg.jobs.state import Status

TAIL_BYTES = 64 << 10
CRASHES = frozenset(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS", "SIGTRAP")
    if hasattr(signal, name)
)
"""Signals that a program brings upon itself."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])")
_NOISE = re.compile(
    r"LAUNCH INFO |[IW]\d{4} \d\d:\d\d:\d\d\.|={5,}|-{5,}|FLAGS\(|.*Warning: |\s*warnings\.warn\(|\*{5,}"
    r"|-+ ERROR LOG DETAIL -+|Exception ignored in|\[[IW] .*\.cpp:\d+\]"
)
"""Lines that programs leave after their own last word: the launcher's, glog's, warnings."""

_ERROR_LEVEL = re.compile(
    r"\[[^\]]*\]\s+\[\s*(?:ERROR|CRITICAL|FATAL)\]"  # PaddleClas 2.1, on paddle's root logger
    r"|(?:\[[\d/: ]+\]\s+\w+|\d{4}-\d\d-\d\d \S+)(?: -)? (?:ERROR|CRITICAL|FATAL)\b"  # ppcls, and logging.basicConfig
    r"|(?:ERROR|CRITICAL|FATAL)(?::|\s+-)"
)
_LAUNCHER = re.compile(r"LAUNCH ERROR |.*Container failed !!!|LAUNCH INFO .* Pod failed|.*\bChildFailedError\b")
_TOLD = re.compile(r"LAUNCH INFO .* Terminating with signal (\d+)$")
_RANK_ENDED = re.compile(r"Container rank (\d+) status failed .* code (-?\d+) log ")
_TORCHRUN_ENDED = re.compile(r"\s*rank\s*:\s*(\d+)\b.*|\s*exitcode\s*:\s*(-?\d+)\b.*")
_PEER_LOST = re.compile(
    r"Connection (?:reset|closed|refused) by peer|Connection closed|Broken pipe|Read error \[|ncclRemoteError", re.IGNORECASE
)
"""What gloo, NCCL and TCP stores say where another rank is gone."""
_TRACEBACK = "Traceback (most recent call last):"
_IGNORED = "Exception ignored in"
_REPLACED = "data read faild"  # codespell:ignore
"""PaddleClas 2.1 (its spelling) says at level ERROR that it took another picture for one that it could not read, and goes on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    status: Status
    exit_code: int | None
    signal: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known at the end beside the exit code.

    `logs` are those of the job, the launcher's first. `memory_kills` are those while the job ran, None where the kernel does not
    tell. `asked` says who told the job to end, if anyone did. `swept` are processes that outlived
    the first one and were ended after it.
    """

    logs: Sequence[Path] = ()
    memory_kills: MemoryKills | None = None
    asked: str = ""
    swept: Sequence[Killed] = ()


def outcome(code: int, evidence: Evidence) -> Outcome:
    """`code` as subprocess has it: an exit code, or minus the number of a signal."""
    status, reason = _meaning(code, evidence)
    if evidence.swept:
        pids = ", ".join(str(killed.pid) for killed in evidence.swept)
        count = len(evidence.swept)
        one = count == 1
        reason += f"; {count} process{'' if one else 'es'} that it left behind {'was' if one else 'were'} ended: {pids}"
    return Outcome(status, code if code >= 0 else None, -code if code < 0 else None, mask_text(reason))


def failure_in(logs: Sequence[Path], anywhere: bool = False) -> str:
    """The failure at the end of any log as `FILE: words`, `""` where all end well. Ranks before the launcher, whose log echoes."""
    for path in [*logs[1:], *logs[:1]]:
        if words := failure_at_end(tail(path), anywhere):
            return f"{path.name}: {words}"
    return ""


def failure_at_end(lines: Sequence[str], anywhere: bool = False) -> str:
    """The exception, the error line or the launcher's word that these last lines of a log end with; `""` where they do not.

    A traceback in the middle of a log that goes on was caught, and is no failure, unless `anywhere` is asked for.
    """
    told = [number for number, line in enumerate(lines) if line.strip() and not _NOISE.match(line.strip())]
    if not told:
        return next((line.strip() for line in reversed(lines) if _LAUNCHER.match(line.strip())), "")
    if exception := _exception(lines, told, anywhere):
        return exception
    last = lines[told[-1]].strip()
    if _ERROR_LEVEL.match(last) and _REPLACED not in last:
        return last
    return next((lines[one].strip() for one in told[-4:] if _LAUNCHER.match(lines[one].strip())), "")


def ranks_killed(lines: Sequence[str]) -> list[tuple[int, int]]:
    """(rank, signal) of each rank that a signal ended, as the launchers of Paddle and torch tell it."""
    found: list[tuple[int, int]] = []
    rank = -1
    for line in lines:
        if (told := _RANK_ENDED.search(line)) and int(told[2]) < 0:
            found.append((int(told[1]), -int(told[2])))
        elif told := _TORCHRUN_ENDED.fullmatch(line):
            if told[1] is not None:
                rank = int(told[1])
            elif int(told[2]) < 0 and rank >= 0:
                found.append((rank, -int(told[2])))
    return list(dict.fromkeys(found))


def tail(path: Path) -> list[str]:
    """The last lines of a log, at most 64 KiB of it, without colours; of a line that was drawn over the last state."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            content = file.read(TAIL_BYTES)
    except FileNotFoundError:
        return []
    lines = without_escapes(content.decode("utf-8", "replace")).split("\n")
    return [line.rstrip("\r").rpartition("\r")[2] for line in lines]


def without_escapes(text: str) -> str:
    """Colours and other ANSI sequences removed."""
    return _ANSI.sub("", text)


def _meaning(code: int, evidence: Evidence) -> tuple[Status, str]:
    if evidence.asked:
        return "killed", f"{evidence.asked} ({name_of(-code)})" if code < 0 else f"{evidence.asked} (exit code {code})"
    if code < 0:
        status, words = _by_signal(-code, evidence.memory_kills)
        return status, f"its first process {words}"
    failure = failure_in(evidence.logs, anywhere=code != 0)
    if code == 0:
        return ("failed", f"exit code 0, yet the log ends with a failure: {failure}") if failure else ("ended", "exit code 0")
    said = tail(evidence.logs[0]) if evidence.logs else []
    # Paddle's launcher hears a signal, ends its ranks, and leaves with the signal's number as its exit code.
    if any((told := _TOLD.match(line)) and int(told[1]) == code for line in said):
        return "killed", f"its launcher was ended by {name_of(code)}, which aligndbg did not send; exit code {code}"
    killed = ranks_killed(said)
    # The launcher ends the other ranks by SIGTERM; who went first went by another signal.
    if first := next((one for one in killed if one[1] != signal.SIGTERM), None):
        rank, number = first
        return "failed", f"rank {rank} {_by_signal(number, evidence.memory_kills)[1]}; exit code {code}"
    if failure and _PEER_LOST.search(failure) and (silent := _silent_ranks(evidence.logs)):
        who = f"rank{'s' if len(silent) > 1 else ''} {', '.join(map(str, silent))}"
        return "failed", f"{who} ended without a word, as by SIGKILL, and the others noticed; exit code {code}; {failure}"
    shell = f" (128 + {code - 128}: {name_of(code - 128)})" if 128 < code < 160 else ""
    return "failed", f"exit code {code}{shell}{f'; {failure}' if failure else ''}"


def _silent_ranks(logs: Sequence[Path]) -> list[int]:
    """The ranks whose logs tell of no failure, where others' do."""
    return [rank for rank, path in enumerate(logs[1:]) if not failure_at_end(tail(path), anywhere=True)]


def _by_signal(number: int, kills: MemoryKills | None) -> tuple[Status, str]:
    name = name_of(number)
    if number in CRASHES:
        return "failed", f"crashed ({name})"
    if number != signal.SIGKILL:
        return "killed", f"was ended by {name}, which aligndbg did not send"
    if kills is None:
        return "killed", f"was killed by {name}, which aligndbg did not send: likely for want of memory"
    if not kills.count:
        return (
            "killed",
            f"was killed by {name}, which aligndbg did not send; the kernel counts no kill for want of memory meanwhile",
        )
    many = f"the kernel counts {kills.count} such kill{'s' if kills.count > 1 else ''}"
    if kills.whole_machine:
        return "killed", f"was killed by {name}, likely for want of memory: {many} on this machine meanwhile"
    return "killed", f"was killed for want of memory ({name}; {many} meanwhile)"


def name_of(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _exception(lines: Sequence[str], told: Sequence[int], anywhere: bool) -> str:
    """The last line of the last traceback. Unless `anywhere`, at most two lines may follow that are not part of its message."""
    begins = [number for number in told if lines[number].rstrip().endswith(_TRACEBACK)]
    if not begins:
        return ""
    begin = begins[-1]
    if begin and lines[begin - 1].lstrip().startswith(_IGNORED):
        return ""
    # torch prints the rank before each line.
    before = lines[begin].rstrip().removesuffix(_TRACEBACK)
    after = [number for number in told if number > begin]
    for position, number in enumerate(after):
        words = lines[number].removeprefix(before)
        if lines[number].startswith(before) and words and not words[0].isspace():
            follow = [one for one in after[position + 1 :] if not lines[one].removeprefix(before)[:1].isspace()]
            return words.strip() if anywhere or len(follow) <= 2 else ""
    # Cut short: all that follows belongs to it.
    return lines[after[-1] if after else begin].strip() if not before else ""
