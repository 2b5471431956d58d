"""Made-up predictions, and scores of them in the most obvious way."""

import numpy as np

from stratacam.learning.evaluation.calibration import BINS


def random_case(seed, subjects=9, slices=70, classes=3, decimals=6):
    """Labels, probabilities and subjects of slices; with few decimals, many ties."""
    generator = np.random.default_rng(seed)
    subject = np.concatenate([np.arange(subjects), generator.integers(0, subjects, slices)])
    label = (np.arange(subjects) % classes)[subject]
    logits = generator.normal(size=(len(label), classes)) + np.eye(classes)[label]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return label, probabilities.round(decimals), subject


def pairwise_auroc(scores, positive):
    """The share of pairs that the positive wins; a tie is half a win."""
    gap = scores[positive][:, None] - scores[~positive][None]
    return ((gap > 0) + 0.5 * (gap == 0)).mean()


def macro_auroc(label, probabilities):
    """The mean over all classes; not a number if one of them is not there."""
    classes = range(probabilities.shape[1])
    if set(label) != set(classes):
        return np.nan
    return np.mean([pairwise_auroc(probabilities[:, c], label == c) for c in classes])


def balanced_accuracy(label, predicted):
    """The mean recall over the classes that occur."""
    return np.mean([(predicted[label == c] == c).mean() for c in set(label)])


def expected_calibration_error(probabilities, label, bins=BINS):
    """Guo et al. (2017), equation 3: |confidence - accuracy| of each bin, weighted by its share."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == np.asarray(label)
    error = 0.0
    for number in range(bins):
        inside = (sure > number / bins) & (sure <= (number + 1) / bins)
        if inside.any():
            error += inside.mean() * abs(sure[inside].mean() - right[inside].mean())
    return error
