"""A run's events on their way from its thread to the screen."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import fake_run
import pytest

from aligndbg.errors import EnvironmentFault
from aligndbg.tui.feed import Feed
from aligndbg.tui.run import Run
from aligndbg.workflows.events import Event, Notice, RunFailed, RunStarted


class Screen:
    """Stands for the screen: it counts what it is told."""

    def __init__(self) -> None:
        self.told = threading.Semaphore(0)
        self.messages: list[Feed.Ready] = []

    def post_message(self, message: Feed.Ready) -> bool:
        self.messages.append(message)
        self.told.release()
        return True


def feed(start: Callable[[], Run], screen: Any) -> Feed:
    return Feed(start, screen)


def everything(one: Feed, screen: Screen) -> list[Event]:
    found: list[Event] = []
    ended = False
    while not ended:
        assert screen.told.acquire(timeout=10)
        events, ended = one.take()
        found += events
    return found


def test_events_arrive_in_order_and_then_the_end() -> None:
    screen = Screen()
    assert everything(feed(fake_run.starting(), screen), screen) == fake_run.events()


def test_the_screen_is_told_once_until_it_takes() -> None:
    screen = Screen()
    run = fake_run.FakeRun(fake_run.opening(), hold=4)
    one = feed(lambda: run, screen)
    assert screen.told.acquire(timeout=10)
    run.go()
    one.join()
    assert len(screen.messages) == 1
    assert one.take() == (fake_run.opening(), True)


def test_a_run_that_cannot_begin_is_one_that_failed() -> None:
    def start() -> Run:
        raise EnvironmentFault("no torch here", "pip install torch")

    screen = Screen()
    (event,) = everything(feed(start, screen), screen)
    assert isinstance(event, RunFailed)
    assert (event.error.message, event.error.hint) == ("no torch here", "pip install torch")


class Broken(fake_run.FakeRun):
    def events(self) -> Iterator[Event]:
        yield RunStarted("pair", "", "")
        raise ZeroDivisionError("division by zero")


def test_a_defect_is_told_as_one_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    screen = Screen()
    started, failed = everything(feed(lambda: Broken([]), screen), screen)
    assert isinstance(started, RunStarted)
    assert isinstance(failed, RunFailed)
    assert failed.error.message == "ZeroDivisionError: division by zero"
    assert "defect" in failed.error.hint
    assert "ZeroDivisionError" in caplog.text


def test_nothing_is_heard_of_a_cancelled_run() -> None:
    screen = Screen()
    run = fake_run.FakeRun(fake_run.opening(), hold=2)
    one = feed(lambda: run, screen)
    assert screen.told.acquire(timeout=10)
    one.cancel()
    one.join()
    assert run.cancelled
    assert one.take() == ([], False)
    assert len(screen.messages) == 1


def test_a_run_that_is_cancelled_while_it_starts_is_cancelled_when_it_has() -> None:
    begun, go = threading.Event(), threading.Event()
    run = fake_run.FakeRun([Notice("info", "too late")])

    def start() -> Run:
        begun.set()
        go.wait(10)
        return run

    one = feed(start, Screen())
    assert begun.wait(10)
    one.cancel()
    go.set()
    one.join()
    assert run.cancelled


def test_the_end_of_the_app_waits_for_a_run_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aligndbg.tui.feed.PATIENCE", 0.01)
    never = threading.Event()

    def start() -> Run:
        never.wait(30)
        return fake_run.FakeRun([])

    one = feed(start, Screen())
    one.join()
    assert one.take() == ([], False)
    never.set()


def test_a_screen_that_is_gone_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    class Gone:
        def post_message(self, message: Feed.Ready) -> bool:
            raise RuntimeError("Event loop is closed")

    one = feed(fake_run.starting(), Gone())
    one.join()
    assert one.take()[1]
    assert not caplog.records
