from __future__ import annotations

from aligndbg.core.exported import exported_calls
from aligndbg.core.layers import Call, TensorSpec


def calls(*rows: tuple[str, str, tuple[int, ...]]) -> list[Call]:
    return [Call(index, path, kind, kind, (TensorSpec(shape),)) for index, (path, kind, shape) in enumerate(rows)]


A, B = (1, 8), (1, 4)


def test_a_layer_is_what_ran_under_its_path() -> None:
    torch = calls(("fc", "linear", A), ("act", "relu", A))
    onnx = calls(("fc.linear", "linear", A), ("act.relu", "relu", A))
    assert exported_calls(torch, onnx) == {0: 0, 1: 1}


def test_of_a_layer_that_became_several_ops_the_last_one_counts() -> None:
    torch = calls(("attention", "multihead_attention", A), ("fc", "linear", B))
    onnx = calls(("attention.view", "reshape", B), ("attention.out_proj.linear", "linear", A), ("fc.linear", "linear", B))
    assert exported_calls(torch, onnx) == {0: 1, 1: 2}


def test_a_layer_that_is_called_again_has_its_own_part() -> None:
    torch = calls(("relu", "relu", A), ("fc", "linear", A), ("relu#2", "relu", A))
    onnx = calls(("relu.relu", "relu", A), ("fc.linear", "linear", A), ("relu.relu_1", "relu", A))
    assert exported_calls(torch, onnx) == {0: 0, 1: 1, 2: 2}


def test_a_layer_whose_ops_cannot_be_shared_out_is_left_out() -> None:
    torch = calls(("relu", "relu", A), ("relu#2", "relu", A))
    onnx = calls(("relu.relu", "relu", A))
    assert exported_calls(torch, onnx) == {}


def test_ops_of_the_models_own_code_go_by_kind_shape_and_order() -> None:
    torch = calls(("block.dropout", "dropout", A), ("block.add", "add", A), ("block.cat", "concat", B), ("flatten", "flatten", B))
    onnx = calls(("block.add", "add", A), ("block.mul", "multiply", A), ("block.cat", "concat", B), ("view", "reshape", B))
    assert exported_calls(torch, onnx) == {1: 0, 2: 2, 3: 3}


def test_an_op_of_another_shape_is_no_match() -> None:
    assert exported_calls(calls(("fc", "linear", A)), calls(("fc.linear", "linear", B))) == {}
    assert exported_calls(calls(("add", "add", A)), calls(("add", "add", B))) == {}
