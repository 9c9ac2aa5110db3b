"""The command line: every command explains itself, and wrong input becomes one message."""

import pytest

from undetected_exporter.card import training_command
from undetected_exporter.cli import main, parser
from undetected_exporter.train import Settings

COMMANDS = ("fetch", "train", "sample", "export", "evaluate", "card", "fixtures")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as done:
        main([command, "--help"])
    assert done.value.code == 0
    assert "(default: None)" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["train", "--data", "{tmp}", "--out", "{tmp}/run"], "fetch mnist --out"),
        (
            ["train", "--data", "d", "--out", "o", "--objective", "base", "--alpha", "2"],
            "objective base has no such term",
        ),
        (["export", "{tmp}/none", "--data", "{tmp}", "-o", "{tmp}/m.onnx"], "none/last.pt is missing"),
        (["evaluate", "{tmp}/m.onnx", "--data", "{tmp}"], "m.onnx"),
        (["evaluate", "{tmp}/text.onnx", "--data", "{tmp}"], "is not an ONNX file"),
        (["sample", "{tmp}/none", "-o", "{tmp}/g.png"], "none/last.pt is missing"),
        (
            ["train", "--data", "{tmp}", "--out", "{tmp}/run", "--mixed-precision"],
            "--mixed-precision is for --device cuda",
        ),
        (["train", "--data", "{tmp}", "--out", "{tmp}/run", "--dataset", "mnits"], "mnits is none of mnist"),
        (["fixtures", "--data", "{tmp}", "--out", "{tmp}"], "is missing"),
    ],
)
def test_wrong_input_is_one_message_without_a_traceback(arguments, named, tmp_path, capsys):
    (tmp_path / "text.onnx").write_text("this is a text")
    assert main([argument.format(tmp=tmp_path) for argument in arguments]) == 2
    told = capsys.readouterr().err
    assert named in told and told.startswith("error: ") and "Traceback" not in told


@pytest.mark.parametrize(
    "option",
    [
        ("--epochs", "0"),
        ("--seed", "-1"),
        ("--learning-rate", "nan"),
        ("--decay-from", "1.5"),
        ("--preset", "x"),
        ("--alpha", "-1"),
    ],
)
def test_values_out_of_range_are_usage_errors(option, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--data", "d", "--out", "o", *option])
    assert stopped.value.code == 2
    assert option[0] in capsys.readouterr().err


def test_the_cards_command_repeats_switches_and_quotes_names():
    settings = Settings("small", "my data", "split", 7, 1, prior="split-logits", mixed_precision=True)
    command = training_command(vars(settings))
    assert "--dataset 'my data' " in command and command.endswith("--mixed-precision --data DATA --out RUN")


def test_the_cards_command_parses_to_the_settings_it_came_from():
    settings = Settings("small", "mnist", "reweight", 7, 11, crop_margin=2, clip=3.5, alpha=1000.0)
    command = training_command(vars(settings)).split()
    options = parser().parse_args(command[3:])
    assert Settings(**{name: getattr(options, name) for name in vars(settings)}) == settings
