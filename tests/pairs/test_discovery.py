"""Which pairs there are, and what a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from aligndbg.errors import PairError, UsageError
from aligndbg.pairs.discovery import find_pair, list_pairs, model_folders, pair_files

PAIR = "schema: 1\nname: {name}\ndescription: from {name}\ntorch: {{model: 'math:sqrt'}}\npaddle: {{model: 'math:sqrt'}}\n"


def make(path: Path, name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAIR.format(name=name))
    return path


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with four pairs, and its working folder two levels below; the folder that aligndbg came with is out of sight."""
    models = tmp_path / "models"
    make(models / "net" / "pair.yaml", "net")
    make(models / "broken" / "net" / "pair.yaml", "broken net")
    make(models / "zoo" / "resnet50.yaml", "resnet50")
    make(models / "zoo" / "vgg16.yaml", "vgg16")
    (models / "zoo" / "recipe.yaml").write_text("epochs: 3\n")
    make(models / ".hidden" / "pair.yaml", "hidden")
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("ALIGNDBG_MODELS", raising=False)
    package = tmp_path / "elsewhere" / "aligndbg"
    package.mkdir(parents=True)
    monkeypatch.setattr("aligndbg.pairs.discovery.aligndbg.__file__", str(package / "__init__.py"))
    return tmp_path


def test_pairs_of_a_parent_folder(project):
    assert list(pair_files()) == ["broken/net", "net", "zoo/resnet50", "zoo/vgg16"]
    assert [(entry.name, entry.description, entry.error) for entry in list_pairs()][1] == ("net", "from net", "")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("net", "net"),
        ("broken/net", "broken net"),
        ("zoo/vgg16", "vgg16"),
        ("vgg16", "vgg16"),
        ("../../models/net", "net"),
        ("../../models/net/pair.yaml", "net"),
        ("../../models/zoo/resnet50.yaml", "resnet50"),
    ],
)
def test_what_a_name_means(project, name, found):
    assert find_pair(name).name == found


def test_an_absolute_folder(project):
    assert find_pair(str(project / "models" / "net")).root == project / "models" / "net"


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("nett", "there is no pair 'nett'", "did you mean net, broken/net?"),
        ("resnet5", "there is no pair 'resnet5'", "did you mean zoo/resnet50?"),
        ("zzzzzz", "there is no pair 'zzzzzz'", "there are broken/net, net, zoo/resnet50, zoo/vgg16"),
        ("", "there is no pair ''", "there are broken/net, net, zoo/resnet50, zoo/vgg16"),
        ("a\0b", "there is no pair 'a\\x00b'", "there are broken/net, net, zoo/resnet50, zoo/vgg16"),
        ("\x1b[2J", "there is no pair '\\x1b[2J'", "there are broken/net, net, zoo/resnet50, zoo/vgg16"),
    ],
)
def test_an_unknown_pair(project, name, message, hint):
    with pytest.raises(UsageError) as refused:
        find_pair(name)
    assert (refused.value.message, refused.value.hint, refused.value.exit_code) == (message, hint, 2)


def test_an_ambiguous_end_of_a_name(project):
    make(project / "models" / "mine" / "vgg16" / "pair.yaml", "mine")
    with pytest.raises(UsageError) as refused:
        find_pair("vgg16")
    assert refused.value.message == "'vgg16' may mean mine/vgg16 or zoo/vgg16"


def test_no_models_anywhere(tmp_path, monkeypatch, project):
    empty = tmp_path / "alone"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for path in sorted((project / "models").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    with pytest.raises(UsageError) as refused:
        find_pair("net")
    assert refused.value.hint == "no models/ folder with pairs was found here; name one in ALIGNDBG_MODELS"


def test_the_environment_names_nearer_folders(project, monkeypatch, tmp_path):
    make(tmp_path / "one" / "net" / "pair.yaml", "nearer")
    make(tmp_path / "two" / "extra" / "pair.yaml", "extra")
    monkeypatch.setenv("ALIGNDBG_MODELS", f"{tmp_path / 'one'}:{tmp_path / 'two'}:{tmp_path / 'absent'}")
    assert model_folders() == (tmp_path / "one", tmp_path / "two", tmp_path / "models")
    assert find_pair("net").name == "nearer" and find_pair("extra").name == "extra"


def test_a_bad_pair_is_listed_with_its_fault_and_refused_by_name(project):
    bad = project / "models" / "bad" / "pair.yaml"
    make(bad, "bad").write_text("name: bad\ntorhc: {}\n")
    entries = {entry.name: entry for entry in list_pairs()}
    assert entries["bad"].error == f"{bad}:2: unknown key 'torhc'"
    assert entries["net"].error == ""
    with pytest.raises(PairError, match="unknown key 'torhc'"):
        find_pair("bad")


def test_the_pairs_that_aligndbg_comes_with(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALIGNDBG_MODELS", raising=False)
    entries = {entry.name: entry for entry in list_pairs()}
    assert {"squeezenet1_0", "mobilenet_v2", "broken/squeezenet1_0"} <= set(entries)
    assert [entry.error for entry in entries.values() if entry.error] == []
    assert find_pair("squeezenet1_0").weights.sha256_prefix == "b66bff10"
