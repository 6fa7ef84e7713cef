"""The dual paper's claim that its images vary more within a class than CycleGAN's.

    python benchmarks/cyclegan.py WEIGHTS DATA SOURCE TARGET IMAGES

trains a compact CycleGAN of our own (arXiv 1703.10593: least squares, cycle 10, instance norm, residual
generator) between two domains until it has seen IMAGES images, and prints its figures beside those of
WEIGHTS on the same held-out images: see `translations.py`. It saves `cyclegan.png` beside it, a sheet of both.
"""

import itertools
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from translations import NUM_ACROSS, Made, figures, fresh_judge, images_of, print_table, translated

from i2i_cli.data.augment import DataConfig, augmented, to_model_range
from i2i_cli.data.dataset import Dataset, decoded
from i2i_cli.data.domains import scan
from i2i_cli.data.sampling import BalancedSampler
from i2i_cli.data.writing import write_image
from i2i_cli.engine.schedule import generator_for
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.plots.sheets import sheet
from i2i_cli.models.peers import Draws

BATCH = 8
WIDTH = 16
CYCLE = 10.0
ROWS = 10


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    return [layer, nn.InstanceNorm2d(outputs), nn.ReLU()]


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*block(width, width), *block(width, width)[:-1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def translator_network() -> nn.Sequential:
    w = WIDTH
    return nn.Sequential(
        *block(3, w, 5), *block(w, 2 * w, 3, 2), *block(2 * w, 4 * w, 3, 2), *(Residual(4 * w) for _ in range(3)),
        nn.Upsample(scale_factor=2), *block(4 * w, 2 * w), nn.Upsample(scale_factor=2), *block(2 * w, w),
        nn.Conv2d(w, 3, 5, padding=2), nn.Tanh(),
    )  # fmt: skip


def patch_critic() -> nn.Sequential:
    w = 2 * WIDTH
    return nn.Sequential(
        nn.Conv2d(3, w, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(w, 2 * w, 4, 2, 1), nn.InstanceNorm2d(2 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * w, 4 * w, 4, 2, 1), nn.InstanceNorm2d(4 * w), nn.LeakyReLU(0.2),
        nn.Conv2d(4 * w, 1, 4, 1, 1),
    )  # fmt: skip


class CycleGAN(nn.Module):
    """There and back between two domains, one image in and one out."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = translator_network(), translator_network()
        self.critics = nn.ModuleList([patch_critic(), patch_critic()])

    def generator_loss(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        b_made, a_made = self.there(a), self.back(b)
        cycle = (self.back(b_made) - a).abs().mean() + (self.there(a_made) - b).abs().mean()
        fooled = (self.critics[0](b_made) - 1).square().mean() + (self.critics[1](a_made) - 1).square().mean()
        return fooled + CYCLE * cycle, b_made.detach(), a_made.detach()

    def critic_loss(self, a: Tensor, b: Tensor, b_made: Tensor, a_made: Tensor) -> Tensor:
        pairs = ((self.critics[0], b, b_made), (self.critics[1], a, a_made))
        losses = [(critic(real) - 1).square().mean() + critic(fake).square().mean() for critic, real, fake in pairs]
        return torch.stack(losses).sum() / 2


def trained(dataset: Dataset, a: int, b: int, num_images: int) -> tuple[CycleGAN, float]:
    """A CycleGAN that has seen `num_images` images, and the minutes that took."""
    torch.manual_seed(0)
    gan, settings = CycleGAN(), DataConfig(flip=True, shift=0.06)
    generators = itertools.chain(gan.there.parameters(), gan.back.parameters())
    optimisers = [torch.optim.Adam(p, 2e-4, (0.5, 0.999)) for p in (list(generators), list(gan.critics.parameters()))]
    rows = dataset.train[(dataset.labels[dataset.train] == a) | (dataset.labels[dataset.train] == b)]
    sampler = BalancedSampler((dataset.labels[rows] == b).long(), 2, BATCH, 0)
    started, steps = time.monotonic(), num_images // BATCH
    for step in range(steps):
        for optimiser in optimisers:
            optimiser.param_groups[0]["lr"] = 2e-4 * min(1.0, 2 - 2 * step / steps)  # the second half decays to 0
        images = to_model_range(dataset.images.squares(rows[sampler.indices(step)]), torch.device("cpu"))
        real_a, real_b = augmented(images, settings, Draws(generator_for(0, step, "cyclegan"))).chunk(2)
        loss, b_made, a_made = gan.generator_loss(real_a, real_b)
        for optimiser, total in ((optimisers[0], loss), (optimisers[1], None)):
            total = gan.critic_loss(real_a, real_b, b_made, a_made) if total is None else total
            optimiser.zero_grad()
            total.backward()
            optimiser.step()
        if step % 200 == 0:
            print(f"step {step} of {steps}: {float(loss.detach()):.3f}", file=sys.stderr, flush=True)
    return gan.eval(), (time.monotonic() - started) / 60


@torch.no_grad()
def made_by(gan: CycleGAN, dataset: Dataset, a: int, b: int) -> Made:
    first, second = dataset.pairs(dataset.test, a, b)
    inputs = images_of(dataset, first)
    outputs = torch.cat([gan.there(chunk) for chunk in inputs.split(64)])
    return Made(inputs, outputs, images_of(dataset, second), None, outputs[:NUM_ACROSS])


def main() -> None:
    weights, data, source, target, count = sys.argv[1:6]
    translator = load(weights, device="cpu")
    dataset = decoded(scan(Path(data)), translator.image_size)
    a, b = (dataset.domains.index(name) for name in (source, target))
    judge, ours = fresh_judge(dataset), translated(translator.model, dataset, a, b)
    gan, minutes = trained(dataset, a, b, int(count))
    theirs = made_by(gan, dataset, a, b)
    print(f"CycleGAN: {count} images in {minutes:.1f} minutes")
    print_table([(weights, figures(ours, judge, b)), ("CycleGAN", figures(theirs, judge, b))])
    columns = [(source, ours.inputs), (f"true {target}", ours.truth), ("ours", ours.outputs)]
    columns += [("ours, one code", ours.across), ("CycleGAN", theirs.outputs)]
    write_image(Path("cyclegan.png"), sheet([(title, images[:ROWS]) for title, images in columns], ROWS))


if __name__ == "__main__":
    main()
