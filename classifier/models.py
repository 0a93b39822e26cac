"""Which model is in force: the shipped one, or the last that was trained here and promoted.

A model is a folder: ``linear.safetensors``, ``calibration.yml``, ``README.md`` (its card), and ``encoder/`` where there is a
transformer. A home keeps its own under ``models/``; ``in_force.txt`` lists the promoted ones, the last on top.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from classifier.calibration import Calibration
from data.facts import ROOT

SHIPPED = ROOT / "model"
LINEAR, ENCODER, CARD = "linear.safetensors", "encoder", "README.md"
_LIST = "in_force.txt"


class NotPromoted(Exception):
    """A model stays what it is; the message says why."""


def in_force(home: Path) -> Path:
    """The folder of the model that judges here."""
    promoted = _promoted(home)
    return home / "models" / promoted[-1] if promoted else SHIPPED


def candidate(home: Path) -> Path:
    """A new folder for a model yet to be trained, named by the time."""
    folder = home / "models" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    return folder


def check_promotion(new: Calibration, old: Calibration) -> None:
    """Raises ``NotPromoted`` unless the new model is at least as good as the old one on the same frozen groups."""
    if new.frozen.digest != old.frozen.digest:
        raise NotPromoted("两个模型的冻结测试组不同，无法比较；请用同一份语料训练。")
    for name, unit in (("average_precision", "平均精度"), ("recall", "精确率 0.95 时的召回率")):
        was, now = getattr(old.frozen, name), getattr(new.frozen, name)
        if now < was:
            raise NotPromoted(f"新模型在冻结测试组上的{unit}为 {now:.4f}，低于现用模型的 {was:.4f}，未启用。")


def promote(home: Path, folder: Path) -> None:
    """Let a folder under ``models/`` judge from now on."""
    _write(home, [*_promoted(home), folder.name])


def restore(home: Path) -> Path:
    """Take the last promotion back and return the folder now in force. The folder taken back stays. Raises ``NotPromoted``."""
    promoted = _promoted(home)
    if not promoted:
        raise NotPromoted("现用的就是随程序提供的模型，没有可恢复的旧模型。")
    _write(home, promoted[:-1])
    return in_force(home)


def copy_encoder(source: Path, folder: Path) -> None:
    """The transformer of one model as another's; its weights do not change by recalibration."""
    shutil.copytree(source / ENCODER, folder / ENCODER)


def _promoted(home: Path) -> list[str]:
    listed = home / "models" / _LIST
    return listed.read_text("utf8").split() if listed.exists() else []


def _write(home: Path, names: list[str]) -> None:
    listed = home / "models" / _LIST
    fresh = listed.with_suffix(".new")
    fresh.write_text("".join(f"{name}\n" for name in names), "utf8")
    fresh.replace(listed)
