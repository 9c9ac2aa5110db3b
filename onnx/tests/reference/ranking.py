"""Writes ranking.csv: scikit-learn's AUROC, AUPR and FPR at 95 % TPR of 100 random score sets with ties.

    python ranking.py > ranking.csv       (made with scikit-learn 1.9.1)

Scores are multiples of 1/4, higher = likelier real; every fifth set holds inputs without a density,
written -inf. scikit-learn takes no infinity: it is given -1000 there, below every score.
"""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

LOWEST = -1000.0


def fpr_at_95(labels, scores):
    """The false-positive rate at the first threshold that keeps 95 % of the positives."""
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    return fpr[np.argmax(tpr >= 0.95)]


def score_set(rng, number):
    """In- and out-of-distribution scores, on a grid that makes ties within and across the two."""
    grid = rng.choice([0.25, 0.5, 2.0])
    scores = [
        np.round(rng.normal(shift, scale, rng.integers(2, 40)) / grid) * grid
        for shift, scale in ((0, 1), (rng.normal(0, 2), rng.uniform(0.3, 3)))
    ]
    if number % 5 == 0:
        for group in scores:
            group[rng.random(len(group)) < 0.2] = LOWEST
    return scores


def main():
    rng = np.random.default_rng(2019)
    print("in,out,auroc,aupr_in,aupr_out,fpr95_in,fpr95_out")
    for number in range(100):
        inside, outside = score_set(rng, number)
        scores = np.concatenate([inside, outside])
        is_in = np.concatenate([np.ones(len(inside)), np.zeros(len(outside))])
        values = [
            roc_auc_score(is_in, scores),
            average_precision_score(is_in, scores),
            average_precision_score(1 - is_in, -scores),
            fpr_at_95(is_in, scores),
            fpr_at_95(1 - is_in, -scores),
        ]
        groups = [" ".join("-inf" if s == LOWEST else repr(float(s)) for s in g) for g in (inside, outside)]
        print(",".join(groups + [repr(float(value)) for value in values]))


main()
