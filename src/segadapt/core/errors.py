"""The exceptions that are meant for users."""


class UserError(ValueError):
    """Something the user can mend: bad parameters, bad data, a damaged file, a full disk.

    The message is one clear sentence that says what was wrong, where (file, key or index) and how
    to mend it. Stage scripts and the console print it without a traceback and exit with status 2.
    """


class Stopped(BaseException):
    """Work that ended early because it was asked to; the message says how far it came, ``status`` how to exit.

    Like KeyboardInterrupt no Exception: nobody who handles failures may take it for one.
    """

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status
