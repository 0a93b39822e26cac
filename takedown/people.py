"""``desk`` and ``user``: where people decide, and who they are."""

from __future__ import annotations

from pathlib import Path

import click
import uvicorn
from rich.markup import escape
from rich.table import Table

from classifier.judge import Judge
from classifier.models import in_force
from data.store import Store
from review import accounts
from review.desk import create_app
from review.rights import ROLES
from takedown.collect import bands
from takedown.console import out

ROLE_NAMES = list(ROLES)


@click.command(epilog="例：takedown desk --port 8000")
@click.option("--host", default="127.0.0.1", show_default=True, help="监听地址。")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="监听端口。")
@click.pass_obj
def desk(home: Path, host: str, port: int) -> None:
    """审核台：登录、查看案件、提出与复核。Ctrl-C 结束。"""
    with Store(home) as store:
        if not store.users():
            out.print("还没有账号；请先运行：takedown user add 登录名 --role admin")
    serve_desk(home, host, port)


def serve_desk(home: Path, host: str, port: int) -> None:
    """Serve the desk until Ctrl-C. Loopback is plain HTTP; elsewhere put TLS in front and see docs."""
    out.print(f"审核台：http://{host}:{port}/")
    uvicorn.run(
        create_app(home, bands(Judge(in_force(home)))), host=host, port=port, log_level="warning", server_header=False
    )


@click.group()
def user() -> None:
    """管理审核台账号。"""


@user.command("add", epilog="例：takedown user add zhangsan --display 张三 --role reviewer")
@click.argument("name")
@click.option("--display", default="", help="显示的姓名；默认同登录名。")
@click.option("--role", type=click.Choice(ROLE_NAMES), default="reviewer", show_default=True)
@click.password_option("--password", help="密码（至少 10 个字符）；不给则提示输入。")
@click.pass_obj
def add(home: Path, name: str, display: str, role: str, password: str) -> None:
    """新建账号。"""
    with Store(home) as store:
        accounts.create(store, name, display or name, role, password)
    out.print(f"已建立账号 {escape(name)}（{role}）。")


@user.command("passwd", epilog="例：takedown user passwd zhangsan")
@click.argument("name")
@click.password_option("--password", help="新密码；不给则提示输入。")
@click.pass_obj
def passwd(home: Path, name: str, password: str) -> None:
    """改密码；其所有登录随之失效。"""
    with Store(home) as store:
        accounts.change(store, name, password=password)
    out.print(f"已更改 {escape(name)} 的密码。")


@user.command("role", epilog="例：takedown user role zhangsan approver")
@click.argument("name")
@click.argument("role", type=click.Choice(ROLE_NAMES))
@click.pass_obj
def change_role(home: Path, name: str, role: str) -> None:
    """改角色。"""
    with Store(home) as store:
        accounts.change(store, name, role=role)
    out.print(f"{escape(name)} 现为 {role}。")


@user.command("list", epilog="例：takedown user list")
@click.pass_obj
def list_users(home: Path) -> None:
    """列出账号。"""
    table = Table("登录名", "姓名", "角色", "状态")
    with Store(home) as store:
        for one in store.users():
            state = ("在用" if one.active else "停用") + ("（演示账号）" if one.demo else "")
            table.add_row(escape(one.name), escape(one.display), one.role, state)
    out.print(table)
