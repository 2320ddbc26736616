"""The catalogue's rows for ops: axes, reductions, shapes, and numbers that are operands."""

from __future__ import annotations

from aligndbg.diagnosis.catalogue_row import Row, kinds, paddle_op, torch_op

_ARITHMETIC = "add subtract rsubtract multiply divide rdivide floor_divide"
_GENERATED = "_paddle_docs"

AXES: tuple[Row, ...] = (
    *(
        Row(
            "axis",
            kinds(kind),
            "axis",
            torch_op("dim", f"nn.functional.{kind}", "torch/nn/functional.py"),
            paddle_op("axis", f"nn.functional.{kind}", f"nn/functional/{file}"),
        )
        for kind, file in (("softmax", "activation"), ("log_softmax", "activation"), ("normalize", "norm"))
    ),
    *(
        Row(
            "axis",
            kinds(kind),
            "concat-axis",
            torch_op("dim", torch),
            paddle_op("axis", kind, "tensor/manipulation"),
        )
        for kind, torch in (("concat", "cat"), ("stack", "stack"))
    ),
    *(
        Row("axis", kinds(names), "axis", torch_op("dim", names), paddle_op("axis", names, file), note="None is all axes")
        for names, file in (
            ("mean std var", "tensor/stat"),
            ("max min prod", "tensor/math"),
            ("sum amax amin logsumexp", _GENERATED),
        )
    ),
    *(
        Row("axis", kinds(kind), "axis", torch_op("dim", names), paddle_op("axis", names, file))
        for kind, names, file in (
            ("split", "split chunk unbind", "tensor/manipulation"),
            ("squeeze", "squeeze", "tensor/manipulation"),
            ("unsqueeze", "unsqueeze", "tensor/manipulation"),
            ("cumsum", "cumsum", "tensor/math"),
        )
    ),
    Row("axis", kinds("flip"), "axis", torch_op("dims", "flip"), paddle_op("axis", "flip", "tensor/manipulation")),
    Row(
        "axis",
        kinds("transpose"),
        "axis",
        torch_op("dims", "permute"),
        paddle_op("perm", "transpose", "tensor/linalg"),
        note="torch.transpose swaps two axes, paddle.transpose orders all",
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
        spelling="flag",
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
        paddle_op("y", "add subtract divide", "tensor/math"),
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
