"""What stops a run on purpose."""


class Refused(Exception):
    """The run cannot go on, and trying the same again will not help. The message is for the person who asked."""


class Cancelled(Exception):
    """Somebody asked this run to stop."""


class Released(Exception):
    """This process has done its part of a run of several; the first one goes on alone."""
