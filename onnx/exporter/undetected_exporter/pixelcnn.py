"""Conditional PixelCNN++: every pixel's distribution from the pixels before it, one component per class.

Source: Fetaya, Jacobsen, Grathwohl, Zemel (ICLR 2020), appendix E; the network is Salimans, Karpathy,
Chen and Kingma, "PixelCNN++" (ICLR 2017), section 2, whose released code settles what the text leaves
open. Deviations are named where they are made.

Two streams of features run through the network. `above` at (r, c) has seen pixels of rows < r;
`before` at (r, c) has seen pixels that come before (r, c) in raster order, and reads `above` as it
goes. (The issue tracker speaks of three streams. The sources have two; what there are three of is
resolutions, and shifted views of the image that the streams start from: rows above, row above, left.)
"""

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .glow import unsqueeze
from .logistic import HALF_RANGE, LEVELS, draw, level_of, log_mass, scaled
from .numerics import explicit_softplus


@dataclass(frozen=True)
class PixelCnnConfig:
    """The shape of a model: `blocks[l]` residual blocks of `widths[l]` channels, both ways, at level l.

    Every level halves the resolution of the one before. `dropout` is the probability of a hidden
    channel value to be dropped in training.
    """

    channels: int = 1
    side: int = 28
    classes: int = 10
    blocks: tuple[int, ...] = (1, 1, 1)
    widths: tuple[int, ...] = (16, 16, 16)
    dropout: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "blocks", tuple(self.blocks))
        object.__setattr__(self, "widths", tuple(self.widths))
        if len(self.blocks) != len(self.widths) or not self.blocks:
            raise ValueError(f"blocks {self.blocks} and widths {self.widths} must name the same levels, at least one")
        if self.side % 2 ** (len(self.blocks) - 1):
            raise ValueError(f"side {self.side} cannot be halved {len(self.blocks) - 1} times")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout {self.dropout} must lie in [0, 1)")

    @property
    def n_dims(self) -> int:
        """D: the image's dimensions."""
        return self.channels * self.side**2

    def as_dict(self) -> dict:
        return {"model": "pixelcnn", **asdict(self)}


def concat_elu(x: Tensor) -> Tensor:
    """elu of x and of -x, stacked: twice the channels, and a gradient on either side of zero."""
    return F.elu(torch.cat([x, -x], 1))


def shift_down(x: Tensor) -> Tensor:
    """Row r shows what row r - 1 held; row 0 is zero."""
    return F.pad(x[:, :, :-1], (0, 0, 1, 0))


def shift_right(x: Tensor) -> Tensor:
    """Column c shows what column c - 1 held; column 0 is zero."""
    return F.pad(x[:, :, :, :-1], (1, 0, 0, 0))


class CausalConv(nn.Module):
    """A convolution whose window ends at the pixel's own row, and at its own column too if `corner`.

    The window of `size` (rows, columns) covers rows r - rows + 1 .. r and the columns centred on c, or,
    for a `corner`, those that end at c. Zero padding. With a stride of 2, (i, j) is the window of (2i, 2j).
    """

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], corner: bool, stride: int = 1):
        super().__init__()
        rows, columns = size
        side = (columns - 1, 0) if corner else (columns // 2, columns // 2)
        self.padding = (*side, rows - 1, 0)
        self.conv = nn.Conv2d(inputs, outputs, size, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.padding))


def stream_conv(stream: str, inputs: int, outputs: int, stride: int = 1) -> CausalConv:
    """The window that keeps what `stream` may see: 2x3 for `above`, 2x2 for `before`."""
    corner = stream == "before"
    return CausalConv(inputs, outputs, (2, 2 if corner else 3), corner, stride)


class GatedBlock(nn.Module):
    """x + value * sigmoid(gate); (value, gate) come from two convolutions of x and, between, a view `aside`.

    `aside` channels enter through a 1x1 convolution: the other stream, or a shortcut, or both.
    Deviation: plain weights instead of weight normalisation; the second convolution starts at a
    tenth of the usual size, as the source's does.
    """

    START = 0.1

    def __init__(self, stream: str, width: int, aside: int, dropout: float):
        super().__init__()
        self.enter = stream_conv(stream, 2 * width, width)
        self.aside = nn.Conv2d(2 * aside, width, 1) if aside else None
        self.dropout = nn.Dropout(dropout)
        self.leave = stream_conv(stream, 2 * width, 2 * width)
        with torch.no_grad():
            self.leave.conv.weight.mul_(self.START)
            self.leave.conv.bias.zero_()

    def forward(self, x: Tensor, aside: Tensor | None = None) -> Tensor:
        hidden = self.enter(concat_elu(x))
        if self.aside is not None:
            hidden = hidden + self.aside(concat_elu(aside))
        value, gate = self.leave(self.dropout(concat_elu(hidden))).chunk(2, 1)
        return x + value * torch.sigmoid(gate)


