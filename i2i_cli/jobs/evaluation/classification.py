"""How well the latent classifier of the weights tells held-out images' domains."""

import torch

from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.jobs.evaluation.inputs import EvaluationData
from i2i_cli.jobs.evaluation.measurement import Measurement, Section, balanced_share_of, share_of

TEXT = (
    "The linear classifier of domain codes that the weights carry (SRAE 4.3), on held-out images. References: "
    "chance. Rows of the matrix are the true domains, columns the predicted ones."
)


@torch.no_grad()
def classification(data: EvaluationData) -> Section:
    """Accuracy, balanced accuracy, AUC and the confusion matrix."""
    # Late: scikit-learn takes longer to import than a model to load.
    from sklearn.metrics import confusion_matrix, roc_auc_score

    classifier = data.translator.classifier(DOMAINS)
    shares = torch.from_numpy(classifier(_codes(data).cpu().numpy()))
    places = torch.tensor([data.domains.index(name) for name in classifier.classes])
    labels, taken = data.test.labels, places[shares.argmax(1)]
    right, chance = taken == labels, 1 / len(data.domains)
    areas = [roc_auc_score((labels == int(place)).numpy(), shares[:, i].numpy()) for i, place in enumerate(places)]
    auc = sum(areas) / len(areas)
    figures = (
        share_of("accuracy", "all", right, chance),
        balanced_share_of("balanced accuracy", "all", right, labels, chance),
        Measurement(measure="AUC", subject="all", value=auc, low=None, high=None, count=len(labels), reference=0.5),
    )
    matrix = confusion_matrix(labels.numpy(), taken.numpy(), labels=range(len(data.domains)))
    rows = tuple(tuple(int(count) for count in row) for row in matrix)
    return Section(name="classification", text=TEXT, figures=figures, labels=data.domains, matrix=rows)


def _codes(data: EvaluationData) -> torch.Tensor:
    """Domain codes as the classifier reads them: without a source, which it is there to find."""
    translator, pictures = data.translator, data.test_pictures
    if not translator.model.needs_source or pictures is None:
        return data.test.domain
    found = [translator.model.encode(images).domain for images, _ in pictures.batches(translator.device)]
    return torch.cat(found).flatten(1).float()
