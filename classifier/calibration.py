"""What turns a model's numbers into answers: sigmoids, the gate, and the limits of the three bands, in one file beside it.

``calibration.yml`` is written by training and read like code; nobody edits it by hand.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from classifier.model import ModelError

FILE = "calibration.yml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sigmoid(_Part):
    """``probability = sigmoid(slope · logit + shift + linear · logit of the linear model's)``; genres use ``slope`` alone."""

    slope: float = 1.0
    shift: float = 0.0
    linear: float = 0.0


class Limits(_Part):
    """Scores from ``review`` on are put before people, those from ``sample`` on by a draw, the others by nobody.

    ``named`` has the probability from which an indicator is said to be there. ``innocent`` and ``offers`` are how many
    texts the two promises of ``thresholds.yml`` were tested on; ``kept`` says which could be kept with so few.
    """

    review: float = Field(ge=0, le=1)
    sample: float = Field(ge=0, le=1)
    named: dict[str, float]
    innocent: int
    offers: int
    kept: tuple[str, ...]


class Cascade(Limits):
    """``gate`` times the chunks a page is read in is the linear model's probability below which it is not read."""

    gate: float = Field(ge=0, le=1)
    heads: dict[str, Sigmoid]


class Frozen(_Part):
    """How the model did on the groups no training ever sees; ``digest`` names them, so that only like is compared."""

    digest: str
    texts: int
    average_precision: float
    recall: float  # at precision 0.95
    calibration_error: float


class Calibration(_Part):
    """Of the linear model alone, and of the cascade where there is a transformer."""

    linear: Limits
    cascade: Cascade | None = None
    # The share of its n-grams that a text must have in common with the corpus to be judged.
    familiar: float = Field(ge=0, le=1)
    frozen: Frozen
    decisions: int = 0

    def save(self, directory: Path) -> None:
        """Write the folder's file, probabilities to four places."""
        found = yaml.safe_dump(_rounded(self.model_dump(mode="json")), sort_keys=False, allow_unicode=True, width=120)
        note = "# Written by `takedown train`; see README.md beside it.\n"
        (directory / FILE).write_text(note + found, "utf8")


def read_calibration(directory: Path) -> Calibration:
    """The folder's calibration. Raises ``ModelError``."""
    try:
        return Calibration.model_validate(yaml.safe_load((directory / FILE).read_text("utf8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise ModelError(f"无法读取 {directory / FILE}（{error}）；运行 takedown train 可重新训练。") from error


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return value
