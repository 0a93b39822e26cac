"""``wacz``: one run's archives as a package that other people's readers replay (WACZ 1.1.1; ReplayWeb.page, pywb)."""

from __future__ import annotations

from pathlib import Path

import click
from rich.markup import escape

from crawler.wacz import ArchivedPage, write_wacz
from data.archive import where_from
from data.records import Piece
from data.store import Store, StoreError
from takedown.console import out, progress


@click.command(epilog="例：takedown wacz --out 采集.wacz")
@click.option("--run", "run_id", default=None, help="采集任务编号；默认为最近一次。")
@click.option("--out", "path", type=click.Path(dir_okay=False, path_type=Path), required=True, help="写到哪个文件。")
@click.pass_obj
def wacz(home: Path, run_id: str | None, path: Path) -> None:
    """导出回放包：把一次采集的归档打成 WACZ，可用 ReplayWeb.page 或 pywb 离线回看。"""
    with Store(home) as store:
        runs = store.runs()
        if not runs:
            raise StoreError("还没有采集任务；请先运行 takedown crawl。")
        run = store.run(run_id) if run_id else runs[0]
        pages: dict[tuple[Path, int], ArchivedPage] = {}
        with progress("打包") as display:
            display.add_task("", total=None)
            for capture in store.captures(run.id):
                piece: Piece = capture.payload
                # Entries of a directory share their page's record.
                if piece.media_type == "text/html" and (place := (home / piece.file, piece.offset)) not in pages:
                    url, at = where_from(home, piece)
                    pages[place] = ArchivedPage(url, at, capture.title)
            folder = home / "archives" / run.id
            write_wacz(sorted(folder.glob("*.warc.gz")), path, pages.values(), f"takedown {run.id}")
    out.print(f"{escape(str(path))}：任务 {run.id} 的 {len(pages)} 个页面，{path.stat().st_size / 1e6:.1f} MB。")
