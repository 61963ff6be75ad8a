"""The one exception whose message is meant for the user."""

LONGEST = 2000  # characters of a message; what a file holds may be millions


class NanodetError(Exception):
    """Something the user can fix; the message is one line that names the file and the key.

    The command line prints it without a traceback and exits with status 1. Of a message longer than
    `LONGEST` characters, its middle is left out.
    """

    def __init__(self, message: object) -> None:
        message = " ".join(str(message).split())
        if len(message) > LONGEST:
            half = LONGEST // 2
            message = f"{message[:half]} ... {message[-half:]}"
        super().__init__(message)


class MissingSpecError(NanodetError):
    """An exported model has no spec.

    Attributes:
        missing: the message without the command that helps.
        model: path of the model.
    """

    def __init__(self, missing: str, model: object = "") -> None:
        super().__init__(f"{missing}; nanodet adopt makes one for a NanoDet made elsewhere")
        self.missing, self.model = missing, str(model)

    def __reduce__(self) -> tuple[type["MissingSpecError"], tuple[str, str]]:
        return type(self), (self.missing, self.model)
