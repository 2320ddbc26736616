"""The preprocessing that torchvision's published classification weights were evaluated with.

Facts from the documentation of torchvision.models 0.28 ("The inference transforms are available at ..."): torchvision needs torch,
which is not imported here. A test compares all of them with the installed torchvision.
"""

from __future__ import annotations

import difflib
from functools import cache

from aligndbg.core.preprocessing import CenterCrop, Decode, Interpolation, Normalise, ResizeShort, ToCHW
from aligndbg.datasets.pipeline import Pipeline
from aligndbg.errors import InputError

_SIZES: dict[tuple[int, int, Interpolation], str] = {
    (224, 224, "bicubic"): """
        V1: MaxVit_T
        SWAG_LINEAR_V1: RegNet_Y_128GF RegNet_Y_16GF RegNet_Y_32GF ViT_B_16 ViT_H_14 ViT_L_16
    """,
    (230, 224, "bilinear"): """
        V1: ConvNeXt_Small
    """,
    (232, 224, "bicubic"): """
        V1: Swin_T
    """,
    (232, 224, "bilinear"): """
        V1: ConvNeXt_Base ConvNeXt_Large MNASNet0_75 MNASNet1_3 ResNeXt101_64X4D ShuffleNet_V2_X1_5 ShuffleNet_V2_X2_0
        V2: MobileNet_V2 MobileNet_V3_Large RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF RegNet_X_3_2GF RegNet_X_400MF
            RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF RegNet_Y_1_6GF RegNet_Y_32GF RegNet_Y_3_2GF RegNet_Y_400MF
            RegNet_Y_800MF RegNet_Y_8GF ResNeXt101_32X8D ResNeXt50_32X4D ResNet101 ResNet152 ResNet50 Wide_ResNet101_2
            Wide_ResNet50_2
        FBGEMM_V2: ResNeXt101_32X8D_Quantized ResNet50_Quantized
        FBGEMM_V1: ResNeXt101_64X4D_Quantized ShuffleNet_V2_X1_5_Quantized ShuffleNet_V2_X2_0_Quantized
    """,
    (236, 224, "bilinear"): """
        V1: ConvNeXt_Tiny
    """,
    (238, 224, "bicubic"): """
        V1: Swin_B
    """,
    (242, 224, "bilinear"): """
        V1: ViT_L_16
    """,
    (246, 224, "bicubic"): """
        V1: Swin_S
    """,
    (255, 240, "bilinear"): """
        V2: EfficientNet_B1
    """,
    (256, 224, "bicubic"): """
        V1: EfficientNet_B0
    """,
    (256, 224, "bilinear"): """
        V1: AlexNet DenseNet121 DenseNet161 DenseNet169 DenseNet201 GoogLeNet MNASNet0_5 MNASNet1_0 MobileNet_V2
            MobileNet_V3_Large MobileNet_V3_Small RegNet_X_16GF RegNet_X_1_6GF RegNet_X_32GF RegNet_X_3_2GF RegNet_X_400MF
            RegNet_X_800MF RegNet_X_8GF RegNet_Y_16GF RegNet_Y_1_6GF RegNet_Y_32GF RegNet_Y_3_2GF RegNet_Y_400MF
            RegNet_Y_800MF RegNet_Y_8GF ResNeXt101_32X8D ResNeXt50_32X4D ResNet101 ResNet152 ResNet18 ResNet34 ResNet50
            ShuffleNet_V2_X0_5 ShuffleNet_V2_X1_0 SqueezeNet1_0 SqueezeNet1_1 VGG11_BN VGG11 VGG13_BN VGG13 VGG16_BN VGG16
            VGG19_BN VGG19 ViT_B_16 ViT_B_32 ViT_L_32 Wide_ResNet101_2 Wide_ResNet50_2
        FBGEMM_V1: GoogLeNet_Quantized ResNeXt101_32X8D_Quantized ResNet18_Quantized ResNet50_Quantized
            ShuffleNet_V2_X0_5_Quantized ShuffleNet_V2_X1_0_Quantized
        QNNPACK_V1: MobileNet_V2_Quantized MobileNet_V3_Large_Quantized
    """,
    (256, 240, "bicubic"): """
        V1: EfficientNet_B1
    """,
    (260, 256, "bicubic"): """
        V1: Swin_V2_S Swin_V2_T
    """,
    (272, 256, "bicubic"): """
        V1: Swin_V2_B
    """,
    (288, 288, "bicubic"): """
        V1: EfficientNet_B2
    """,
    (320, 300, "bicubic"): """
        V1: EfficientNet_B3
    """,
    (342, 299, "bilinear"): """
        FBGEMM_V1: Inception_V3_Quantized
        V1: Inception_V3
    """,
    (384, 380, "bicubic"): """
        V1: EfficientNet_B4
    """,
    (384, 384, "bicubic"): """
        SWAG_E2E_V1: RegNet_Y_128GF RegNet_Y_16GF RegNet_Y_32GF ViT_B_16
    """,
    (384, 384, "bilinear"): """
        V1: EfficientNet_V2_S
    """,
    (456, 456, "bicubic"): """
        V1: EfficientNet_B5
    """,
    (480, 480, "bilinear"): """
        V1: EfficientNet_V2_M
    """,
    (512, 512, "bicubic"): """
        SWAG_E2E_V1: ViT_L_16
    """,
    (518, 518, "bicubic"): """
        SWAG_E2E_V1: ViT_H_14
    """,
    (528, 528, "bicubic"): """
        V1: EfficientNet_B6
    """,
    (600, 600, "bicubic"): """
        V1: EfficientNet_B7
    """,
}
"""(resize_size, crop_size, interpolation) -> `VERSION: MODEL ...`, the version without its `IMAGENET1K_`; a model that ends in
`_Quantized` has `MODEL_QuantizedWeights`. ImageNet's mean and standard deviation, but for _OTHER."""

