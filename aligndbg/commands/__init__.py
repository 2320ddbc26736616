"""What each command does: options in, use case, result out. One file a command, imported when it is asked for."""

from __future__ import annotations

import difflib

COMMANDS = {
    "report": "compare pairs without the app; the exit code is the verdict",
    "convert": "write torch's weights as a Paddle checkpoint",
    "eval": "top-1 of both sides on the same pictures, and whether the gap is within the rule",
    "triage": "an evaluation's pictures, those on which the sides differ most in front",
    "pairs": "list pairs, check one, make a new one",
    "sessions": "list, show, export or remove stored runs",
    "jobs": "list, follow, stop or start what outlives the app",
    "train": "train a pair's Paddle model by a recipe, as a job",
    "launch": "start a pair's own command for evaluation or training as a job",
    "paddleclas": "check a PaddleClas config, train or evaluate in a checkout",
    "doctor": "say what this machine has and what it lacks",
    "serve": "the app in a browser",
}


def nearest_command(word: str) -> str:
    """The command that `word` may be a slip for, `""` where there is none."""
    return next(iter(difflib.get_close_matches(word, COMMANDS, 1, 0.7)), "")
