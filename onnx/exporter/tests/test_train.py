"""Training: an interruption changes nothing, and what goes wrong is said."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import DATA

from undetected_exporter import data, idx, train
from undetected_exporter.errors import ExporterError

SETTINGS = train.Settings("tiny", "mnist", "reweight", epochs=3, seed=5, held_out=116, limit=500, warmup_steps=2)


def figures(run: train.Run) -> list[tuple]:
    return [
        (row["epoch"], row["loss"], row["validation_accuracy"], row["validation_bits_per_dim"]) for row in run.history
    ]


class Killed(Exception):
    """Stands for the signal that ends a process in the middle of an epoch."""


def test_an_interrupted_run_ends_exactly_as_one_without_interruption(tmp_path, digits, monkeypatch):
    whole = train.train(SETTINGS, *digits, tmp_path / "whole", quiet=True)
    steps, step = [], train.Run.step

    def fatal(*arguments):
        steps.append(None)
        if len(steps) == 9:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(train.Run, "step", fatal)
        train.train(SETTINGS, *digits, tmp_path / "cut", quiet=True)
    assert len(train.read_checkpoint(tmp_path / "cut")["history"]) == 1
    resumed = train.train(SETTINGS, *digits, tmp_path / "cut", quiet=True)
    assert figures(resumed) == figures(whole)
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


CHILD = """
import sys
from undetected_exporter import train
from test_train import SETTINGS, shipped
step = train.Run.step
def told(*arguments):
    print("step", flush=True)
    return step(*arguments)