_OTHER: dict[str, tuple[int, int, Interpolation, Normalise]] = {
    "EfficientNet_V2_L_Weights.IMAGENET1K_V1": (480, 480, "bicubic", Normalise((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))),
    "VGG16_Weights.IMAGENET1K_FEATURES": (
        256,
        224,
        "bilinear",
        Normalise((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255)),
    ),
}


def pipeline_of_preset(weights_name: str) -> Pipeline:
    """The pipeline of weights such as `MobileNet_V2_Weights.IMAGENET1K_V1`, bit-equal to `weights.transforms()` on a PIL picture.

    InputError for a name that is not known, with the nearest one. `DEFAULT` is none: what it means changes with the version.
    """
    presets = _presets()
    found = presets.get(weights_name)
    if found is None:
        model = weights_name.partition(".")[0]
        near = [name for name in presets if name.startswith(f"{model}.")] or difflib.get_close_matches(
            weights_name, presets, 1, 0.5
        )
        raise InputError(
            f"torchvision's weights {weights_name[:80]!r} are not known",
            f"did you mean {' or '.join(near)}?" if near else "for example ResNet50_Weights.IMAGENET1K_V2",
        )
    resize, crop, interpolation, normalise = found
    return Pipeline((Decode(), ResizeShort(resize, interpolation), CenterCrop(crop), normalise, ToCHW()))


@cache
def _presets() -> dict[str, tuple[int, int, Interpolation, Normalise]]:
    presets = dict(_OTHER)
    for (resize, crop, interpolation), text in _SIZES.items():
        version = ""
        for word in text.split():
            if word.endswith(":"):
                version = word[:-1]
            else:
                weights = f"{word}Weights" if word.endswith("_Quantized") else f"{word}_Weights"
                presets[f"{weights}.IMAGENET1K_{version}"] = (resize, crop, interpolation, Normalise())
    return presets
