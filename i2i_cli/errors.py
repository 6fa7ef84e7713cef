"""What can go wrong, as data: the message names the value, the hint says what to do instead."""


class I2IError(Exception):
    """A failure a person can mend; worded here, printed and turned into an exit code in `cli/app.py`.

    Args:
        message: one sentence: what is wrong, with which value.
        hint: what to type or change instead; may be empty.
        exit_code: overrides the kind's own code (1: bad data or a failure, 2: wrong usage).
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "", exit_code: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code


_TOO_LITTLE = ("out of memory", "can't allocate memory", "not enough memory", "could not create a primitive")
"""What torch says of it; the last is how oneDNN's convolutions put it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the device or the machine has too little memory."""
    told = isinstance(error, RuntimeError) and any(words in str(error) for words in _TOO_LITTLE)
    return told or isinstance(error, MemoryError)


class ConfigError(I2IError):
    """An option, a setting or a name that makes no sense."""

    exit_code = 2


class DataError(I2IError):
    """Images or folders that cannot be used."""


class WeightsError(I2IError):
    """A weights file or a run that cannot be used."""


class DeviceError(I2IError):
    """A device that is missing or cannot do what was asked."""
