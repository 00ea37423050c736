"""The few errors we raise ourselves; each carries a whole sentence for the person who reads it."""


class FinopsError(Exception):
    """Anything a user can act on; the command line prints it without a traceback."""

    exit_code = 1


class ConfigError(FinopsError):
    """The configuration is wrong; the text names file, line, key and what is allowed."""

    exit_code = 2


class UsageError(FinopsError):
    """A command was asked for something that it cannot do."""

    exit_code = 2


class StoreError(FinopsError):
    """The database refused, is unreachable, or holds what we did not expect."""


class UnavailableError(StoreError):
    """The database cannot be asked now; the same may well work in a moment."""


class CollectError(FinopsError):
    """A source could not be read as a whole; what is stored stays as it is."""


class NotSentError(CollectError):
    """A call that did not reach the remote side, which therefore does not charge for it."""
