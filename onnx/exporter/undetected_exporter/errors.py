"""The one error that the command line turns into a message without a traceback."""


class ExporterError(Exception):
    """Something the user can put right; the message names the file or value and the remedy."""
