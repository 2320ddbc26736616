"""`aligndbg paddleclas check` as a user runs it."""

from __future__ import annotations

from project import Project

CONFIG = """\
ARCHITECTURE: {name: SqueezeNet1_0}
epochs: 3
total_images: 8
LEARNING_RATE: {function: CosineWarmup, params: {lr: 0.02}}
TRAIN: {batch_size: 5, transforms: [{ToCHWImage: null}]}
"""


def test_a_config_with_problems(project: Project) -> None:
    (project.root / "train.yaml").write_text(CONFIG)
    done = project.run("paddleclas", "check", "train.yaml", "--ranks", "2", "--device", "cpu")
    assert done.code == 1 and done.err == ""
    assert "✗ error    use_gpu: " in done.out and "try: -o LEARNING_RATE.function=Cosine" in done.out
    assert "--checkout DIR" in done.out
    found = project.run("paddleclas", "check", "train.yaml", "--ranks", "2", "--device", "cpu", "--json").json
    assert [(each["level"], each["key"]) for each in found] == [
        ("error", "use_gpu"),
        ("error", "LEARNING_RATE.function"),
        ("error", "TRAIN.batch_size"),
    ]


def test_a_config_without_any(project: Project) -> None:
    (project.root / "train.yaml").write_text(CONFIG.replace("epochs: 3", "epochs: 30"))
    done = project.run("paddleclas", "check", "train.yaml", "--device", "gpu")
    assert done.code == 0 and "✓ train.yaml: nothing against it" in done.out


def test_wrong_use(project: Project) -> None:
    (project.root / "other.yaml").write_text("epochs: 3\n")
    for words, error in (
        (("other.yaml",), "error: other.yaml is no PaddleClas config"),
        (("absent.yaml",), "error: absent.yaml cannot be read: No such file or directory"),
        (("other.yaml", "--ranks", "0"), "error: --ranks: expected 1 or more, found 0"),
    ):
        done = project.run("paddleclas", "check", *words)
        assert (done.code, done.error[0]) == (2, error)
    (project.root / "train.yaml").write_text(CONFIG)
    done = project.run("paddleclas", "check", "train.yaml", "--checkout", "models")
    assert (done.code, done.error[0]) == (2, "error: --checkout: models is no PaddleClas checkout")