train.Run.step, train.SAVE_SECONDS = told, 0.0
train.torch.set_num_threads(int(sys.argv[2]))
train.train(SETTINGS, *shipped(), train.Path(sys.argv[1]), quiet=True)
"""


def shipped():
    return tuple(idx.read(DATA / f"mnist-t10k-500-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))


def test_a_run_killed_by_sigkill_at_a_random_moment_ends_as_one_without_interruption(tmp_path, digits):
    """A process that saves after every update is killed between two, or inside one, or while it saves."""
    chance = random.Random()
    updates, delay = chance.randrange(1, 14), chance.uniform(0.0, 0.1)
    command = [sys.executable, "-c", CHILD, str(tmp_path / "cut"), str(torch.get_num_threads())]
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(train.__file__).parents[1])])
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": paths})
    for _ in range(updates):
        assert child.stdout.readline() == b"step\n"
    time.sleep(delay)
    child.kill()
    child.wait()
    assert child.returncode == -signal.SIGKILL, "the child ended before it was killed"
    resumed = train.train(SETTINGS, *digits, tmp_path / "cut", quiet=True)
    whole = train.train(SETTINGS, *digits, tmp_path / "whole", quiet=True)
    assert figures(resumed) == figures(whole), f"killed {delay} s after update {updates}"
    for mine, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_inside_an_epoch_the_state_is_saved_and_taken_up(tmp_path, digits, monkeypatch):
    monkeypatch.setattr(train, "SAVE_SECONDS", 0.0)
    step, steps = train.Run.step, []

    def fatal(*arguments):
        steps.append(None)
        if len(steps) == 9:
            raise Killed
        return step(*arguments)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(train.Run, "step", fatal)
        train.train(SETTINGS, *digits, tmp_path, quiet=True)
    state = train.read_checkpoint(tmp_path)
    assert len(state["history"]) == 1 and len(state["position"]["losses"]) == 2


def test_other_data_are_refused(tmp_path, digits):
    settings = train.Settings(**{**vars(SETTINGS), "epochs": 1})
    train.train(settings, *digits, tmp_path, quiet=True)
    with pytest.raises(ExporterError, match="MD5 of the images"):
        train.train(SETTINGS, 255 - digits[0], digits[1], tmp_path, quiet=True)


def test_a_state_of_before_a_setting_existed_is_taken_up_with_its_default(tmp_path):
    run = train.Run(SETTINGS, tmp_path)
    run.save()
    state = train.read_checkpoint(tmp_path)
    for name in ("smoothing", "prior", "mixed_precision"):
        del state["settings"][name]
    torch.save(state, tmp_path / train.CHECKPOINT)
    assert train.Run(SETTINGS, tmp_path).resume()


@pytest.mark.parametrize(
    ("objective", "prior", "smoothing"),
    [("split", None, 0.0), ("reweight", "split", 0.05), ("reweight", "gaussian-cauchy", 0.0), ("base", "laplace", 0.1)],
)
def test_every_variant_learns(tmp_path, digits, objective, prior, smoothing):
    changed = {"objective": objective, "prior": prior, "smoothing": smoothing, "epochs": 2}
    run = train.train(train.Settings(**{**vars(SETTINGS), **changed}), *digits, tmp_path, quiet=True)
    assert run.config.prior == (prior or "split") and run.config.smoothing == smoothing
    assert run.history[1]["loss"] < run.history[0]["loss"]


def test_the_split_objective_is_the_likelihood_and_the_cross_entropy_of_the_logits(tmp_path):
    run = train.Run(train.Settings("tiny", "mnist", "split", 1, 0), tmp_path)
    torch.nn.init.normal_(run.model.prior.head[2].weight, std=0.1)
    x, noise = torch.rand(2, 5, 1, 32, 32)
    label = torch.tensor([0, 3, 3, 9, 1])
    log_prob = run.model(x, noise)[0][torch.arange(5), label]
    logits = run.model.prior.logits(run.model.encode(x, noise)[0][-1].flatten(1))
    expected = (-log_prob / 1024 - logits.log_softmax(1)[torch.arange(5), label]).mean()
    torch.testing.assert_close(run.loss(x, noise, label), expected)


def test_the_split_objective_with_another_prior_is_refused(tmp_path):
    with pytest.raises(ExporterError, match="leave --prior out"):
        train.Run(train.Settings("tiny", "mnist", "split", 1, 0, prior="laplace"), tmp_path)


def test_colour_images_train_with_flips_and_grey_ones_without(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (200, 3, 32, 32), np.uint8)
    labels = np.arange(200, dtype=np.uint8) % 10
    changed = {"dataset": "cifar10-jpeg75", "epochs": 1, "held_out": 40, "limit": None}
    run = train.train(train.Settings(**{**vars(SETTINGS), **changed}), images, labels, tmp_path, quiet=True)
    assert run.flip and run.config.channels == 3 and run.config.n_dims == 3072
    assert math.isfinite(run.history[0]["loss"]) and not train.Run(SETTINGS, tmp_path).flip


def test_the_loss_falls(tmp_path, digits):
    settings = train.Settings(**{**vars(SETTINGS), "epochs": 8, "seed": 6})
    run = train.train(settings, *digits, tmp_path, quiet=True)
    assert run.history[-1]["loss"] < run.history[0]["loss"] - 0.3


def test_other_settings_are_refused_by_name_and_a_longer_plan_is_not(tmp_path, digits):
    run = train.Run(SETTINGS, tmp_path)
    run.save()
    other = train.Settings(**{**vars(SETTINGS), "seed": 6})
    with pytest.raises(ExporterError, match="seed was 5, now 6"):
        train.Run(other, tmp_path).resume()
    assert train.Run(train.Settings(**{**vars(SETTINGS), "epochs": 9}), tmp_path).resume()


def test_a_partial_file_left_by_a_kill_does_no_harm(tmp_path):
    run = train.Run(SETTINGS, tmp_path)
    run.save()
    (tmp_path / (train.CHECKPOINT + ".partial")).write_bytes(b"half")
    assert train.Run(SETTINGS, tmp_path).resume()


def test_a_file_that_is_no_training_state_is_named(tmp_path):
    (tmp_path / train.CHECKPOINT).write_bytes(b"nonsense")
    with pytest.raises(ExporterError, match=r"last\.pt: is not a training state"):
        train.read_checkpoint(tmp_path)


def test_a_loss_that_is_not_finite_stops_the_run_with_its_value(tmp_path, digits):
    run = train.Run(SETTINGS, tmp_path)
    images, labels, _, _ = train.split(data.pad_to(digits[0], 32), digits[1], SETTINGS)
    run.start(images[:, :, 1:-1, 1:-1])
    with torch.no_grad():
        run.model.prior.mean.fill_(math.nan)
    with pytest.raises(ExporterError, match="loss became nan"):
        run.step(images[:8], labels[:8], train.generator(0, "epoch"), 1e-3)


def test_the_learning_rate_warms_up_stays_and_fades():
    settings = train.Settings("tiny", "mnist", "base", 1, 0, warmup_steps=10, decay_from=0.5)
    rates = [train.rate_at(step, 1000, 2.0, settings) for step in (0, 9, 400, 500, 750, 999)]
    assert rates == pytest.approx([0.2, 2.0, 2.0, 2.0, 1.0, 0.02])


def test_the_papers_rate_is_divided_by_ten_every_sixty_epochs():
    settings = train.Settings("paper-mnist", "mnist", "base", 150, 0)
    rates = [train.stepped_rate(epoch * 900, 900, 1e-3, 60, settings) for epoch in (1, 59, 60, 119, 120, 149)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5, 1e-5])
    assert settings.margin() == 4 and train.PRESETS["paper-mnist"].epochs == 150


def test_before_the_decay_the_rate_does_not_depend_on_the_plan():
    settings = train.Settings("tiny", "mnist", "base", 1, 0)
    assert all(
        train.rate_at(step, 1000, 1.0, settings) == train.rate_at(step, 5000, 1.0, settings)
        for step in range(0, 501, 20)
    )


def test_held_out_images_are_the_last_and_never_trained_on(digits):
    images, labels, held_images, held_labels = train.split(data.pad_to(digits[0], 32), digits[1], SETTINGS)
    assert images.shape == (384, 1, 34, 34) and len(labels) == 384 and len(held_labels) == 116
    assert (held_images[:, 0, 2:-2, 2:-2] == digits[0][384:]).all()
    with pytest.raises(ExporterError, match="--held-out 500"):
        train.split(data.pad_to(digits[0], 32), digits[1], train.Settings("tiny", "mnist", "base", 1, 0, held_out=500))
