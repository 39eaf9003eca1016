"""Scores of made-up logits: scikit-learn's, and the calibration error written out as Guo et al. 2017 define it."""

import numpy as np
import torch
from sklearn import metrics

from formula import tensor, units


def calibration_error(probabilities, labels, n_bins=15):
    confidence, guess = probabilities.max(axis=1), probabilities.argmax(axis=1)
    error = 0.0
    for k in range(n_bins):
        inside = (confidence > k / n_bins) & (confidence <= (k + 1) / n_bins)
        if inside.any():
            gap = abs((guess[inside] == labels[inside]).mean() - confidence[inside].mean())
            error += inside.mean() * gap
    return error


def scores():
    cases = []
    # Key, images, classes, classes that occur, spread of the logits, how much the true class stands out.
    for key, n, n_classes, n_occurring, spread, lift in (
        (40, 200, 7, 6, 2.0, 1.5),
        (50, 90, 12, 12, 0.5, 0.2),
        (60, 64, 3, 2, 8.0, 6.0),
    ):
        labels = np.array([int(unit * n_occurring) for unit in units(key + 1, n)])
        logits = tensor(key, (n, n_classes), -spread, spread)
        logits[np.arange(n), labels] += lift
        probabilities = logits.double().softmax(-1).numpy()
        guesses = logits.argmax(-1).numpy()
        every = np.arange(n_classes)
        cases.append(
            {
                "key": key,
                "n": n,
                "n_classes": n_classes,
                "spread": spread,
                "lift": lift,
                "labels": labels.tolist(),
                "top1": metrics.accuracy_score(labels, guesses),
                "top5": metrics.top_k_accuracy_score(labels, logits.numpy(), k=min(5, n_classes), labels=every)
                if n_classes > 5
                else 1.0,
                "mean_per_class": metrics.balanced_accuracy_score(labels, guesses),
                "macro_f1": metrics.f1_score(labels, guesses, average="macro"),
                "loss": metrics.log_loss(labels, probabilities, labels=every),
                "ece": calibration_error(probabilities, labels),
                "confusion": metrics.confusion_matrix(labels, guesses, labels=every).tolist(),
            }
        )
    return cases
