"""The errors a user can meet, each with its exit code.

::

    McugenError(message, where, hint)
     ├ InputError             2  the file, flag or board given cannot be used
     │  ├ ModelFormatError       the model file is truncated, corrupt or not what its name says
     │  ├ BoardError             unknown board, or a board file that does not validate
     │  └ CalibrationError       calibration data missing, of the wrong shape or dtype, or with NaN
     ├ UnsupportedModelError  3  every violated constraint of every operator, one line each
     ├ DoesNotFitError        4  the memory plan is larger than the board
     ├ MismatchError          5  the firmware and the reference give different bytes
     └ ToolError              6  compiler, emulator or package missing or failed

Only ``cli`` catches these. Any other exception is a bug of mcugen's: exit code 70.
"""

from __future__ import annotations

EXIT_BUG = 70


class McugenError(Exception):
    """Base of all errors shown to users.

    message: what was found and what is needed, one or more lines.
    where:   the file, operator or option concerned, or "".
    hint:    what the user can do next, or "".
    """

    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


class InputError(McugenError):
    """A file, flag or board that cannot be used."""

    exit_code = 2


class ModelFormatError(InputError):
    """A model file that is truncated, corrupt, or not of the format its name says."""


class BoardError(InputError):
    """An unknown board, or a board description that does not validate."""


class CalibrationError(InputError):
    """Calibration data that is missing or does not match the model's inputs."""


class UnsupportedModelError(McugenError):
    """A valid model that needs something mcugen does not have; all violations at once."""

    exit_code = 3


class DoesNotFitError(McugenError):
    """The program needs more memory than the board has."""

    exit_code = 4


class MismatchError(McugenError):
    """Firmware and reference differ."""

    exit_code = 5


class ToolError(McugenError):
    """An external tool is missing or failed."""

    exit_code = 6
