"""Secrets kept out of what is shown and stored: in command lines, in environments, in the text of logs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

MASK = "***"

_STRONG = frozenset(
    "token password passwd passphrase pwd secret secrets apikey accesskey secretkey privatekey credential credentials cookie "
    "authorization bearer signature sas".split()
)
_KEY_BEFORE = frozenset("api access secret private account auth encryption signing ssh ssl tls deploy license wandb".split())
_WORKING_FOLDERS = frozenset(("pwd", "oldpwd"))

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_FORMS = re.compile(
    r"(?<![\w-])(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{16,}|sk-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
"""GitHub, GitLab, Hugging Face, OpenAI-like, Slack, AWS and Google keys, and JSON web tokens, by their documented prefixes."""

_URL = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,20}://)([^\s/@'\"?#]+)@")
_BEARER = re.compile(r"\b((?:bearer|basic)\s+)([\w.~+/=-]{8,})", re.IGNORECASE)
_DUMP = re.compile(r"\benviron\(\{.*")
_NAMED = re.compile(
    r"""(?P<before>(?<![\w])(?P<quote>['"]?)(?P<name>[\w.-]{2,80})(?P=quote)\s*(?:=|:)\s*)"""
    r"""(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<bare>(?:(?:[Bb]earer|[Bb]asic)\s+)?[^\s'",;&)}\]]+))"""
)
_LISTED = re.compile(r"""(?P<before>(['"])-{1,2}(?P<name>[\w.-]{2,80})\2,\s*(?P<quote>['"]))(?P<value>.{0,4000}?)(?P=quote)""")
_HINT = re.compile(
    r"token|passw|passphrase|pwd|secret|key|credential|cookie|authorization|bearer|basic|signature|sas|://|environ"
    r"|gh[pousr]_|pat[_-]|hf_|sk-|xox|AKIA|ASIA|AIza|eyJ",
    re.IGNORECASE,
)
"""Most lines of a log hold none of these: one search spares them the rest."""


def is_secret_name(name: str) -> bool:
    """`HF_TOKEN`, `password`, `Global.apiKey`, `AWS_SECRET_ACCESS_KEY`; not `tokenizer`, `max_tokens`, `PWD`, `key_metric`."""
    if name.lower() in _WORKING_FOLDERS:
        return False
    words = [word.lower() for word in _WORDS.findall(name)]
    if any(word in _STRONG for word in words):
        return True
    return any(word == "key" and before in _KEY_BEFORE for before, word in pairwise(words)) or (
        # An environment's names are shouted, and there a key at the end opens something.
        name.isupper() and bool(words) and words[-1] == "key"
    )


def mask_env(env: Mapping[str, str]) -> dict[str, str]:
    return {name: MASK if is_secret_name(name) and value else mask_text(value) for name, value in env.items()}


def mask_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """`--token X`, `--token=X` and `-o Global.token=X` without the X, and whatever looks like a secret by its form."""
    shown: list[str] = []
    follows = False
    for word in argv:
        name, equals, value = word.partition("=")
        option = name.startswith("-")
        if follows and not option:
            shown.append(MASK)
        elif equals and value and is_secret_name(name.lstrip("-")):
            shown.append(f"{name}={MASK}")
        else:
            shown.append(mask_text(word))
        follows = option and not equals and is_secret_name(name.lstrip("-"))
    return tuple(shown)


def mask_text(text: str) -> str:
    """One line without its secrets; masking twice changes nothing more."""
    if not _HINT.search(text):
        return text
    text = _DUMP.sub(f"environ({MASK})", text)
    text = _URL.sub(rf"\1{MASK}@", text)
    text = _BEARER.sub(_bearer, text)
    text = _FORMS.sub(MASK, text)
    text = _LISTED.sub(_listed, text)
    return _NAMED.sub(_named, text)


_BACKUP = re.compile(r"backup_env\.-?\d+\.json")
_LONG = frozenset(("TRAINER_IP_PORT_LIST", "PADDLE_TRAINER_ENDPOINTS"))
"""LIMIT_LEN_ENVS of Paddle's utils/process_context.py: all that `getenv_or_backup` is asked for, and could not find elsewhere."""

WRITING_SECONDS = 1.0
"""How long a file may be no JSON because it is not whole yet."""


def is_environment_dump(path: Path) -> bool:
    """A file in which Paddle's launcher keeps the whole environment: `envlog.N`, `backup_env.N.json`, `JOB.POD.log`.

    By name, and for the last, whose name is random, by its first line (paddle.distributed.launch, controllers/controller.py and
    utils/process_context.py).
    """
    if re.fullmatch(r"envlog\.(init\.)?-?\d+", path.name) or _BACKUP.fullmatch(path.name):
        return True
    if not re.fullmatch(r"[^.].*\.[a-z]{6}\.log", path.name):
        return False
    try:
        with path.open("rb") as file:
            return file.read(8) == b"environ("
    except FileNotFoundError:
        return False


def remove_dumps(log: Path, running: bool = False) -> list[str]:
    """Delete the launcher's environment dumps from a job's log folder; the names of what went.

    While the job is `running` a rank still reads its `backup_env.N.json`: what it looks for there stays, and nothing else does.
    """
    gone: list[str] = []
    # The user may have deleted the folder; the job goes on.
    for path in log.iterdir() if log.is_dir() else ():
        if not is_environment_dump(path) or (running and _BACKUP.fullmatch(path.name) and _without_secrets(path)):
            continue
        # A listing and the supervisor may both be at it.
        path.unlink(missing_ok=True)
        gone.append(path.name)
    return gone


def _without_secrets(path: Path) -> bool:
    """Leave in a rank's backup the variables that may be too long for its environment; whether the file may stay as it is now."""
    try:
        content = json.loads(path.read_bytes())
        if not isinstance(content, dict):
            return False
        kept = {name: value for name, value in content.items() if name in _LONG}
        if kept != content:
            beside = path.with_name(f".{path.name}.new")
            beside.write_text(json.dumps(kept), "utf-8")
            beside.replace(path)
    except ValueError:
        # The launcher may be writing it.
        return time.time() - path.stat().st_mtime < WRITING_SECONDS
    except FileNotFoundError:
        return True
    return True


def _bearer(found: re.Match[str]) -> str:
    # `basic training` is two words: what is to be hidden has a digit, a capital or padding in it.
    return found[1] + MASK if re.search(r"[A-Z0-9=]", found[2]) else found[0]


def _listed(found: re.Match[str]) -> str:
    return f"{found['before']}{MASK}{found['quote']}" if is_secret_name(found["name"]) and found["value"] else found[0]


def _named(found: re.Match[str]) -> str:
    if not is_secret_name(found["name"].lstrip("-")):
        return found[0]
    if found["single"] is not None:
        return f"{found['before']}'{MASK}'"
    if found["double"] is not None:
        return f'{found["before"]}"{MASK}"'
    return f"{found['before']}{MASK}"
