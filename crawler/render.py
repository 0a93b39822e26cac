"""When a page needs a browser, and what the browser makes of it: a clean Chromium profile for every page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import shutil
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Dialog, Page, Playwright, ViewportSize, async_playwright
from playwright.async_api import Error as PlaywrightError
from selectolax.lexbor import LexborHTMLParser

from crawler.egress import Egress
from crawler.proxy import EgressProxy

logger = logging.getLogger(__name__)

# What a page needs before its text can be taken for its own (visible Chinese characters, by trial on the demo web).
ENOUGH_HAN = 60
ENOUGH_LETTERS = 400
SETTLE_SECONDS = 0.4
QUIET_SECONDS = 4.0
LOAD_SECONDS = 20.0
PAGE_SECONDS = 40.0
CLOSE_SECONDS = 3.0
POPUPS = 16
VIEWPORT: ViewportSize = {"width": 1366, "height": 768}
SCREENSHOT_HEIGHT = 12_000
DOM_BYTES = 8_000_000
CHROMIUM_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-default-apps",
    "--no-default-browser-check",
    "--mute-audio",
    "--proxy-bypass-list=<-loopback>",
    "--force-webrtc-ip-handling-policy=disable_non_proxied_udp",
)


class NoBrowser(Exception):
    """No Chromium can be started here; the message says what was tried and how to mend it."""


@dataclass(frozen=True, slots=True)
class View:
    """A page as a browser showed it: its DOM, a full-page PNG, where it ended, and what it said on the way."""

    final_url: str
    dom: str
    screenshot: bytes
    note: str


def needs_browser(markup: str, text: str) -> str:
    """Why the static page does not carry its text, or an empty string when it does."""
    han = len(re.findall(r"[\u4e00-\u9fff]", text))
    letters = len(re.findall(r"\w", text))
    if han >= ENOUGH_HAN or letters >= ENOUGH_LETTERS:
        return ""
    tree = LexborHTMLParser(markup)
    scripts = tree.css("script")
    if any(re.search(r"location\.(href|replace|assign)|window\.location\s*=", s.text() or "") for s in scripts):
        return "脚本跳转"
    if scripts:
        root = tree.css_first("#app, #root, #__next, #main, [data-reactroot], [id*=app]")
        return "空的应用根节点" if root is not None else "文字少而有脚本"
    if tree.css_first("meta[http-equiv=refresh]") is not None:
        return "页面声明跳转"
    if tree.css_first("img, svg, canvas, video, iframe, picture") is not None:
        return "文字少而有图片"
    return ""


def find_chromium() -> str | None:
    """The system's Chromium or Chrome, or ``None`` so that Playwright's own is used."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


