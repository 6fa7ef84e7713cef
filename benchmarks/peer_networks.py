"""Two peers of the field, compact and written for these benchmarks: CycleGAN and MUNIT.

Both translate between two domains, 0 and 1, have the same width, patch critics and least-squares loss, and their own
papers' other losses: arXiv 1703.10593 and 1804.04732. Images are (B, 3, S, S) in [-1, 1].
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH = 16
CYCLE = 10.0
IMAGE, CONTENT, STYLE = 10.0, 1.0, 1.0
STYLE_SIZE = 8
NUM_STYLES = 64
"""As many as the tool keeps of its own codes."""


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return [layer, nn.InstanceNorm2d(outputs), nn.ReLU()]


class Residual(nn.Module):
    """Two convolutions with instance norm beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*block(width, width), *block(width, width)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class StyledResidual(nn.Module):
    """The same with the norm's gains and shifts from a style: adaptive instance norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.affine = nn.Sequential(nn.Linear(STYLE_SIZE, 64), nn.ReLU(), nn.Linear(64, 4 * width))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        h, moved = x, self.affine(style)[:, :, None, None].chunk(4, 1)
        for place, layer in enumerate(self.convolutions):
            h = F.instance_norm(layer(h)) * (1 + moved[2 * place]) + moved[2 * place + 1]
            h = F.relu(h) if place == 0 else h
        return x + h


def down_to_quarter(residuals: int) -> list[nn.Module]:
    """Images to (B, 4 * WIDTH, S / 4, S / 4)."""
    w = WIDTH
    layers = [*block(3, w, 5), *block(w, 2 * w, 3, 2), *block(2 * w, 4 * w, 3, 2)]
    return [*layers, *(Residual(4 * w) for _ in range(residuals))]


def patch_critic() -> nn.Sequential:
    w = 2 * WIDTH
    return nn.Sequential(
        nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 4, 2, 1), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(4 * w, 1, 4, 1, 1),
    )  # fmt: skip


class Peer(nn.Module):
    """A model of two domains with a critic of each, and what the benchmark asks of any model."""

    def __init__(self) -> None:
        super().__init__()
        self.critics = nn.ModuleList([patch_critic(), patch_critic()])

    def generator_loss(self, real: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        """The generators' loss, and the images made of domains 0 and 1."""
        raise NotImplementedError

    def encode(self, images: Tensor, source: int) -> Tensor:
        """What the model takes over from images of domain `source`."""
        raise NotImplementedError

    def decode(self, content: Tensor, codes: Tensor | None, target: int) -> Tensor:
        """Images of domain `target`; each by its code, where the model has codes."""
        raise NotImplementedError

    def codes(self, target: int) -> Tensor | None:
        """(n, ...) codes to choose from; None where the model makes one output of an input."""
        return None

    def rebuilt(self, images: Tensor, label: int) -> Tensor | None:
        """Images from their own codes; None where the model was never trained to do that."""
        return None

    def fooled(self, made: list[Tensor]) -> Tensor:
        """How far the critics are from taking the images for real."""
        losses = [(critic(fake) - 1).square().mean() for critic, fake in zip(self.critics, made, strict=True)]
        return torch.stack(losses).sum()

    def critic_loss(self, real: tuple[Tensor, Tensor], made: list[Tensor]) -> Tensor:
        sides = zip(self.critics, real, made, strict=True)
        losses = [(critic(x) - 1).square().mean() + critic(fake).square().mean() for critic, x, fake in sides]
        return torch.stack(losses).sum() / 2


