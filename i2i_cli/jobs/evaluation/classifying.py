"""How well the latent classifier of the weights tells held-out images' domains."""

import torch

from i2i_cli.jobs.evaluation.figure import Figure, Section, balanced_share_of, share_of
from i2i_cli.jobs.evaluation.material import Material
from i2i_cli.jobs.trained import DOMAINS

TEXT = (
    "The logistic regression on domain codes that the weights carry (SRAE 4.3), on held-out images. References: "
    "chance. Rows of the matrix are the true domains, columns the predicted ones."
)


@torch.no_grad()
def classification(material: Material) -> Section:
    """Accuracy, balanced accuracy, AUC and the confusion matrix."""
    # Late: scikit-learn takes longer to import than a model to load.
    from sklearn.metrics import confusion_matrix, roc_auc_score

    classifier, device = material.translator.classifier(DOMAINS), material.translator.device
    shares = classifier(_codes(material).to(device)).cpu()
    places = torch.tensor([material.domains.index(name) for name in classifier.classes])
    labels, taken = material.test.labels, places[shares.argmax(1)]
    right, chance = taken == labels, 1 / len(material.domains)
    areas = [roc_auc_score((labels == int(place)).numpy(), shares[:, i].numpy()) for i, place in enumerate(places)]
    auc = sum(areas) / len(areas)
    figures = (
        share_of("accuracy", "all", right, chance),
        balanced_share_of("balanced accuracy", "all", right, labels, chance),
        Figure(measure="AUC", subject="all", value=auc, low=None, high=None, count=len(labels), reference=0.5),
    )
    matrix = confusion_matrix(labels.numpy(), taken.numpy(), labels=range(len(material.domains)))
    rows = tuple(tuple(int(count) for count in row) for row in matrix)
    return Section(name="classification", text=TEXT, figures=figures, labels=material.domains, matrix=rows)


def _codes(material: Material) -> torch.Tensor:
    """Domain codes as the classifier reads them: without a source, which it is there to find."""
    translator, pictures = material.translator, material.test_pictures
    if not translator.model.needs_source or pictures is None:
        return material.test.domain
    found = [translator.model.encode(images).domain for images, _ in pictures.batches(translator.device)]
    return torch.cat(found).flatten(1).float()