Pair = tuple[Tensor, Tensor]
"""The features of the streams (above, before), each [N, width, H, W]."""


class UpBlock(nn.Module):
    """One block of either stream; `before` reads the new `above`."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.above = GatedBlock("above", width, 0, dropout)
        self.before = GatedBlock("before", width, width, dropout)

    def forward(self, pair: Pair) -> Pair:
        above = self.above(pair[0])
        return above, self.before(pair[1], above)


class DownBlock(nn.Module):
    """The same with a shortcut from the up-pass into either stream."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.above = GatedBlock("above", width, width, dropout)
        self.before = GatedBlock("before", width, 2 * width, dropout)

    def forward(self, pair: Pair, shortcut: Pair) -> Pair:
        above = self.above(pair[0], shortcut[0])
        return above, self.before(pair[1], torch.cat([above, shortcut[1]], 1))


class Entry(nn.Module):
    """The image's shifted views that the streams start from: no pixel sees itself from here on.

    A channel of ones tells the image from the zero padding around it.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        self.rows_above = CausalConv(channels + 1, width, (2, 3), corner=False)
        self.row_above = CausalConv(channels + 1, width, (1, 3), corner=False)
        self.left = CausalConv(channels + 1, width, (2, 1), corner=True)

    def forward(self, image: Tensor) -> Pair:
        image = torch.cat([image, image[:, :1] * 0.0 + 1.0], 1)
        before = shift_down(self.row_above(image)) + shift_right(self.left(image))
        return shift_down(self.rows_above(image)), before


class Down(nn.Module):
    """Half the resolution: convolutions of stride 2. (i, j) then stands for the 2x2 pixels at (2i, 2j)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.above = stream_conv("above", inputs, outputs, stride=2)
        self.before = stream_conv("before", inputs, outputs, stride=2)

    def forward(self, pair: Pair) -> Pair:
        return self.above(pair[0]), self.before(pair[1])


