"""What the desk says when it will not do something: errors with a sentence that tells how to mend it."""

from __future__ import annotations


class Refusal(Exception):
    """The base of the desk's named errors.

    ``sentence`` is the Chinese source, which is also its key in the catalogue; ``values`` fill its ``{gaps}``. A value
    with a name in both languages (an indicator, a stance) is shown in the reader's. ``str()`` gives the Chinese.
    """

    def __init__(self, sentence: str, **values: object) -> None:
        self.sentence = sentence
        self.values = values
        super().__init__(sentence.format(**{gap: getattr(value, "zh", value) for gap, value in values.items()}))


class NotAllowed(Refusal):
    """This person may not do this, whatever the state of the case."""


class RuleBroken(Refusal):
    """The person may, but what they ask breaks a rule of the case."""


class EvidenceChanged(RuleBroken):
    """The evidence is no longer what the person saw or what the proposal was made on."""


class LogInRefused(Refusal):
    """Wrong name or password, an account that was closed, or too many failures just now."""


class NotFound(Refusal):
    """There is no such case, capture or page."""
