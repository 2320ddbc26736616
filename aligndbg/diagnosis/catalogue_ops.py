"""The catalogue's rows for ops: axes, reductions, shapes, and numbers that are operands."""

from __future__ import annotations

from aligndbg.diagnosis.catalogue_row import Row, kinds, paddle_op, torch_op

_ARITHMETIC = "add subtract rsubtract multiply divide rdivide floor_divide"
_REDUCED = "mean sum max min amax amin prod logsumexp std var"
_GENERATED = "base/dygraph/generated_tensor_methods_patch"

AXES: tuple[Row, ...] = (
    *(
        Row(
            "axis",
            kinds(kind),
            cause,
            torch_op(torch_name, torch),
            paddle_op(paddle_name, paddle, file),
            note=note,
        )
        for kind, cause, torch_name, torch, paddle_name, paddle, file, note in (
            ("softmax", "axis", "dim", "softmax", "axis", "nn.functional.softmax", "nn/functional/activation", ""),
            ("log_softmax", "axis", "dim", "log_softmax", "axis", "nn.functional.log_softmax", "nn/functional/activation", ""),
            ("concat", "concat-axis", "dim", "cat", "axis", "concat", "tensor/manipulation", ""),
            ("stack", "concat-axis", "dim", "stack", "axis", "stack", "tensor/manipulation", ""),
            ("mean", "axis", "dim", "mean", "axis", "mean", "tensor/stat", "None is all axes"),
            ("sum", "axis", "dim", "sum", "axis", "sum", _GENERATED, "None is all axes"),
            ("max min", "axis", "dim", "max min", "axis", "max min", "tensor/math", "torch's give the places too"),
            ("amax amin", "axis", "dim", "amax amin", "axis", "amax amin", _GENERATED, ""),
            ("prod", "axis", "dim", "prod", "axis", "prod", "tensor/math", ""),
            ("logsumexp", "axis", "dim", "logsumexp", "axis", "logsumexp", _GENERATED, ""),
            ("std var", "axis", "dim", "std var", "axis", "std var", "tensor/stat", ""),
            ("split", "axis", "dim", "split chunk unbind", "axis", "split chunk unbind", "tensor/manipulation", ""),
            ("transpose", "axis", "dims", "permute", "perm", "transpose", "tensor/linalg", "torch.transpose swaps two axes"),
            ("squeeze", "axis", "dim", "squeeze", "axis", "squeeze", "tensor/manipulation", ""),
            ("unsqueeze", "axis", "dim", "unsqueeze", "axis", "unsqueeze", "tensor/manipulation", ""),
            ("flip", "axis", "dims", "flip", "axis", "flip", "tensor/manipulation", ""),
            ("cumsum", "axis", "dim", "cumsum", "axis", "cumsum", "tensor/math", ""),
        )
    ),
    Row(
        "axis",
        kinds("normalize"),
        "axis",
        torch_op("dim", "nn.functional.normalize", "torch/nn/functional.py"),
        paddle_op("axis", "nn.functional.normalize", "nn/functional/norm"),
    ),
    *(
        Row(
            "keepdim",
            kinds(names),
            "axis",
            torch_op("keepdim", names),
            paddle_op("keepdim", names, file),
            note="void if shapes agree",
        )
        for names, file in (
            ("mean std var", "tensor/stat"),
            ("max min prod", "tensor/math"),
            ("sum amax amin logsumexp", _GENERATED),
        )
    ),
    Row(
        "correction",
        kinds("std var"),
        "scale",
        torch_op("correction", "std var"),
        paddle_op("unbiased", "std var", "tensor/stat"),
        alternatives=(0.0, 1.0),
        note="unbiased=False is correction=0",
    ),
    *(
        Row(name, kinds("flatten"), "flatten", torch_op(torch_name, "flatten"), paddle_op(name, "flatten", "tensor/manipulation"))
        for name, torch_name in (("start_axis", "start_dim"), ("stop_axis", "end_dim"))
    ),
    Row(
        "sections",
        kinds("split"),
        "output-size",
        torch_op("split_size_or_sections", "split", "torch/functional.py"),
        paddle_op("num_or_sections", "split", "tensor/manipulation"),
        note="an int is the size of each part in torch, the number of parts in Paddle",
    ),
)

OPERANDS: tuple[Row, ...] = (
    Row(
        "other",
        kinds(_ARITHMETIC),
        "scale",
        torch_op("other", "add sub mul div"),
        paddle_op("y", "add subtract multiply divide", "tensor/math"),
        note="where it is a number",
    ),
    Row(
        "exponent",
        kinds("power"),
        "scale",
        torch_op("exponent", "pow"),
        paddle_op("y", "pow", "tensor/math"),
        alternatives=(2.0, 3.0),
    ),
    Row("alpha", kinds("add subtract"), "scale", torch_op("alpha", "add sub"), paddle_op("alpha", "add subtract", "tensor/math")),
)
