"""The dual GAN's opponents in training: D1 and D2, a critic for each domain that comes out (paper table 2)."""

from torch import nn

from i2i_cli.models.dual.networks import NetworksConfig, convolution


class Critic(nn.Sequential):
    """D: images (B, 3, H, W) to logits (B, 1) of being real (table 2, whose sigmoid is in the loss).

    Args:
        config: for its factor on the channels.
        kernel: of the first row, before anything is pooled; 1 is the table's.
    """

    def __init__(self, config: NetworksConfig, image_size: int, kernel: int = 1) -> None:
        def c(count: int) -> int:
            return config.channels(count)

        rows: list[nn.Module] = [convolution(3, c(16), kernel), nn.AvgPool2d(2)]
        rows += [convolution(c(16), c(32), 5), convolution(c(32), c(64), 3), nn.AvgPool2d(2)]
        inputs = 64
        num_more = (image_size // 32).bit_length() - 1  # stages more than at 32 pixels
        for outputs in [128] * num_more + [256, 256]:
            rows += [convolution(c(inputs), c(outputs), 3), nn.AvgPool2d(2)]
            inputs = outputs
        rows += [convolution(c(256), c(128), 3), nn.Flatten(), nn.Linear(c(128) * 4, 1)]
        super().__init__(*rows)