class Renderer:
    """A Chromium behind the egress proxy, started when the first page needs it. ``close`` it at the end."""

    def __init__(self, egress: Egress, profile: Mapping[str, Any], slots: int = 2) -> None:
        self.egress = egress
        self.profile = profile
        self.version = ""
        self._slots = asyncio.Semaphore(slots)
        self._starting = asyncio.Lock()
        self._stack = contextlib.AsyncExitStack()
        self._browser: Browser | None = None
        self._driver: Any = None
        self._broken = ""

    async def _start(self) -> Browser:
        async with self._starting:
            if self._broken:
                raise NoBrowser(self._broken)
            if self._browser is not None and self._browser.is_connected():
                return self._browser
            await self._shut()
            proxy = await self._stack.enter_async_context(EgressProxy(self.egress))
            try:
                self._driver = async_playwright()
                playwright: Playwright = await self._stack.enter_async_context(self._driver)
                self._browser = await playwright.chromium.launch(
                    executable_path=find_chromium(),
                    args=[*CHROMIUM_ARGUMENTS, *sandbox_arguments()],
                    proxy={"server": f"http://127.0.0.1:{proxy.port}", "bypass": "<-loopback>"},
                    # Ctrl-C ends the crawl; the pages in hand are finished first, so the browser must not take it.
                    handle_sigint=False,
                    handle_sigterm=False,
                )
            except (PlaywrightError, OSError) as error:
                first = (str(error).strip() or type(error).__name__).splitlines()[0]
                self._broken = f"无法启动 Chromium（{first}）；运行 make setup 或 takedown doctor 查看解决办法"
                raise NoBrowser(self._broken) from error
            self.version = self._browser.version
            return self._browser

    async def view(self, url: str) -> View:
        """Open ``url`` in a clean profile and keep what it shows.

        Raises ``NoBrowser`` when there is no Chromium, ``TimeoutError`` or ``playwright`` errors when the page cannot
        be shown in time. A browser that ends or no longer answers is replaced, and the page is shown by the next one.
        """
        async with self._slots:
            browser = await self._start()
            try:
                return await self._visit(browser, url)
            except PlaywrightError:
                if browser.is_connected():
                    raise
            return await self._visit(await self._start(), url)

    async def _visit(self, browser: Browser, url: str) -> View:
        context: BrowserContext | None = None
        crowded = False

        async def opened(_: Page) -> None:
            nonlocal crowded
            if context is not None and len(context.pages) > POPUPS and not crowded:
                crowded = True
                await _quietly(context.close())

        try:
            async with asyncio.timeout(PAGE_SECONDS):
                context = await browser.new_context(
                    **self.profile, viewport=VIEWPORT, accept_downloads=False, service_workers="block", locale="zh-CN"
                )
                context.on("page", opened)
                return await self._look(await context.new_page(), url)
        except TimeoutError:
            raise TimeoutError(f"{PAGE_SECONDS:g} 秒内未能显示完，已关闭") from None
        except PlaywrightError as error:
            if crowded:
                raise PlaywrightError(f"页面打开了 {POPUPS} 个以上的窗口，已关闭") from error
            if "Target crashed" in str(error):
                raise PlaywrightError("页面使浏览器的进程崩溃") from error
            raise
        finally:
            # A page may have kept the browser so busy that not even this is answered.
            if context is None or not await _quietly(context.close()):
                await self._discard(browser)

    async def _discard(self, browser: Browser) -> None:
        """Do away with a browser that no longer answers: it ends with the driver it is piped to."""
        async with self._starting:
            if browser is self._browser:
                await self._shut()

    async def _shut(self) -> None:
        if self._browser is not None and not await _quietly(self._browser.close()):
            # Playwright has no public way to end a driver that is itself overrun.
            with contextlib.suppress(ProcessLookupError):
                self._driver._client._transport._proc.kill()
        stack, self._stack, self._browser = self._stack, contextlib.AsyncExitStack(), None
        await _quietly(stack.aclose())

    async def _look(self, page: Page, url: str) -> View:
        # A dialog would stop the page for ever; dismissing it is what a visitor does.
        page.on("dialog", _dismiss)
        note = ""
        try:
            await page.goto(url, wait_until="load", timeout=LOAD_SECONDS * 1000)
            await page.wait_for_load_state("networkidle", timeout=QUIET_SECONDS * 1000)
        except PlaywrightError as error:
            if "Timeout" not in type(error).__name__:
                raise
            note = "页面未能静止"
        await page.wait_for_timeout(SETTLE_SECONDS * 1000)
        if why := self.egress.refused.get(urlsplit(page.url).hostname or ""):
            # What the browser shows is the proxy's own refusal, which no server ever said.
            raise PlaywrightError(why)
        if not page.url.startswith(("http:", "https:")):
            raise PlaywrightError(f"浏览器停在 {page.url.partition('?')[0][:80]}")
        dom = await page.content()
        height = await page.evaluate("Math.max(document.documentElement.scrollHeight, innerHeight)")
        clip = {"x": 0, "y": 0, "width": VIEWPORT["width"], "height": min(int(height), SCREENSHOT_HEIGHT)}
        screenshot = await page.screenshot(full_page=True, clip=clip, animations="disabled", timeout=15_000)  # type: ignore[arg-type]
        if height > SCREENSHOT_HEIGHT:
            note = f"截图止于 {SCREENSHOT_HEIGHT} 像素，全页共 {int(height)} 像素"
        return View(page.url, dom.encode("utf-8", "replace")[:DOM_BYTES].decode("utf-8", "ignore"), screenshot, note)

    async def close(self) -> None:
        """End the browser, however busy it is."""
        async with self._starting:
            await self._shut()


async def _dismiss(dialog: Dialog) -> None:
    await _quietly(dialog.dismiss())


async def _quietly(ending: Awaitable[None]) -> bool:
    """Whether something ended in time; how it failed otherwise is of no interest any more."""
    try:
        await asyncio.wait_for(ending, CLOSE_SECONDS)
    except (PlaywrightError, TimeoutError):
        return False
    except Exception:
        logger.debug("an ending failed", exc_info=True)
        return False
    return True


def sandbox_arguments() -> list[str]:
    """Chromium's own sandbox cannot run as root; everywhere else it stays on."""
    return ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
