"""``classify``, ``train`` and ``evaluate``: the classifier by itself."""

from __future__ import annotations

import re
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from classifier.card import write_card
from classifier.corpus import CORPUS, read_corpus
from classifier.evaluate import evaluate as measure
from classifier.judge import ENCODER, SHIPPED, Judge
from classifier.start import ensure_start
from classifier.train import train as fit
from crawler.extract import read_page
from data.facts import taxonomy, thresholds
from takedown.console import err, out, print_json, progress

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
def classify(file: Any, as_json: bool) -> None:
    """判断一段文字或一个 HTML 文件（- 为标准输入）。"""
    judge = Judge()
    text = text_of(decode(file.read()))
    found = judge.judge(text)
    if as_json:
        print_json(asdict(found) | {"model": judge.version, "threshold": thresholds().review})
        return
    facts = taxonomy()
    verdict = "达到复核阈值" if found.score >= thresholds().review else "未达复核阈值"
    out.print(f"得分 {found.score:.4f}（{verdict} {thresholds().review:g}），体裁：{facts.genre(found.genre).zh}")
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


@click.command(epilog="例：takedown train   或   takedown train --encoder")
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), default=CORPUS, help="语料文件或目录。")
@click.option("--out", "path", type=click.Path(path_type=Path), default=SHIPPED, help="模型写到哪里。")
@click.option(
    "--encoder",
    is_flag=False,
    flag_value=OWN_START,
    metavar="[起点]",
    help="另外训练读全文的编码器（需要 torch，两核约四十分钟）；起点可为 Hugging Face 模型名或目录，默认 multilingual-e5-small。",
)
@click.option("--encoder-out", type=click.Path(path_type=Path), default=ENCODER, help="编码器写到哪个目录。")
@click.pass_obj
def train(home: Path, corpus: Path, path: Path, encoder: str | None, encoder_out: Path) -> None:
    """用语料训练线性模型（及编码器），连同模型卡写出。"""
    texts = list(read_corpus(corpus, text_of))
    started = time.perf_counter()
    with progress("训练") as display:
        task = display.add_task("", total=None)
        model, outside = fit(texts, lambda what: display.update(task, description=what))
    digest = model.save(path)
    card = write_card(path.parent / "README.md", texts, outside, digest, time.perf_counter() - started)
    out.print(
        f"模型写到 {path}（SHA-256 {digest[:16]}…），用时 {time.perf_counter() - started:.0f} 秒。", soft_wrap=True
    )
    out.print(card, soft_wrap=True)
    if encoder is None:
        return
    from classifier.ship import ship  # needs torch

    start = ensure_start(home / "start") if encoder == OWN_START else encoder
    with progress("编码器") as display:
        task = display.add_task("", total=1.0)
        told = lambda what, share: display.update(task, description=what, completed=share)  # noqa: E731
        card = ship(texts, outside, start, encoder_out, told)
    out.print(f"编码器写到 {encoder_out}，共用时 {(time.perf_counter() - started) / 60:.0f} 分钟。", soft_wrap=True)
    out.print(card, soft_wrap=True)


@click.command(epilog="例：takedown evaluate --corpus 标注.jsonl --json")
@click.option("--corpus", type=click.Path(exists=True, path_type=Path), required=True, help="带标注的 JSON Lines。")
@click.option("--json", "as_json", is_flag=True, help="输出 JSON。")
def evaluate(corpus: Path, as_json: bool) -> None:
    """在带标注的文本上测量当前模型。"""
    judge = Judge()
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
    for genre, rate in figures["false_positive_rate"].items():
        known = {g.id: g.zh for g in taxonomy().genres}
        table.add_row(f"误报率：{known.get(genre, escape(genre))}", f"{rate:.1%}")
    out.print(table)
    if figures["borderline"]:
        out.print(
            "存疑文本（不计入）：" + "、".join(f"{escape(b['id'])} {b['score']:.2f}" for b in figures["borderline"])
        )
