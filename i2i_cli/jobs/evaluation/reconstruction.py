"""How well images come back from their own codes."""

import torch
from torch import Tensor

from i2i_cli.jobs.evaluation.inputs import EvaluationData
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, mean_of, with_means
from i2i_cli.models.likeness import gradient_energy

TEXT = (
    "Held-out images compared with images rebuilt from their own codes, by domain. L1: mean absolute error of images "
    "in [-1, 1]; PSNR in dB; SSIM: 1 is equal; sharpness: gradient energy as a ratio to that of the real images; "
    "LPIPS (AlexNet, 0 is equal) only where its backbone is cached."
)


@torch.no_grad()
def reconstruction(data: EvaluationData) -> Section:
    """L1, PSNR, SSIM and sharpness a domain; LPIPS where its backbone is cached."""
    # Late: torchmetrics takes a second to import.
    from torchmetrics.functional.image import structural_similarity_index_measure as similarity

    from i2i_cli.jobs.evaluation.downloads import lpips

    assert data.test_pictures is not None
    model, device, figures, perceptual = data.translator.model, data.translator.device, [], lpips()
    for label, domain in enumerate(data.domains):
        real, rebuilt = [], []
        for images, labels in data.test_pictures.of(label).batches(device):
            real.append(images)
            rebuilt.append(model.rebuild(images, labels).float().clamp(-1, 1))
        x, y = torch.cat(real), torch.cat(rebuilt)
        errors = (x - y).square().mean((1, 2, 3)) / 4  # of images in [0, 1]
        ssim = similarity(y, x, data_range=2.0, reduction="none")
        assert isinstance(ssim, Tensor)
        figures += [
            mean_of("L1", domain, (x - y).abs().mean((1, 2, 3))),
            mean_of("PSNR", domain, -10 * errors.clamp_min(1e-10).log10()),
            mean_of("SSIM", domain, ssim),
            sharpness(domain, y, x),
        ]
        if perceptual is not None:
            figures.append(mean_of("LPIPS", domain, perceptual(y, x)))
    return Section(name="reconstruction", text=TEXT, figures=with_means(figures))


def sharpness(subject: str, made: Tensor, real: Tensor, rebuilt: Tensor | None = None) -> Measurement:
    """Gradient energy of `made` images in units of that of real ones; the reference is that of `rebuilt`."""
    unit = gradient_energy(real).mean()
    reference = None if rebuilt is None else float(gradient_energy(rebuilt).mean() / unit)
    return mean_of("sharpness", subject, gradient_energy(made) / unit, reference)
