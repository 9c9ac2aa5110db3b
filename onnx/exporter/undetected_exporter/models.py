"""The kinds of models there are, by the key that a training state or a config names."""

from .glow import Glow, GlowConfig
from .pixelcnn import PixelCnn, PixelCnnConfig

Model = Glow | PixelCnn
Config = GlowConfig | PixelCnnConfig

KINDS: dict[str, tuple[type, type]] = {"glow": (GlowConfig, Glow), "pixelcnn": (PixelCnnConfig, PixelCnn)}
"""The config's class and the model's. A config's `as_dict` without the key `model` is a GLOW."""


def build(config: Config) -> Model:
    return next(model for kind, model in KINDS.values() if isinstance(config, kind))(config)


def config_of(fields: dict) -> Config:
    """The inverse of a config's `as_dict`."""
    fields = dict(fields)
    return KINDS[fields.pop("model", "glow")][0](**fields)
