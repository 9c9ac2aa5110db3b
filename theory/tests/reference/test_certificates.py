"""Checks the certificates of theory/certificates a third time, with mpmath's intervals.

Written from the formulas of the paper (equations 2, 3, 7 to 17, 19 and Proposition 1) and the meaning of
each statement, not from the Rust code. Run it with pytest; needs mpmath.
"""

import json
import re
from fractions import Fraction
from pathlib import Path

import pytest
from mpmath import iv, mp

FOLDER = Path(__file__).resolve().parents[2] / "certificates"
FILES = sorted(FOLDER.glob("*.json"))
# The integer P of the rule for decimals: floor(s - 1/P) and ceil(s + 1/P).
OFFSET = Fraction(1, 2**61 - 1)


def number(text):
    """A decimal, or a decimal over an integer, exactly."""
    numerator, _, denominator = text.partition("/")
    return Fraction(numerator) / Fraction(denominator or "1")


def interval(x):
    return iv.mpf(x.numerator) / iv.mpf(x.denominator)


class Quantities:
    """Every number that a statement compares, as an interval, by the statement's name."""

    def __init__(self, parameters):
        self.d = parameters["d"]
        names = ("shell", "kl_epsilon", "delta", "lambda1", "lambda2")
        self.exact = {name: number(parameters[name]) for name in names}
        self.shell, self.kl_epsilon, self.delta, self.l1, self.l2 = (
            interval(self.exact[name]) for name in names
        )
        self.volume = (1 + self.shell) ** self.d  # (1 + shell)^d, by multiplication
        self.v = 1 / self.volume

    def divergence(self, a, b):
        """KL between two mixtures of the ball and the shell, with masses a and b in the ball."""
        return a * iv.log(a / b) + (1 - a) * iv.log((1 - a) / (1 - b))

    def densest(self, ball):
        """Highest density of x, for p or q, as a multiple of 1 / volume of the unit ball."""
        candidates = [
            (ball + self.l2) / 2,
            (1 - ball) / (self.volume - 1) / 2,
            (1 - self.l2) / (iv.mpf(3) ** self.d - iv.mpf(2) ** self.d) / 2,
        ]
        return max(candidates, key=lambda x: mp.mpf(x.mid))

    def variation_ratio(self):
        """Jumps times areas of spheres: d |jump| R^(d-1) in units of the unit ball's volume."""
        around = (1 - self.l1) / (self.volume - 1)
        radius = 1 + self.shell
        areas = [self.d * iv.mpf(1), self.d * self.volume / radius]
        p = abs(self.l1 - around) * areas[0] + around * areas[1]
        q = self.v * areas[1]
        return p / q

    def window(self, d):
        volume = d * iv.log(1 + self.shell)
        odds = (1 - self.delta) / self.delta
        low = (2 * iv.log(odds) if self.exact["delta"] < Fraction(1, 2) else iv.mpf(0)) - volume
        ends = [
            iv.log(self.kl_epsilon / volume),
            iv.log(1 - iv.exp(-self.kl_epsilon)),
            iv.log(iv.mpf(1) / 3),
        ]
        return low, min(ends, key=lambda x: mp.mpf(x.mid))

    def sides(self, name):
        zero, half = Fraction(0), Fraction(1, 2)
        e = self.exact
        small_ball = self.d * iv.log(self.shell)
        bound2, bound3 = -iv.log(1 - self.l1), self.l1 * iv.log(self.volume)
        if self.d == 1:  # the outer annulus may be denser than the ball
            outer_denser = 1 / (1 + e["shell"]) + e["lambda2"] < 1 - e["lambda2"]
        else:
            outer_denser = False
        table = {
            "kl_q_p": (self.divergence(self.v, self.l1) / 2, e["kl_epsilon"]),
            "kl_p_q": (self.divergence(self.l1, self.v) / 2, e["kl_epsilon"]),
            "probability": ((1 - e["lambda1"]) / 2, Fraction(1, 3)),
            "1": (Fraction(1), 1 - e["delta"]),
            "2.p": (iv.log(self.l1 / self.l2), zero),
            "2.q": (iv.log(self.v / self.l2), zero),
            "3.p": (e["lambda2"] / (e["lambda1"] + e["lambda2"]), e["delta"]),
            "3.q": (1 / (1 + self.l2 * self.volume), e["delta"]),
            "4": (e["shell"], e["shell"]),
            "5": ((1 - e["lambda2"]) / 2 if outer_denser else zero, half),
            "6.p": (small_ball + iv.log(self.densest(self.l1)), small_ball),
            "6.q": (small_ball + iv.log(self.densest(self.v)), small_ball),
            "7": (self.variation_ratio(), Fraction(2)),
            "lemma2": (bound2 - self.divergence(self.v, self.l1), zero),
            "lemma3": (bound3 - self.divergence(self.l1, self.v), zero),
        }
        if name == "window":
            return self.window(self.d)
        if name == "window.before":
            return self.window(self.d - 1)
        return table[name]


