"""The Monte Carlo of `counterexample` against the same work in NumPy.

Both run in turns on the same machine, several times; medians, and the ratio of times with its
smallest and largest value over the turns. Only NumPy is needed, and the release binary:

    cargo build --release --bin counterexample
    python3 -m pip install numpy
    python3 benches/numpy_comparison.py
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

BINARY = Path(__file__).resolve().parent.parent / "target" / "release" / "counterexample"
SHELL = 0.1
DEPTH = 2.0**-20


class Problem:
    """The mixture that p is: unit ball, shell, outer annulus, with the weights of the command."""

    def __init__(self, dim, parameters):
        lambda1, lambda2 = (np.exp(parameters[key]) for key in ("ln_lambda1", "ln_lambda2"))
        ball = (lambda1 + lambda2) / 2
        self.dim = dim
        self.ball, self.inner = ball, ball + (1 - lambda1) / 2
        ln_inner = np.array([-np.inf, 0.0, np.log(2)])
        self.ln_outer = np.array([0.0, np.log1p(SHELL), np.log(3)])
        self.minus_hollow = np.expm1(dim * (ln_inner - self.ln_outer))

    def draw_regions(self, rng, out):
        """0, 1 or 2 per sample, by the mass of the region."""
        rng.random(out=out)
        return (out >= self.ball).view(np.int8) + (out >= self.inner).view(np.int8)

    def draw_minus_ratios(self, rng, regions, uniform, out):
        """ln(norm / outer radius) by the inverse of its distribution function, in log space."""
        rng.random(out=uniform)
        np.take(self.minus_hollow, regions, out=out, mode="clip")
        out *= uniform
        np.log1p(out, out=out)
        out /= self.dim


class Tally:
    def __init__(self):
        self.regions = np.zeros(3, dtype=np.int64)
        self.successes, self.moved, self.total, self.longest = 0, 0, 0.0, 0.0

    def add_regions(self, norms, one, reach, two, three):
        """Counts measured norms, or their logarithms, and returns which lie in the shell."""
        shell = (norms >= one) & (norms <= reach)
        outer = (norms >= two) & (norms <= three)
        self.regions += [np.count_nonzero(norms < one), np.count_nonzero(shell), np.count_nonzero(outer)]
        return shell

    def add_shifts(self, shifts, fooled):
        if len(shifts):
            self.successes += np.count_nonzero(fooled)
            self.moved += len(shifts)
            self.total += shifts.sum()
            self.longest = max(self.longest, shifts.max())


def radial(problem, samples, chunk, rng):
    tally, reach = Tally(), 1 + SHELL
    room_for = [np.empty(chunk) for _ in range(2)]
    for first in range(0, samples, chunk):
        uniform, ratios = (room[: min(chunk, samples - first)] for room in room_for)
        regions = problem.draw_regions(rng, uniform)
        problem.draw_minus_ratios(rng, regions, uniform, out=ratios)
        ln_norms = np.take(problem.ln_outer, regions, out=uniform, mode="clip")
        ln_norms += ratios
        shell = tally.add_regions(ln_norms, 0.0, np.log1p(SHELL), np.log(2), np.log(3))
        room = np.expm1(ratios[shell])
        room *= -reach * (1 - DEPTH)
        shifts = SHELL - room
        tally.add_shifts(shifts, (room > 0) & (shifts < SHELL))
    return tally


def norms(x):
    return np.sqrt(np.einsum("ij,ij->i", x, x))


def vector(problem, samples, chunk, rng):
    tally, reach = Tally(), 1 + SHELL
    points, copies = (np.empty((chunk, problem.dim)) for _ in range(2))
    room_for = [np.empty(chunk) for _ in range(2)]
    for first in range(0, samples, chunk):
        count = min(chunk, samples - first)
        uniform, radii = (room[:count] for room in room_for)
        regions = problem.draw_regions(rng, uniform)
        problem.draw_minus_ratios(rng, regions, uniform, out=radii)
        radii += problem.ln_outer[regions]
        np.exp(radii, out=radii)
        x = points[:count]
        rng.standard_normal(out=x)
        x *= (radii / norms(x))[:, np.newaxis]
        measured = norms(x)
        shell = np.flatnonzero(tally.add_regions(measured, 1.0, reach, 2.0, 3.0))
        before = np.take(x, shell, axis=0, out=copies[: len(shell)], mode="clip")
        radius = measured[shell]
        scale = (1 - (reach - radius) * DEPTH) / radius
        after = np.multiply(before, scale[:, np.newaxis], out=points[: len(shell)])
        before -= after
        shifts = norms(before)
        tally.add_shifts(shifts, (shifts < SHELL) & (norms(after) < 1))
    return tally


def best_setting(sampler, problem, samples):
    """The fastest bit generator and chunk, tried on fewer samples, twice."""
    generators = (np.random.PCG64, np.random.SFC64)
    chunks = [2**k for k in range(12, 18)] if sampler is radial else [2**k for k in range(6, 12)]
    seconds = {}
    for _ in range(2):
        for generator in generators:
            for chunk in chunks:
                rng = np.random.Generator(generator(0))
                start = time.perf_counter()
                sampler(problem, samples, chunk, rng)
                spent = time.perf_counter() - start
                setting = (generator, chunk)
                seconds[setting] = min(spent, seconds.get(setting, spent))
    # PCG64 is the default of NumPy; SFC64 the fastest it has.
    return min(seconds, key=seconds.get)


def numpy_run(sampler, problem, samples, setting, seed):
    generator, chunk = setting
    return sampler(problem, samples, chunk, np.random.Generator(generator(seed)))


def numpy_seconds(*arguments):
    start = time.perf_counter()
    tally = numpy_run(*arguments)
    return time.perf_counter() - start, tally


def two_processes_seconds(pool, sampler, problem, samples, setting):
    start = time.perf_counter()
    halves = [pool.submit(numpy_run, sampler, problem, samples // 2, setting, seed) for seed in (1, 2)]
    for half in halves:
        half.result()
    return time.perf_counter() - start


def rust_run(sampler, dim, samples, threads):
    """The whole command, its start and its output included."""
    command = [BINARY, "--d", dim, "--shell", SHELL, "--sampler", sampler.__name__]
    command += ["--samples", samples, "--threads", threads, "--format", "json"]
    start = time.perf_counter()
    output = subprocess.run(list(map(str, command)), check=True, capture_output=True).stdout
    return time.perf_counter() - start, json.loads(output)


def check_same_work(tally, report, samples):
    """Both estimate the same: rates within 5 standard deviations, mean shifts within 1e-3 of the shell."""
    success = report["monte_carlo"]["attack_success"]["estimate"]
    deviation = (0.5 / samples) ** 0.5
    assert abs(tally.successes / samples - success) < 5 * deviation
    assert tally.regions.sum() == samples
    assert abs(tally.total / tally.moved - report["monte_carlo"]["mean_l2"]) < 1e-3 * SHELL
    assert tally.longest < SHELL


def row(name, seconds, reference, samples):
    median = statistics.median(seconds)
    ratios = [base / own for base, own in zip(reference, seconds)]
    ratio = statistics.median(ratios)
    print(
        f"  {name:<20} {median:8.3f} s {samples / median / 1e6:9.3f} M samples/s"
        f"   {ratio:5.2f} x [{min(ratios):.2f}, {max(ratios):.2f}]"
    )


def compare(sampler, dim, samples, turns):
    _, report = rust_run(sampler, dim, 1000, 1)
    problem = Problem(dim, report["parameters"])
    setting = best_setting(sampler, problem, max(samples // 20, 1000))
    generator, chunk = setting
    print(
        f"\n{sampler.__name__}, d = {dim}, {samples} samples, {turns} turns; "
        f"NumPy: {generator.__name__}, chunks of {chunk}"
    )
    one, two_processes, rust = [], [], {1: [], 2: []}
    with ProcessPoolExecutor(2) as pool:
        list(pool.map(abs, range(2)))  # start the processes
        for turn in range(turns):
            seconds, tally = numpy_seconds(sampler, problem, samples, setting, turn)
            one.append(seconds)
            for threads, all_seconds in rust.items():
                seconds, report = rust_run(sampler, dim, samples, threads)
                all_seconds.append(seconds)
            two_processes.append(two_processes_seconds(pool, sampler, problem, samples, setting))
            check_same_work(tally, report, samples)
    row("NumPy, 1 thread", one, one, samples)
    row("NumPy, 2 processes", two_processes, one, samples)
    row("Rust, 1 thread", rust[1], one, samples)
    row("Rust, 2 threads", rust[2], one, samples)


def numpy_floor(turns):
    """Normal deviates per second of NumPy's generators alone, on one thread."""
    x = np.empty(8192)
    for generator in (np.random.PCG64, np.random.SFC64):
        rng, rates = np.random.Generator(generator(0)), []
        for _ in range(turns):
            start = time.perf_counter()
            for _ in range(1000):
                rng.standard_normal(out=x)
            rates.append(1000 * len(x) / (time.perf_counter() - start) / 1e6)
        print(f"  standard_normal, {generator.__name__}: {statistics.median(rates):.0f} M/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--d", type=int, default=500)
    parser.add_argument("--vector-samples", type=int, default=1_000_000)
    parser.add_argument("--radial-samples", type=int, default=20_000_000)
    arguments = parser.parse_args()
    print(f"NumPy {np.__version__}, Python {platform.python_version()}")
    numpy_floor(arguments.turns)
    compare(vector, arguments.d, arguments.vector_samples, arguments.turns)
    compare(radial, arguments.d, arguments.radial_samples, arguments.turns)


if __name__ == "__main__":
    main()
