"""The one exception that is meant for users."""


class UserError(ValueError):
    """Something the user can mend: bad parameters, bad data, a damaged file, a full disk.

    The message is one clear sentence that says what was wrong, where (file, key or index) and how
    to mend it. Stage scripts and the console print it without a traceback and exit with status 2.
    """
