"""The exception for data that cannot be used, and the warning for data to be careful with."""


class DataError(ValueError):
    """Interactions, a file or an id column cannot be used; the message says what, where and why."""


class DataWarning(UserWarning):
    """Something in the interactions changes what results mean; the message says what and how much.

    `warnings.simplefilter("ignore", sasrec_fast.DataWarning)` silences it.
    """
