"""``classify``, ``train`` and ``evaluate``: the classifier by itself."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from classifier import models
from classifier.calibration import read_calibration
from classifier.card import summary
from classifier.corpus import CORPUS, LATER, read_corpus
from classifier.evaluate import evaluate as measure
from classifier.judge import Judge
from classifier.ship import ship
from classifier.start import ensure_start
from crawler.extract import read_page
from data.facts import taxonomy
from data.store import Store
from takedown.console import err, out, print_json, progress
from takedown.reviewed import reviewed

OWN_START = "multilingual-e5-small"
_MARKUP = re.compile(r"<(?:!doctype|html|head|body|div|p|a|span|h1|table|script|meta|article)\b", re.I)


def text_of(content: str) -> str:
    """The text of HTML, or the content itself when it is none."""
    return read_page(content, "http://localhost/").text if _MARKUP.search(content[:4000]) else content


def decode(content: bytes) -> str:
    """Bytes from anywhere as text: UTF-8, UTF-16 by its mark, else GB18030; what fits none is replaced, never refused."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030", "replace")


@click.command(epilog="例：takedown classify 页面.html   或   echo 文字 | takedown classify --json")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON。")
@click.pass_obj
def classify(home: Path, file: Any, as_json: bool) -> None:
    """判断一段文字或一个 HTML 文件（- 为标准输入）。"""
    judge = Judge(models.in_force(home))
    text = text_of(decode(file.read()))
    found = judge.judge(text)
    if as_json:
        print_json(asdict(found) | {"model": judge.version, "threshold": judge.limits.review})
        return
    facts = taxonomy()
    limits = judge.limits
    verdict = (
        f"达到复核阈值 {limits.review:g}"
        if found.score >= limits.review
        else f"未达复核阈值 {limits.review:g}，在抽查之列"
        if found.score >= limits.sample
        else f"低于抽查下限 {limits.sample:g}"
    )
    out.print(f"得分 {found.score:.4f}（{verdict}），体裁：{facts.genre(found.genre).zh}")
    if found.note:
        out.print(f"[yellow]注意：{escape(found.note)}[/]")
    table = Table("指标", "概率", "条款", "原文")
    for name, probability in sorted(found.indicators.items(), key=lambda item: -item[1]):
        words = [span for span in found.spans if span.indicator == name]
        if words:
            table.add_row(
                facts.indicators[name].zh, f"{probability:.2f}", words[0].clause,
                "\n".join(escape(span.text) for span in words),
            )  # fmt: skip
    if table.row_count:
        out.print(table)
    if found.counter:
        out.print("相反的迹象：" + escape("；".join(span.text for span in found.counter)))


@click.command(epilog="例：takedown train --with-decisions   或   takedown train --restore")
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), default=CORPUS, help="语料文件或目录。")
@click.option("--with-decisions", is_flag=True, help="加入本单位审核过的案件，并重新校准；新模型不差于现用的才启用。")
@click.option("--restore", is_flag=True, help="不训练，恢复上一个模型。")
@click.option(
    "--encoder",
    is_flag=False,
    flag_value=OWN_START,
    metavar="[起点]",
    help="还要训练读全文的编码器（需要 torch，两核约一小时）；起点可为 Hugging Face 模型名或目录，默认 multilingual-e5-small。"
    "不带此项时沿用现用模型的编码器，只重新校准。",
)
@click.option(
    "--out",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="模型写到哪个目录（不启用）；不带此项时写入工作目录，比过现用的再启用。",
)
@click.pass_obj
def train(
    home: Path, corpus: Path, with_decisions: bool, restore: bool, encoder: str | None, directory: Path | None
) -> None:
    """训练模型，连同模型卡写出；在从不参与训练的测试组上不差于现用模型，才启用。"""
    if restore:
        folder = models.restore(home)
        out.print(f"已恢复 {folder}；运行 takedown score 可用它重新评分。", soft_wrap=True)
        return
    texts = list(read_corpus(corpus, text_of))
    later = list(read_corpus(corpus / LATER, text_of)) if (corpus / LATER).is_dir() else []
    if with_decisions:
        with Store(home) as store:
            decided = list(reviewed(store))
        out.print(f"加入审核过的页面 {len(decided)} 篇（正例 {sum(t.label == 'positive' for t in decided)} 篇）。")
        texts += decided
    current = models.in_force(home)
    was = read_calibration(current)
    start = (ensure_start(home / "start") if encoder == OWN_START else encoder) if encoder else None
    kept = current if encoder is None and was.cascade is not None and find_spec("torch") else None
    folder = directory or models.candidate(home)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with progress("训练") as display:
        task = display.add_task("", total=1.0)
        told = lambda what, share: display.update(task, description=what, completed=share)  # noqa: E731
        found = ship(texts, folder, later=later, start=start, encoder=kept, told=told)
    minutes = (time.perf_counter() - started) / 60
    out.print(f"模型写到 {folder}，用时 {minutes:.1f} 分钟。", soft_wrap=True)
    for name, figures in (("线性模型", found.linear), ("级联", found.cascade)):
        if figures is not None:
            out.print(f"{name}：{summary(figures)}", soft_wrap=True)
    if directory is None:
        # As both were written: a figure that was rounded is not held against one that was not.
        models.check_promotion(read_calibration(folder), was)
        models.promote(home, folder)
        out.print("新模型已启用；takedown train --restore 可恢复旧模型，takedown score 会用新模型重新评分。")


@click.command(epilog="例：takedown evaluate --corpus 标注.jsonl --json")
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True, help="带标注的 JSON Lines。")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON。")
@click.pass_obj
def evaluate(home: Path, corpus: Path, as_json: bool) -> None:
    """在带标注的文本上测量现用模型。"""
    judge = Judge(models.in_force(home))
    if judge.lacking:
        err.print(f"[yellow]{escape(judge.lacking)}[/]")
    figures = measure(judge, list(read_corpus(corpus, text_of)))
    if as_json:
        print_json(figures)
        return
    table = Table("项目", "数值", title=f"{figures['texts']} 篇，模型 {figures['model']}", title_justify="left")
    for name, label in (
        ("average_precision", "平均精度 AP"),
        ("precision", "精确率"),
        ("recall", "召回率"),
        ("f1", "F1"),
        ("ece", "校准误差 ECE"),
        ("activities_macro_f1", "业务指标宏平均 F1"),
        ("roles_macro_f1", "角色指标宏平均 F1"),
        ("documents_per_second", "每秒篇数"),
        ("threshold", "阈值"),
    ):
        table.add_row(label, f"{figures[name]:.4g}")
    for precision, recall in figures["recall_at_precision"].items():
        table.add_row(f"精确率 {precision} 时的召回率", f"{recall:.4g}")
    reasons = figures["reasons"]
    if reasons["marked"]:
        table.add_row("理由与标注相符（字 F1）", f"{reasons['span_f1']:.3f}")
    table.add_row(
        "删去理由后得分平均下降", f"{reasons['without_spans']:.3f}（删同样多的其他字 {reasons['without_others']:.3f}）"
    )
    table.add_row("不作判断", str(figures["abstained"]))
    for genre, rate in figures["false_positive_rate"].items():
        known = {g.id: g.zh for g in taxonomy().genres}
        table.add_row(f"误报率：{known.get(genre, escape(genre))}", f"{rate:.1%}")
    out.print(table)
    if figures["borderline"]:
        out.print(
            "存疑文本（不计入）：" + "、".join(f"{escape(b['id'])} {b['score']:.2f}" for b in figures["borderline"])
        )
