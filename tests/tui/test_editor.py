from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_terminal import on_terminal

from aligndbg.tui.editor import COLON, GOTO, PLUS, editor_argv, split_source

FILE = Path("/a b/m.py")


@pytest.mark.parametrize(
    ("editor", "argv"),
    [
        ("vim", ["vim", "+7", "/a b/m.py"]),
        ("/usr/bin/vim.basic -p", ["/usr/bin/vim.basic", "-p", "+7", "/a b/m.py"]),
        ("nvim -u 'my init.lua'", ["nvim", "-u", "my init.lua", "+7", "/a b/m.py"]),
        ("emacs -nw", ["emacs", "-nw", "+7", "/a b/m.py"]),
        ("code --wait", ["code", "--wait", "--goto", "/a b/m.py:7"]),
        ("codium", ["codium", "--goto", "/a b/m.py:7"]),
        ("hx", ["hx", "/a b/m.py:7"]),
        ("subl -w", ["subl", "-w", "/a b/m.py:7"]),
        ("notepad.exe", ["notepad.exe", "/a b/m.py"]),
        ("vim; rm -rf $HOME", ["vim;", "rm", "-rf", "$HOME", "/a b/m.py"]),
    ],
)
def test_argv(editor: str, argv: list[str]) -> None:
    assert editor_argv(editor, FILE, 7) == argv


@pytest.mark.parametrize("editor", ["vim", "code", "hx", "else"])
def test_without_a_line(editor: str) -> None:
    assert editor_argv(editor, FILE, None) == [editor, "/a b/m.py"]


def test_no_editor_has_two_ways() -> None:
    assert not (PLUS & GOTO or PLUS & COLON or GOTO & COLON)


def test_quotes_that_do_not_match() -> None:
    with pytest.raises(ValueError, match="quotation"):
        editor_argv("vim 'x", FILE, 7)


@given(st.text(st.characters(exclude_characters="\x00/")).filter(lambda name: name not in ("", ".", "..")), st.integers(0, 10**6))
def test_a_file_of_any_name_comes_back_with_its_line(name: str, line: int) -> None:
    assert split_source(f"/x/{name}:{line}") == (Path("/x") / name, line)


def test_sources_without_a_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert split_source("-m.py") == (tmp_path / "-m.py", None)
    assert split_source("m.py:fn") == (tmp_path / "m.py:fn", None)
    assert split_source(":7") == (tmp_path / ":7", None)


def test_the_editor_gets_the_terminal_and_the_app_gets_it_back(tmp_path: Path) -> None:
    file, editor = tmp_path / "m.py", tmp_path / "vi"
    file.write_text("")
    editor.write_text('#!/bin/sh\n[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo "editing $1"\nkill -INT $PPID\nexit 4\n')
    editor.chmod(0o755)
    done = on_terminal(
        f"""
from aligndbg.tui.editor import edit
from textual.app import App

class Editing(App):
    def on_ready(self):
        self.exit(edit(self, {f"{file}:7"!r}, {{"EDITOR": {str(editor)!r}}}))

with guarded(log):
    said = Editing().run()
print("said:", said)
""",
        tmp_path,
    )
    entered, left = "\x1b[?1049h", "\x1b[?1049l"
    before, _, after = done.terminal.partition("editing +7")
    assert (done.code, done.log) == (0, "")
    assert before.rindex(left) > before.index(entered)
    assert after.rindex(left) > after.index(entered)
    assert f"said: {editor} ended with exit code 4" in after
