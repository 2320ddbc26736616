"""The form that starts a job: what it shows before anything runs, what it refuses, and the job that it makes."""

from __future__ import annotations

import shlex
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from driving import screen_text, told, until
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button

from aligndbg.errors import EnvironmentFault
from aligndbg.jobs.folder import list_jobs, log_files, read_job, stop
from aligndbg.pairs.load import load_pair
from aligndbg.pairs.schema import PairSpec
from aligndbg.settings import Settings
from aligndbg.tui.app import AligndbgApp
from aligndbg.tui.screens import launch as module
from aligndbg.tui.screens.launch import LaunchScreen, _key
from aligndbg.tui.widgets.form import Choice, FormField, FormInput, completed
from aligndbg.workflows.launch_request import FIELDS, offers

CONFIG = {
    "Global": {"device": "gpu"},
    "Arch": {"name": "Net"},
    "DataLoader": {"Eval": {"dataset": {"image_root": ".", "cls_label_path": "absent.txt"}}},
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a checkout of PaddleClas, seen from within."""
    monkeypatch.chdir(tmp_path)
    for folder in ("PaddleClas/ppcls/arch/backbone", "PaddleClas/tools", "models/small"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "PaddleClas/ppcls/arch/backbone/net.py").write_text("def Net(**kwargs):\n    pass\n")
    for tool in ("train", "eval"):
        (tmp_path / f"PaddleClas/tools/{tool}.py").write_text("import sys; print(sys.argv[1:])")
    (tmp_path / "PaddleClas/some.yaml").write_text(yaml.safe_dump(CONFIG))
    return tmp_path


def small(project: Path, **sections: Any) -> PairSpec:
    document = {"schema": 1, "name": "small", "torch": {"model": "math:sqrt"}, "paddle": {"model": "math:sqrt"}, **sections}
    (project / "models/small/pair.yaml").write_text(yaml.safe_dump(document))
    return load_pair(project / "models/small/pair.yaml")


class Form:
    """The open form, its results, and what a user does in it."""

    def __init__(self, pilot: Pilot[Any], screen: LaunchScreen, root: Path) -> None:
        self.pilot, self.screen, self.root = pilot, screen, root
        self.results: list[Path | None] = []

    async def choose(self, kind: str, template: str = "") -> None:
        kinds = offers(self.screen._pair)
        wanted = next(place for place, offer in enumerate(kinds) if (offer.kind, offer.template) == (kind, template))
        self.field("kind").query_one(Choice).value = str(wanted)
        await until(self.pilot, lambda: self.screen.offer == kinds[wanted])
        await self.planned()

    async def type(self, name: str, text: str) -> None:
        """All at once, as a paste does."""
        control = self.field(name).control
        control.focus()
        control.value = text
        await until(self.pilot, lambda: self.screen._typed.get(_key(self.screen.offer, name)) == text)
        await self.planned()

    async def planned(self) -> None:
        await until(self.pilot, lambda: self.screen.plan is not None and not self.screen._planning)

    def field(self, name: str) -> FormField:
        return next(field for field in self.screen.query(FormField) if field.spec.name == name)

    @property
    def text(self) -> str:
        return screen_text(self.pilot)

    @property
    def one_line(self) -> str:
        """The screen without its line ends, where a command may be wrapped."""
        return " ".join(" ".join(line.strip("│┃ ") for line in self.text.splitlines()).split())


@asynccontextmanager
async def form(
    project: Path, pair: PairSpec | None = None, size: tuple[int, int] = (109, 50), root: Path | None = None
) -> AsyncIterator[Form]:
    root = root or project / "jobs"
    app = AligndbgApp(lambda: Screen())
    settings = Settings(project / "sessions", project / "cache", project / "logs")
    async with app.run_test(size=size, notifications=True) as pilot:
        screen = LaunchScreen(pair, settings, root)
        found = Form(pilot, screen, root)
        app.push_screen(screen, found.results.append)
        await until(pilot, lambda: app.screen is screen and screen.plan is not None)
        yield found
    for job in list_jobs(root) if root.is_dir() else ():
        if job.state and not job.state.final:
            stop(job, 1)


async def test_a_command_is_shown_then_started(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        assert "no command before the marked fields are mended" in it.text and "✗ no command is given" in it.text
        await it.type("argv", f"{sys.executable} -c 'print(6*7)'")
        await it.type("title", "my words")
        assert f"in    {project}" in it.text and "with  CUDA_VISIBLE_DEVICES=''" in it.text
        assert f"$ {sys.executable} -c 'print(6*7)'" in it.one_line and "✓ ready" in it.text
        assert not it.root.exists() and it.results == []
        await it.pilot.press("ctrl+s")
        await until(it.pilot, lambda: it.results)
        [folder] = it.results
        assert folder and folder.parent == it.root
        await until(it.pilot, lambda: (state := read_job(folder).state) and state.final)
        job = read_job(folder)
        assert job.spec and (job.spec.title, job.spec.argv) == ("my words", (sys.executable, "-c", "print(6*7)"))
        assert log_files(folder)[0].read_text() == "42\n"


async def test_what_is_wrong_is_said_at_its_field_and_nothing_starts(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", "'open")
        await it.type("ranks", "none")
        assert "✗ no closing quotation · quotes come in pairs" in it.text
        assert "✗ expected 1 to 1024, found 'none'" in it.text
        await it.pilot.press("ctrl+s")
        assert it.screen.focused is it.field("argv").control
        await it.type("argv", "true")
        assert "no closing quotation" not in it.text
        await it.pilot.press("ctrl+s")
        assert it.screen.focused is it.field("ranks").control
        assert it.results == [] and not it.root.exists()


async def test_errors_in_a_config_are_told_before_they_may_be_ignored(project: Path) -> None:
    async with form(project) as it:
        await it.choose("paddleclas-eval")
        assert it.field("checkout").value == "PaddleClas"
        await it.type("config", "some.yaml")
        assert f"$ {sys.executable} -u tools/eval.py -c some.yaml -o Global.device=cpu" in it.one_line
        assert "✗ DataLoader.Eval.dataset.cls_label_path:" in it.text and "absent.txt does not exist" in it.one_line
        await it.pilot.press("ctrl+s")
        await it.pilot.pause()
        assert "1 error in the config: once more starts in spite of it" in it.text and it.results == []
        # Another plan, another question.
        await it.type("overrides", "a=1")
        await it.pilot.press("ctrl+s")
        await it.pilot.pause()
        assert it.results == []
        await it.pilot.press("ctrl+s")
        await until(it.pilot, lambda: it.results)
        assert it.results[0] and it.results[0].name.split("-")[1:3] == ["paddleclas", "eval"]


async def test_ctrl_s_right_after_typing_starts_what_was_typed(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", f"{sys.executable} -c 1")
        await it.pilot.press("2", "3", "ctrl+s")
        await until(it.pilot, lambda: it.results)
        job = read_job(it.results[0] or Path())
        assert job.spec and job.spec.argv[-1] == "123"


async def test_the_mouse_starts_as_well(project: Path) -> None:
    async with form(project, size=(80, 24)) as it:
        await it.choose("command")
        await it.type("argv", "true")
        await it.pilot.click(Button)
        await until(it.pilot, lambda: it.results)
        assert it.results[0] is not None


async def test_escape_leaves_and_starts_nothing(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", "true")
        await it.pilot.press("escape")
        await until(it.pilot, lambda: it.results)
        assert it.results == [None] and not it.root.exists()


async def test_escape_closes_an_open_choice_first(project: Path) -> None:
    async with form(project) as it:
        choice = it.field("kind").control
        assert isinstance(choice, Choice) and it.screen.focused is choice
        await it.pilot.press("enter")
        await until(it.pilot, lambda: choice.expanded)
        await it.pilot.press("escape")
        await until(it.pilot, lambda: not choice.expanded)
        assert it.results == []
        await it.pilot.press("enter", "down", "down", "enter")
        await until(it.pilot, lambda: it.screen.offer.kind == "torchrun")


async def test_a_start_that_fails_is_told_in_the_form(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "file").touch()
    async with form(project, root=project / "file") as it:
        await it.choose("command")
        await it.type("argv", "true")
        await it.pilot.press("ctrl+s")
        await until(it.pilot, lambda: "nothing was started" in it.text)
        assert f"✗ the job cannot be kept in {project / 'file'}" in it.one_line and it.results == []
        monkeypatch.setattr(module, "start_launch", lambda plan, root: 1 / 0)
        await it.pilot.press("ctrl+s")
        await until(it.pilot, lambda: "ZeroDivisionError" in it.one_line)
        monkeypatch.setattr(module, "start_launch", lambda plan, root: Path("anywhere"))
        await it.pilot.press("ctrl+s")
        await until(it.pilot, lambda: it.results == [Path("anywhere")])


async def test_while_it_is_being_started_nothing_else_can_be(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, calls = threading.Event(), []

    def slow(plan: Any, root: Path) -> Path:
        calls.append(plan)
        assert go.wait(20)
        raise EnvironmentFault("no luck", "try again")

    monkeypatch.setattr(module, "start_launch", slow)
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", "true")
        await it.pilot.press("ctrl+s", "ctrl+s", "escape")
        await until(it.pilot, lambda: "it is being started" in told(it.pilot))
        assert it.screen.query_one(Button).disabled and it.results == []
        go.set()
        await until(it.pilot, lambda: "✗ no luck · try again" in it.text)
        assert len(calls) == 1 and not it.screen.query_one(Button).disabled


async def test_what_was_typed_stays_where_it_means_the_same(project: Path) -> None:
    async with form(project) as it:
        await it.choose("paddleclas-eval")
        await it.type("ranks", "3")
        await it.type("config", "some.yaml")
        await it.choose("paddleclas-train")
        assert (it.field("ranks").value, it.field("config").value) == ("3", "some.yaml")
        await it.choose("command")
        await it.type("argv", "true")
        assert it.field("ranks").value == "3"
        await it.choose("torchrun")
        assert it.field("argv").value == ""


async def test_a_pair_fills_the_form(project: Path) -> None:
    launch = {"eval": [sys.executable, "go.py", "{ranks}", "{list}"]}
    pair = small(project, launch=launch, eval={"list": "val.txt"}, train={"recipe": "train.yaml"})
    async with form(project, pair) as it:
        assert it.screen.offer.kind == "train" and it.field("config").value == "models/small/train.yaml"
        assert "✗ models/small/train.yaml does not exist" in it.text
        await it.choose("template", "eval")
        assert it.field("list").value == "models/small/val.txt"
        assert f"$ {shlex.join([*launch['eval'][:2], '1', str(project / 'models/small/val.txt')])}" in it.one_line


async def test_gpus_are_asked_for_where_they_are_used(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        assert not it.field("gpus").display
        it.field("device").control.focus()
        await it.pilot.press("right")
        await it.planned()
        assert it.field("gpus").display and it.field("device").value == "gpu"
        await it.type("argv", "true")
        await it.type("gpus", "3")
        assert "with  CUDA_VISIBLE_DEVICES=3" in it.text


async def test_fields_are_gone_through_by_keys(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        names = [name for name in FIELDS["command"] if name != "gpus"]
        it.field("kind").control.focus()
        await it.pilot.press("down")
        for place, name in enumerate(names):
            assert it.screen.focused is it.field(name).control
            await it.pilot.press("down" if place % 2 or name == "device" else "enter")
        await it.pilot.press("shift+tab", "up")
        assert it.screen.focused is it.field(names[-2]).control


async def test_the_command_is_copied_for_a_shell_without_its_secrets(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", "true --token swordfish 'a b'")
        await it.pilot.press("ctrl+y")
        copied = f"cd {shlex.quote(str(project))} && CUDA_VISIBLE_DEVICES='' true --token '***' 'a b'"
        assert it.pilot.app.clipboard == copied
        assert "--token '***' 'a b'" in it.one_line
        await it.choose("torchrun")
        it.field("kind").control.focus()
        await it.pilot.pause()
        await it.pilot.press("y")
        assert "there is no command yet" in told(it.pilot)


async def test_strangers_text_is_never_markup(project: Path) -> None:
    async with form(project) as it:
        await it.choose("command")
        await it.type("argv", "[/bold][red]true")
        assert "✗ there is no program '[/bold][red]true'" in it.one_line


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (200, 60), (20, 5)])
async def test_any_size_will_do(project: Path, size: tuple[int, int]) -> None:
    async with form(project, small(project, launch={"train": ["true"]}), size) as it:
        for offer in offers(it.screen._pair):
            await it.choose(offer.kind, offer.template)
            last = list(it.screen.query(FormInput))[-1]
            last.focus()
            await it.pilot.pause()
            await it.pilot.pause()
            if size[1] >= 12:
                assert it.screen.query_one("#fields").region.contains_region(last.region)


async def test_right_takes_the_completion_of_a_path(project: Path) -> None:
    async with form(project) as it:
        await it.choose("paddleclas-eval")
        it.field("config").control.focus()
        await it.pilot.press("s", "o")
        control = it.field("config").control
        assert isinstance(control, FormInput)
        await until(it.pilot, lambda: control._suggestion == "some.yaml")
        await it.pilot.press("right")
        assert control.value == "some.yaml"


def test_completions(project: Path) -> None:
    (project / ".hidden").mkdir()
    (project / "a\x1b[31m").mkdir()
    (project / "a file").touch()
    assert completed("Pad", [project]) == "PaddleClas/"
    assert completed("PaddleClas/too", [project]) == "PaddleClas/tools/"
    assert completed("PaddleClas/some", [project], folders_only=True) is None
    assert completed("a", [project]) == "a file" and completed(".", [project]) == ".hidden/"
    assert completed("so", [project / "absent", project / "PaddleClas"]) == "some.yaml"
    assert completed(f"{project}/Pa", []) is None and completed(f"{project}/Pa", [Path("/")]) == f"{project}/PaddleClas/"
    assert completed("PaddleClas/some.yaml", [project]) is None
    assert completed("~nobody-at-all/x", [project]) is None and completed("", [project]) is None


@given(st.text())
def test_a_completion_begins_with_what_is_typed(value: str) -> None:
    found = completed(value, [Path("/"), Path.cwd()])
    assert found is None or (found.startswith(value) and len(found) > len(value))
