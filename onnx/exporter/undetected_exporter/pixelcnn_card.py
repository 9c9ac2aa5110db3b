"""What a PixelCNN++'s model card says differently from a GLOW's."""

from .pixelcnn import PixelCnnConfig

TITLE = "PixelCNN++"

MEASURED = """uniform dequantisation, one draw per image (seed {seed}), on which the log-probability does not
    depend, constant as it is on every grey level's bin: bits/dim are the code length of the 8-bit images"""

NOISE = "no noise, as the model sees grey levels"

Table = tuple[str, tuple[str, ...], list[tuple]]


def architecture(training: dict, config: PixelCnnConfig) -> Table:
    """A paragraph, and a table with one row per level."""
    text = f"""{training["parameters"]:,} trained parameters. Two streams of gated residual blocks (2x3 and 2x2
        windows), the rows above and all pixels before; an up-pass to the lowest resolution, a down-pass back with a
        shortcut from every step of the up-pass. The network is not told the class: per pixel it gives the mean and the
        scale of {config.classes} discretised logistics, one per class (appendix E of the paper). Dropout
        {config.dropout:g}."""
    sizes = zip(training["blocks"], training["widths"], strict=True)
    rows = [
        (
            level + 1,
            f"{config.side >> level}x{config.side >> level}",
            count,
            count + (level + 1 < len(config.blocks)),
            width,
        )
        for level, (count, width) in enumerate(sizes)
    ]
    return text, ("level", "resolution", "up-blocks", "down-blocks", "channels"), rows


def limits(bits_per_dim: float) -> tuple[str, ...]:
    return (
        f"""Not the paper's model, whose size appendix E does not state and whose network as published has 3 levels of 5
        blocks of 160 channels: a threshold has to be chosen from this model's own likelihoods (mean {bits_per_dim:.2f}
        bits/dim).""",
        """The images are not padded: bits/dim are per pixel of the data set's own images, and are not comparable with
        those of a padded image, which has more dimensions.""",
        """The graph rounds every pixel to its grey level first, so its gradient with respect to `x` is zero. A
        gradient-based attack needs the identity in place of that one Floor node; the rest is smooth in the grey
        level.""",
        """A density that is constant on bins rewards nothing inside a bin: a perturbation smaller than the way to the
        bin's edge changes neither class nor likelihood.""",
    )
