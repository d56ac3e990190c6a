"""What a door shows when a rule said no. Each room subclasses RuleError beside its actions."""


class RuleError(Exception):
    """A rule said no. The message is written for the person who asked; doors answer 422 with it.

    `field` names the form field or JSON key the message belongs to, or is empty for the whole request.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotAllowed(RuleError):
    """The person may not do this here. Doors answer 403."""


class NotFound(RuleError):
    """The thing asked for does not exist, or is not this person's to see. Doors answer 404."""


class OutsideError(Exception):
    """The world failed: a disk, a broker, a process. Retried by the sweep and counted. One subclass per system."""