def ends(x):
    """The ends of an interval as fractions."""
    def fraction(end):
        sign, mantissa, exponent, _ = mp.mpf(end)._mpf_
        value = Fraction(int(mantissa)) * Fraction(2) ** exponent
        return -value if sign else value

    return fraction(x.a), fraction(x.b)


def check_side(stated, computed, digits):
    """A side is the exact number, or the two decimals that the rule gives for it."""
    if isinstance(computed, Fraction):
        assert number(stated["exact"]) == computed
        return computed, computed
    low, high = ends(computed)
    assert low <= high
    texts = stated["lower"], stated["upper"]
    assert all(re.fullmatch(r"-?\d\.\d+e-?\d+", text) for text in texts)
    lower, upper = map(number, texts)
    # One unit in the last digit of the number itself.
    exponent = min(int(text.partition("e")[2]) - len(text.lstrip("-").partition("e")[0]) + 2 for text in texts)
    unit = Fraction(10) ** exponent
    for end in (low, high):
        assert lower == ((end / unit - OFFSET).__floor__()) * unit
        assert upper == -((-end / unit - OFFSET).__floor__()) * unit
    size = max(abs(lower), abs(upper)) / unit
    assert 10 ** (digits - 1) <= size <= 10**digits
    return lower, upper


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_certificate(path):
    certificate = json.loads(path.read_text())
    assert certificate["format"] == "undetected certificate" and certificate["rules"] == 1
    parameters, digits = certificate["parameters"], certificate["digits"]
    # 1 - v and the slacks lose as many digits as (1 + shell)^d has, twice.
    size = parameters["d"] * mp.log10(1 + mp.mpf(float(number(parameters["shell"]))))
    iv.dps = mp.dps = int(digits + 60 + 3 * size)
    quantities = Quantities(parameters)
    verdicts = []
    for statement in certificate["statements"]:
        value, limit = (
            check_side(statement[side], computed, digits)
            for side, computed in zip(("value", "limit"), quantities.sides(statement["id"]))
        )
        below, above = value[1] < limit[0], value[0] > limit[1]
        equal = value == limit and value[0] == value[1]
        assert below or above or equal, "the digits must decide"
        holds = {"<": below, "<=": below or equal, ">": above, ">=": above or equal}
        verdict = "proved" if holds[statement["relation"]] else "refuted"
        assert statement["verdict"] == verdict, statement["id"]
        verdicts.append(verdict)
    ids = [statement["id"] for statement in certificate["statements"]]
    expected = ["kl_q_p", "kl_p_q", "probability", "1", "2.p", "2.q", "3.p", "3.q", "4", "5"]
    expected += ["6.p", "6.q", "7", "lemma2", "lemma3"]
    if certificate["kind"] == "smallest-dimension":
        expected += ["window", "window.before"]
    assert ids == expected
    refuted = "refuted" in verdicts
    assert certificate["verdict"] == ("refuted" if refuted else "proved")


def test_a_changed_digit_is_noticed():
    """The check above can fail."""
    certificate = json.loads((FOLDER / "d500.json").read_text())
    iv.dps = mp.dps = 150
    computed, _ = Quantities(certificate["parameters"]).sides("kl_q_p")
    stated = dict(certificate["statements"][0]["value"])
    check_side(stated, computed, certificate["digits"])
    stated["lower"] = stated["lower"].replace("5.2", "5.1")
    with pytest.raises(AssertionError):
        check_side(stated, computed, certificate["digits"])


def test_there_are_certificates():
    assert len(FILES) >= 5
