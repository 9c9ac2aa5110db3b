"""Writes closed_forms.csv: the counter-example's quantities, evaluated with 400 digits and more.

Everything comes from the definitions (equations 7 to 12 and the integrals 13 to 17 of the paper) with
none of the rearrangements of the Rust code. Needs mpmath; run it in this folder:

    python generate.py
"""

import csv
import math

from mpmath import exp, log, loggamma, mp, mpf, pi

HEADER = [
    "dim", "shell", "weights", "lambda1", "lambda2",
    "ln_kl_q_p", "ln_kl_p_q", "ln_bound_q_p", "ln_bound_p_q", "ln_slack_q_p", "ln_slack_p_q",
    "ln_p0", "ln_p1", "ln_q0", "ln_q1", "ln_density_ball", "ln_density_shell", "ln_density_outer",
]
DIMS = [1, 2, 3, 10, 94, 500, 10_000, 1_000_000]
SHELLS = [1e-12, 1e-6, 0.001, 0.1, 0.5, 0.999]
MOST = 7000


def evaluate(dim, shell, l1, l2):
    """The columns of HEADER from ln_kl_q_p on."""
    v = (1 + shell) ** -dim
    q_p = v * log(v / l1) + (1 - v) * log((1 - v) / (1 - l1))
    p_q = l1 * log(l1 / v) + (1 - l1) * log((1 - l1) / (1 - v))
    bound_q_p, bound_p_q = -log(1 - l1), l1 * dim * log(1 + shell)
    ball = pi ** (mpf(dim) / 2) / mp.gamma(mpf(dim) / 2 + 1) if dim < 1000 else exp(
        mpf(dim) / 2 * log(pi) - loggamma(mpf(dim) / 2 + 1))
    density_ball = (v / ball + l2 / ball) / 2
    density_shell = v / ball / 2
    density_outer = (1 - l2) / (ball * (mpf(3) ** dim - mpf(2) ** dim)) / 2
    values = [
        q_p, p_q, bound_q_p, bound_p_q, bound_q_p - q_p, bound_p_q - p_q,
        l1 / (l1 + l2), l2 / (l1 + l2), v / (v + l2), l2 / (v + l2),
        density_ball, density_shell, density_outer,
    ]
    return [log(x) if x > 0 else mpf("nan") for x in values]


def rows():
    for dim in DIMS:
        for shell in SHELLS:
            for i, l1 in enumerate(weights(dim, shell)):
                yield dim, shell, "value", l1, [min(l1 / 99, 0.5), 0.7, 1e-300][i % 3]
            # Weights below the range of f64, by their logarithm.
            ln_v = -dim * math.log1p(shell)
            for ln1 in (ln_v + 1e-3, 0.6 * ln_v, 1.5 * ln_v):
                if ln1 < -1e-3:
                    yield dim, shell, "ln", ln1, ln1 - 5.0


def weights(dim, shell):
    """lambda1: ordinary, extreme, and ever closer to (1 + shell)^-dim from both sides."""
    chosen = [1e-300, 1e-8, 0.01, 0.3, 0.999, 1 - 2**-53]
    v = math.exp(-dim * math.log1p(shell))
    if 1e-300 < v < 1:
        near = [v * (1 + s * 10.0**-k) for k in (1, 3, 5, 8, 11, 14) for s in (1, -1)]
        near += [v, math.nextafter(v, 0), math.nextafter(v, 1)]
        chosen += [l1 for l1 in near if 0 < l1 < 1]
    return chosen


def digits(dim, shell):
    """What 1 - v and the slacks, as small as v^2, need; at most MOST, beyond which they drown."""
    return 400 + int(min(2 * dim * math.log10(1 + shell), MOST))


def text(x):
    with mp.workdps(40):
        return "" if mp.isnan(x) else mp.nstr(+x, 20, strip_zeros=False)


def main():
    with open("closed_forms.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for dim, shell, kind, w1, w2 in rows():
            mp.dps = digits(dim, shell)
            l1, l2 = (exp(mpf(w1)), exp(mpf(w2))) if kind == "ln" else (mpf(w1), mpf(w2))
            values = evaluate(dim, mpf(shell), l1, l2)
            if mp.dps == 400 + MOST:
                values[4] = mpf("nan")  # Lemma 2's slack
                if kind == "ln":
                    values[0] = values[1] = values[2] = values[5] = mpf("nan")
            table.writerow([dim, repr(shell), kind, repr(w1), repr(w2), *map(text, values)])


if __name__ == "__main__":
    main()
