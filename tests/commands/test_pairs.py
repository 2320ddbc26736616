"""`aligndbg pairs` and `aligndbg doctor`."""

from __future__ import annotations

import json

from project import Project, both_frameworks


def test_list_names_what_cannot_be_used(project: Project) -> None:
    project.pair("plain", description="a right port")
    project.pair("group/other")
    project.pair("wrong", wieghts={})
    listed = {pair["name"]: pair for pair in json.loads(project.run("pairs", "list", "--json").out)}
    assert {"plain", "group/other", "wrong"} <= set(listed)
    assert listed["plain"]["description"] == "a right port"
    assert "unknown key 'wieghts'" in listed["wrong"]["problem"]
    shown = project.run("pairs")
    assert shown.code == 0
    assert "a right port" in shown.out and "unknown key 'wieghts'" in shown.out


def test_a_wrong_pair_of_several_is_a_row(project: Project) -> None:
    project.pair("wrong", wieghts={})
    done = project.run("pairs", "check", "wrong", "absent")
    assert done.code == 2
    assert "✗ wrong: " in done.out and "✗ absent: there is no pair 'absent'" in done.out
    assert "Traceback" not in done.err


class TestWithFrameworks:
    pytestmark = both_frameworks

    def test_a_new_pair_aligns_as_it_stands(self, project: Project) -> None:
        done = project.run("pairs", "new", "mine")
        assert (done.code, done.err) == (0, "")
        assert done.out.splitlines()[:3] == [
            f"wrote models/mine/{file}" for file in ("pair.yaml", "torch_model.py", "paddle_model.py")
        ]
        again = project.run("pairs", "new", "mine")
        assert (again.code, again.error) == (2, ["error: models/mine exists already", "try: choose another name"])
        report = project.report("mine", "--shape", "1,3,16,16")
        assert (report["verdict"], report["weights"]["unfilled"], report["unpaired"]) == (
            "aligned",
            [],
            {"torch": [], "paddle": []},
        )

    def test_check_builds_both_models(self, project: Project) -> None:
        project.pair("plain")
        project.pair("port", paddle="Absent")
        done = project.run("pairs", "check", "plain", "port")
        assert done.code == 2
        assert "✓ plain: both models can be built" in done.out
        assert "✗ port: paddle: " in done.out and "has no 'Absent'" in done.out

    def test_doctor_tells_what_is_there_and_what_is_not(self, project: Project) -> None:
        done = project.run("doctor")
        assert done.code == 0, done.out
        assert all(f"{side} " in done.out for side in ("torch", "paddle", "sessions", "diff kernel"))
        lacking = project.run("doctor", "--paddle-python", "/no/such/python")
        assert lacking.code == 3
        assert "✗ the paddle child cannot be started with /no/such/python" in lacking.out
        assert "✓ torch" in lacking.out
