"""``refer`` and ``verify``: packages of approved cases, and whether a package is what was sent."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
from rich.markup import escape

from data.store import Store
from reports import Issuer, NotAPackage
from reports import refer as make_packages
from reports import verify as examine
from takedown.config import NAME, Config, ConfigError, load
from takedown.console import err, out


def issuer_of(config: Config, home: Path) -> Issuer:
    """The issuing office as the configuration names it. Raises ``ConfigError`` with the lines to add."""
    if config.issuer is None:
        raise ConfigError(
            f"尚未设置发文机关。请在 {home / NAME} 中写明，例如：\n"
            "issuer:\n  name: 某某省地方金融管理局\n  code: 某金管函\n  contact: 张三\n  phone: 010-00000000"
        )
    return Issuer(config.issuer.name, config.issuer.code, config.issuer.contact, config.issuer.phone)


@click.command(epilog="例：takedown refer --out 移送/ --authority guangdong")
@click.option("--authority", default=None, help="只做给某一机关的（代号或名称）；默认按对象分送。")
@click.option("--out", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="写到哪个目录。")
@click.pass_obj
def refer(home: Path, authority: str | None, folder: Path) -> None:
    """移送：为已经两人确认的案件按机关制作移送材料（函、清单、证据、校验清单）。"""
    issuer = issuer_of(load(home), home)
    with Store(home) as store:
        made = make_packages(store, home, folder, issuer, authority=authority, on=datetime.now(UTC))
    for referral in made:
        out.print(f"{referral.number}：{len(referral.case_ids)} 件，材料在 {escape(referral.package)}", soft_wrap=True)
    out.print("寄出前请核对主送机关，并运行 takedown verify 校验。")


@click.command(epilog="例：takedown verify 移送/某金管函2025-1.zip   退出码：0 完好，1 有改动，2 不是移送材料")
@click.argument("package", type=click.Path(path_type=Path))
@click.pass_context
def verify(context: click.Context, package: Path) -> None:
    """校验一份移送材料（目录或 zip）是否完好。"""
    try:
        findings = examine(package)
    except NotAPackage as error:
        err.print(escape(str(error)))
        context.exit(2)
    for finding in findings:
        err.print(escape(finding))
    if findings:
        err.print(f"[red]材料已被改动：{len(findings)} 处。[/]")
        context.exit(1)
    out.print("材料完好：每个文件的 SHA-256 与 SM3 均与清单一致。")