class CycleGAN(Peer):
    """There and back between two domains, one image in and one out; the cycle ties both together (equation 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.generators = nn.ModuleList([self._translator(), self._translator()])

    @staticmethod
    def _translator() -> nn.Sequential:
        w = WIDTH
        return nn.Sequential(
            *down_to_quarter(3),
            nn.Upsample(scale_factor=2), *block(4 * w, 2 * w), nn.Upsample(scale_factor=2), *block(2 * w, w),
            nn.Conv2d(w, 3, 5, padding=2), nn.Tanh(),
        )  # fmt: skip

    def generator_loss(self, real: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        made = [self.generators[target](real[1 - target]) for target in (0, 1)]
        back = [self.generators[target](made[1 - target]) for target in (0, 1)]
        cycle = torch.stack([(again - x).abs().mean() for again, x in zip(back, real, strict=True)]).sum()
        return self.fooled(made) + CYCLE * cycle, [image.detach() for image in made]

    def encode(self, images: Tensor, source: int) -> Tensor:
        return images

    def decode(self, content: Tensor, codes: Tensor | None, target: int) -> Tensor:
        return self.generators[target](content)


class StyleDecoder(nn.Module):
    """Images from contents (B, 4 * WIDTH, S / 4, S / 4) and styles (B, STYLE_SIZE)."""

    def __init__(self) -> None:
        super().__init__()
        w = WIDTH
        self.styled = nn.ModuleList(StyledResidual(4 * w) for _ in range(2))
        # Layer norm in the place of instance norm, which would take the style out again.
        self.up = nn.Sequential(
            nn.Upsample(scale_factor=2), nn.Conv2d(4 * w, 2 * w, 3, padding=1), nn.GroupNorm(1, 2 * w), nn.ReLU(),
            nn.Upsample(scale_factor=2), nn.Conv2d(2 * w, w, 3, padding=1), nn.GroupNorm(1, w), nn.ReLU(),
            nn.Conv2d(w, 3, 5, padding=2), nn.Tanh(),
        )  # fmt: skip

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        for layer in self.styled:
            content = layer(content, style)
        return self.up(content)


def style_encoder() -> nn.Sequential:
    """Styles (B, STYLE_SIZE); no norm, which would take them out."""
    w = WIDTH
    return nn.Sequential(
        nn.Conv2d(3, w, 5, padding=2), nn.ReLU(),
        nn.Conv2d(w, 2 * w, 4, 2, 1), nn.ReLU(), nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.ReLU(),
        nn.Conv2d(4 * w, 4 * w, 4, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * w, STYLE_SIZE),
    )  # fmt: skip


class MUNIT(Peer):
    """A content that both domains share and a style of each, drawn from a normal distribution (equations 1 to 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.generators = nn.ModuleDict({
            "contents": nn.ModuleList(nn.Sequential(*down_to_quarter(2)) for _ in range(2)),
            "styles": nn.ModuleList(style_encoder() for _ in range(2)),
            "decoders": nn.ModuleList(StyleDecoder() for _ in range(2)),
        })  # fmt: skip

    def generator_loss(self, real: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, list[Tensor]]:
        contents = [self.encode(x, label) for label, x in enumerate(real)]
        terms, made = [], []
        for label, x in enumerate(real):
            other = contents[1 - label]
            drawn = torch.randn(len(other), STYLE_SIZE, generator=generator)
            both = torch.cat([contents[label], other]), torch.cat([self._style(x, label), drawn])
            own, fake = self.decode(*both, label).split([len(x), len(other)])
            terms.append(IMAGE * (own - x).abs().mean())
            terms.append(CONTENT * (self.encode(fake, label) - other).abs().mean())
            terms.append(STYLE * (self._style(fake, label) - drawn).abs().mean())
            made.append(fake)
        return torch.stack(terms).sum() + self.fooled(made), [image.detach() for image in made]

    def encode(self, images: Tensor, source: int) -> Tensor:
        return self.generators["contents"][source](images)

    def decode(self, content: Tensor, codes: Tensor | None, target: int) -> Tensor:
        return self.generators["decoders"][target](content, codes)

    def codes(self, target: int) -> Tensor | None:
        return torch.randn(NUM_STYLES, STYLE_SIZE, generator=torch.Generator().manual_seed(target))

    def rebuilt(self, images: Tensor, label: int) -> Tensor | None:
        return self.decode(self.encode(images, label), self._style(images, label), label)

    def _style(self, images: Tensor, label: int) -> Tensor:
        return self.generators["styles"][label](images)


PEERS: dict[str, type[Peer]] = {"CycleGAN": CycleGAN, "MUNIT": MUNIT}
