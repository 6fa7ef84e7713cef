"""How a latent classifier does on images of other origins than those it was trained on.

    python benchmarks/origins.py WEIGHTS FOLDER...

Each folder has one folder of images a class; all images count. Prints accuracy, balanced accuracy, AUC and
the share of each class that is found.
"""

import sys
from pathlib import Path

import numpy as np

from i2i_cli.inference.inputs import find_sources
from i2i_cli.inference.latent_classifier import DOMAINS
from i2i_cli.inference.loaded import load
from i2i_cli.jobs.classification.classify import classify_files


def main() -> None:
    # Late: nothing that runs a shipped model needs it.
    from sklearn.metrics import roc_auc_score

    translator = load(sys.argv[1], device="cpu")
    classes = translator.classifier(DOMAINS).classes
    print(f"| images | accuracy | balanced | AUC | {' | '.join(classes)} |\n|---|---|---|---|{'---|' * len(classes)}")
    for folder in map(Path, sys.argv[2:]):
        labels, shares = [], []
        for label, name in enumerate(classes):
            for found in classify_files(translator, find_sources([folder / name], recursive=True)):
                labels.append(label)
                shares.append([found.probabilities[one] for one in classes])
        truth, probabilities = np.array(labels), np.array(shares)
        right = probabilities.argmax(1) == truth
        recalls = [right[truth == label].mean() for label in range(len(classes))]
        auc = np.mean([roc_auc_score(truth == label, probabilities[:, label]) for label in range(len(classes))])
        found = " | ".join(f"{recall:.3f}" for recall in recalls)
        print(f"| {folder.name} ({len(truth)}) | {right.mean():.3f} | {np.mean(recalls):.3f} | {auc:.3f} | {found} |")


if __name__ == "__main__":
    main()
