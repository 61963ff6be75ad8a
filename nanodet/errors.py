"""The one exception whose message is meant for the user."""


class NanodetError(Exception):
    """Something the user can mend; the message is one line that names the file and the key.

    The command line prints it without a traceback and exits with status 1.
    """

    def __init__(self, message):
        super().__init__(" ".join(str(message).split()))
