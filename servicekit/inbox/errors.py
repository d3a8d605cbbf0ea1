"""Why a message is not taken."""


class Refused(Exception):
    """This message can never be taken as it is; it is parked for a person to look at.

    Raised by a handler, too, for a payload that it does not understand.

    Attributes:
        reason: A stable word for programs.
        detail: A sentence for people. Not the payload: it may end up in a log.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
