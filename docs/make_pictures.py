"""Makes the pictures of the README anew: the desk on the demonstration web, and a demonstration letter as pages.

python docs/make_pictures.py          needs Chromium, LibreOffice and pdftoppm; takes about a minute
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from crawler.render import find_chromium, sandbox_arguments  # noqa: E402
from data.records import State  # noqa: E402
from data.store import Store  # noqa: E402
from review import accounts, flow  # noqa: E402
from review.desk import create_app  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
PASSWORD = "only-for-the-pictures"  # noqa: S105


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "takedown", "--home", folder, "demo", "--no-serve"], cwd=ROOT, check=True)
        home = Path(folder) / "demo"
        letter(max((home / "packages").glob("*/letter.docx"), key=lambda path: path.stat().st_size), Path(folder))
        # The same captures before anybody decided: the queue as reviewers first see it.
        waiting = Path(folder) / "waiting"
        subprocess.run([sys.executable, "-c", COPY, str(home), str(waiting)], cwd=ROOT, check=True)
        desk(waiting)


COPY = """
import shutil, sqlite3, sys
home, waiting = sys.argv[1:]
shutil.copytree(home, waiting, ignore=shutil.ignore_patterns("packages", "backup"))
with sqlite3.connect(waiting + "/takedown.db") as db:
    db.execute("DROP TRIGGER decisions_keep")
    for table in ("decisions", "cases", "referrals", "users"):
        db.execute("DELETE FROM " + table)
"""


def letter(docx: Path, folder: Path) -> None:
    """The letter's pages, as LibreOffice sets them with the faces of this machine."""
    subprocess.run(
        ["soffice", "--headless", "--convert-to", "pdf", "--outdir", folder, docx],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(["pdftoppm", "-r", "72", "-png", folder / "letter.pdf", folder / "letter"], check=True)
    shutil.copy(min(folder.glob("letter-*.png")), PICTURES / "letter-1.png")


def desk(home: Path) -> None:
    """The queue and a case, at the size of a small office screen."""
    with Store(home) as store:
        user = accounts.create(store, "demo-jia", "演示员甲", "reviewer", PASSWORD, demo=True)
        flow.fill(store, 0.5)
        case = max(store.cases(State.OPEN), key=lambda c: (c.target.kind == "app", c.score))
        flow.claim(store, case.id, user)
    server = uvicorn.Server(uvicorn.Config(create_app(home, 0.5), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--disable-gpu", *sandbox_arguments()]
        )
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(f"http://127.0.0.1:{port}/login")
        page.fill("input[name=name]", "demo-jia")
        page.fill("input[type=password]", PASSWORD)
        with page.expect_navigation():
            page.keyboard.press("Enter")
        page.screenshot(path=PICTURES / "queue.png")
        page.goto(f"http://127.0.0.1:{port}/cases/{case.id}")
        page.screenshot(path=PICTURES / "desk.png")
        browser.close()
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    main()
