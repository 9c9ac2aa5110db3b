"""Training: an interruption changes nothing, and what goes wrong is said."""

import math

import pytest
import torch

from undetected_exporter import train
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
    images, labels, _, _ = train.split(*digits, SETTINGS, 32)
    run.start(images[:, :, 1:-1, 1:-1])
    with torch.no_grad():
        run.model.prior.mean.fill_(math.nan)
    with pytest.raises(ExporterError, match="loss became nan"):
        run.step(images[:8], labels[:8], train.generator(0, "epoch"), 1e-3)


def test_the_learning_rate_warms_up_stays_and_fades():
    settings = train.Settings("tiny", "mnist", "base", 1, 0, warmup_steps=10, decay_from=0.5)
    rates = [train.rate_at(step, 1000, 2.0, settings) for step in (0, 9, 400, 500, 750, 999)]
    assert rates == pytest.approx([0.2, 2.0, 2.0, 2.0, 1.0, 0.02])


def test_before_the_decay_the_rate_does_not_depend_on_the_plan():
    settings = train.Settings("tiny", "mnist", "base", 1, 0)
    assert all(
        train.rate_at(step, 1000, 1.0, settings) == train.rate_at(step, 5000, 1.0, settings)
        for step in range(0, 501, 20)
    )


def test_held_out_images_are_the_last_and_never_trained_on(digits):
    images, labels, held_images, held_labels = train.split(*digits, SETTINGS, 32)
    assert images.shape == (384, 1, 34, 34) and len(labels) == 384 and len(held_labels) == 116
    assert (held_images[:, 0, 2:-2, 2:-2] == digits[0][384:]).all()
    with pytest.raises(ExporterError, match="--held-out 500"):
        train.split(*digits, train.Settings("tiny", "mnist", "base", 1, 0, held_out=500), 32)