class Up(nn.Module):
    """Twice the resolution: (i, j) gives the 2x2 pixels at (2i, 2j), of which it has seen none.

    A transposed convolution of size and stride 2, written as a 1x1 convolution and a reordering.
    Deviation: the source's has windows 2x3 and 2x2.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.above = nn.Conv2d(inputs, 4 * outputs, 1)
        self.before = nn.Conv2d(inputs, 4 * outputs, 1)

    def forward(self, pair: Pair) -> Pair:
        return unsqueeze(self.above(pair[0])), unsqueeze(self.before(pair[1]))


class Network(nn.Module):
    """From the scaled image to the last features of `before`: an up-pass, then a down-pass with shortcuts.

    The up-pass keeps every pair it makes; the down-pass starts at the last and takes the others as
    shortcuts, last first. So a level has one down-block per shortcut: `blocks[l]`, and one more for
    its first pair, which at the lowest level is taken by the start.
    """

    def __init__(self, config: PixelCnnConfig):
        super().__init__()
        levels = list(zip(config.blocks, config.widths, strict=True))
        steps = list(zip(config.widths, config.widths[1:], strict=False))
        lowest = len(levels) - 1
        self.entry = Entry(config.channels, config.widths[0])
        self.up_blocks = nn.ModuleList(
            nn.ModuleList(UpBlock(width, config.dropout) for _ in range(count)) for count, width in levels
        )
        self.down_blocks = nn.ModuleList(
            nn.ModuleList(DownBlock(width, config.dropout) for _ in range(count + (index != lowest)))
            for index, (count, width) in enumerate(levels)
        )
        self.shrink = nn.ModuleList(Down(fine, coarse) for fine, coarse in steps)
        self.grow = nn.ModuleList(Up(coarse, fine) for fine, coarse in steps)

    def up(self, image: Tensor) -> list[Pair]:
        pairs = [self.entry(image)]
        for index, blocks in enumerate(self.up_blocks):
            if index:
                pairs.append(self.shrink[index - 1](pairs[-1]))
            for block in blocks:
                pairs.append(block(pairs[-1]))
        return pairs

    def forward(self, image: Tensor) -> Tensor:
        pairs = self.up(image)
        pair = pairs.pop()
        for index in reversed(range(len(self.down_blocks))):
            for block in self.down_blocks[index]:
                pair = block(pair, pairs.pop())
            if index:
                pair = self.grow[index - 1](pair)
        return pair[1]


class PixelCnn(nn.Module):
    """Conditional PixelCNN++ on 8-bit images, given as pixels x = (k + u)/256 of [0, 1].

    The network knows no class. For every pixel i it gives one discretised logistic per class, and

        ln P(k|y) = sum_i ln P(k_i | k_before i; component y),   ln p(x|y) = ln P(k|y) + D ln 256:

    all classes from one pass. ln p is the density that is constant on every bin, so it does not
    depend on u, and its bits/dim are the code length of the 8-bit image, not a bound. Unit: nats.
    Its gradient by x is therefore zero; `level_of` is the one place to put the identity (a
    straight-through estimate: what is left is smooth in the level, and equal at bin centres to
    the relaxation with 256 x - 1/2 for k).
    Of several channels the later ones' means depend linearly on the earlier ones of the same pixel,
    the coefficients tanh(.) of the network's output. Source: appendix E; Salimans et al., section 2.2.
    """

    takes_noise = False
    likelihood = "log P of the 8-bit image + D log 256: a density that is constant on every bin"

    def __init__(self, config: PixelCnnConfig):
        super().__init__()
        self.config = config
        self.network = Network(config)
        c = config.channels
        self.counts = (c, c, c * (c - 1) // 2)
        self.head = nn.Conv2d(config.widths[0], config.classes * sum(self.counts), 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.softplus = F.softplus

    def components(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled image [N, C, H, W] -> (mean, ln scale) of every class, each [N, K, C, H, W]."""
        raw = self.head(F.elu(self.network(image)))
        _, _, height, width = raw.shape
        raw = raw.reshape(-1, self.config.classes, sum(self.counts), height, width)
        mean, log_scale, coefficients = raw.split(self.counts, 2)
        return self.conditioned(mean, torch.tanh(coefficients), image), log_scale

    def conditioned(self, mean: Tensor, coefficients: Tensor, image: Tensor) -> Tensor:
        """Add to channel c's mean the sum over b < c of coefficient (c, b) times channel b of the image."""
        channels, used = [mean[:, :, :1]], 0
        for c in range(1, self.config.channels):
            weights = coefficients[:, :, used : used + c]
            channels.append(mean[:, :, c : c + 1] + (weights * image[:, None, :c]).sum(2, keepdim=True))
            used += c
        return torch.cat(channels, 2) if len(channels) > 1 else mean

    def log_masses(self, level: Tensor) -> Tensor:
        """Grey levels [N, C, H, W] -> ln P of every pixel given those before it, [N, K, C, H, W]."""
        mean, log_scale = self.components(scaled(level))
        return log_mass(level[:, None], mean, log_scale, self.softplus)

    def parts(self, x: Tensor, noise: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """(shared [N], class part [N, K]); their sum is ln p(x|y). `noise` is not used.

        The mean over the classes is taken off pixel by pixel, before any sum: a class margin is
        never rounded to the precision of a total of thousands.
        """
        masses = self.log_masses(level_of(x))
        mean = masses.mean(1, keepdim=True)
        shared = mean.sum((1, 2, 3, 4)) + self.config.n_dims * math.log(LEVELS)
        return shared, (masses - mean).sum((2, 3, 4))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [N, C, H, W] -> log_prob [N, K], log_prob_shared [N], log_prob_class [N, K]."""
        shared, per_class = self.parts(x)
        return shared[:, None] + per_class, shared, per_class

    @torch.no_grad()
    def initialise(self, x: Tensor, noise: Tensor | None = None) -> None:
        """Start every component at the mean and, by its standard deviation s pi/sqrt(3), the scale of `x`."""
        image = scaled(level_of(x))
        mean, std = image.mean((0, 2, 3)), image.std((0, 2, 3))
        bias = self.head.bias.view(self.config.classes, -1)
        c = self.config.channels
        bias[:, :c] = mean
        bias[:, c : 2 * c] = torch.log(std * math.sqrt(3.0) / math.pi + 1.0 / HALF_RANGE)

    @torch.no_grad()
    def freeze(self) -> "PixelCnn":
        """For export: softplus written out, dropout off. No weights are combined."""
        self.softplus = explicit_softplus
        return self.eval()

    @torch.no_grad()
    def sample(self, label: Tensor, temperature: float, source: torch.Generator) -> Tensor:
        """One image per label [N], at its bins' centres, [N, C, H, W]; drawn pixel by pixel, in C H W network passes.

        Every pixel's deviation from its mean is scaled by `temperature`; 1 is the model's own distribution.
        """
        c, side = self.config.channels, self.config.side
        level = torch.zeros(len(label), c, side, side)
        rows = torch.arange(len(label))
        for row, column, channel in ((i, j, b) for i in range(side) for j in range(side) for b in range(c)):
            mean, log_scale = (value[rows, label, channel, row, column] for value in self.components(scaled(level)))
            uniform = torch.rand(len(label), generator=source)
            level[:, channel, row, column] = draw(mean, log_scale, uniform, temperature)
        return (level + 0.5) / LEVELS
