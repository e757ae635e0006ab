"""The exception for data that cannot be used."""


class DataError(ValueError):
    """Interactions, a file or an id column cannot be used; the message says what, where and why."""
