"""Train class-conditional generative models and export them under the `undetected` checkpoint contract."""

__version__ = "0.1.0"
