"""What a browser makes of a page: a clean Chromium profile for every page."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
from base64 import b64decode
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    CDPSession,
    Dialog,
    Frame,
    Page,
    Playwright,
    async_playwright,
)
from playwright.async_api import Error as PlaywrightError

from crawler.archive import Loaded
from crawler.egress import Egress
from crawler.profiles import browser_options
from crawler.proxy import EgressProxy
from crawler.reading import Shown
from crawler.subresources import Witness
from data.facts import Profile

logger = logging.getLogger(__name__)

AHEAD_SECONDS = 3.0
ROUNDS = 3
SETTLE_SECONDS = 0.4
QUIET_SECONDS = 4.0
LOAD_SECONDS = 20.0
PAGE_SECONDS = 40.0
CLOSE_SECONDS = 3.0
POPUPS = 16
SCREENSHOT_HEIGHT = 12_000
FRAMES, FRAME_SECONDS = 8, 2.0
DOM_BYTES = 8_000_000
# Chromium heeds only the last such list, so Playwright's own is said again where it matters: nothing is asked of its
# maker, HTTP stays HTTP. The last line spares what a fresh profile starts for a window that nobody sees.
DISABLED_FEATURES = (
    "Translate,MediaRouter,OptimizationHints,LensOverlay,AimEnabled,NetworkTimeServiceQuerying,PreconnectToSearch,"
    "HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,PaintHolding,DestroyProfileOnBrowserClose,"
    "SpareRendererForSitePerProcess,PreloadTopChromeWebUI,InitialWebUI,WebUIReloadButton,WebUIToolbar"
)
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
    f"--disable-features={DISABLED_FEATURES}",
)


class NoBrowser(Exception):
    """No Chromium can be started here; the message says what was tried and how to mend it."""


@dataclass(frozen=True, slots=True)
class View:
    """A page as a browser showed it: its DOM, followed by those of its frames, a full-page PNG, where it ended, what
    is to be said of that, and everything it loaded on the way."""

    final_url: str
    dom: str
    screenshot: bytes
    note: str
    loaded: Loaded

    @property
    def shown(self) -> Shown:
        """What is read of it: the DOM, the screenshot, and the pictures it loaded."""
        pictures = tuple(
            exchange.body
            for exchange in self.loaded.exchanges
            if isinstance(exchange.body, bytes)
            and any(name.lower() == "content-type" and value.startswith("image/") for name, value in exchange.received)
        )
        return Shown(self.dom, self.final_url, self.screenshot, pictures)


def find_chromium() -> str | None:
    """The system's Chromium or Chrome, or ``None`` so that Playwright's own is used.

    First the build without a window, where there is one: it shows a page in a third of the time (``docs/benchmarks.md``).
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for path in map(shutil.which, names) if path), None)


class Renderer:
    """A Chromium behind the egress proxy, started when the first page needs it. ``close`` it at the end."""

    def __init__(self, egress: Egress, profile: Profile, slots: int = 2) -> None:
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

    async def view(self, url: str, visitor: Profile | None = None) -> View:
        """Open ``url`` in a clean profile, as a visitor (the renderer's own unless another is named); keep what it shows.

        Raises ``NoBrowser`` when there is no Chromium, ``TimeoutError`` or ``playwright`` errors when the page cannot
        be shown in time. A browser that ends or no longer answers is replaced, and the page is shown by the next one.
        """
        async with self._slots:
            browser = await self._start()
            try:
                return await self._visit(browser, url, visitor or self.profile)
            except PlaywrightError:
                if browser.is_connected():
                    raise
            return await self._visit(await self._start(), url, visitor or self.profile)

    async def _visit(self, browser: Browser, url: str, visitor: Profile) -> View:
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
                    **browser_options(visitor), accept_downloads=False, service_workers="block", locale="zh-CN"
                )
                context.on("page", opened)
                return await self._look(await context.new_page(), url, visitor)
        except TimeoutError:
            raise TimeoutError(f"{PAGE_SECONDS:g} 秒内未能显示完，已关闭") from None
        except PlaywrightError as error:
            if crowded:
                raise PlaywrightError(f"页面打开了 {POPUPS} 个以上的窗口，已关闭") from error
            if any(what in str(error) for what in ("Target crashed", "Page crashed")):
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

    async def _look(self, page: Page, url: str, visitor: Profile) -> View:
        witness = Witness(page, self.egress)
        # A dialog would stop the page for ever; dismissing it is what a visitor does.
        page.on("dialog", _dismiss)
        session = await page.context.new_cdp_session(page)
        note = await _settle(page, session, url, visitor.referer)
        if why := self.egress.refused.get(urlsplit(page.url).hostname or ""):
            # What the browser shows is the proxy's own refusal, which no server ever said.
            raise PlaywrightError(why)
        if not page.url.startswith(("http:", "https:")):
            raise PlaywrightError(f"浏览器停在 {page.url.partition('?')[0][:80]}")
        # Asked of the browser and not of the page, whose scripts could answer what they like.
        root = (await session.send("DOM.getDocument", {"depth": 0}))["root"]["nodeId"]
        whole = (await session.send("DOM.getOuterHTML", {"nodeId": root}))["outerHTML"]
        dom = whole + "".join([await _framed(frame) for frame in page.frames[1 : FRAMES + 1]])
        height = int((await session.send("Page.getLayoutMetrics"))["cssContentSize"]["height"])
        width, shown = visitor.viewport.width, min(max(height, visitor.viewport.height), SCREENSHOT_HEIGHT)
        shot = {
            "format": "png",
            "captureBeyondViewport": True,
            "optimizeForSpeed": True,  # of the compression; the picture is the same
            "clip": {"x": 0, "y": 0, "width": width, "height": shown, "scale": 1},
        }
        screenshot = b64decode((await session.send("Page.captureScreenshot", shot))["data"])
        if height > SCREENSHOT_HEIGHT:
            note = f"截图止于 {SCREENSHOT_HEIGHT} 像素，全页共 {height} 像素"
        dom = dom.encode("utf-8", "replace")[:DOM_BYTES].decode("utf-8", "ignore")
        return View(page.url, dom, screenshot, note, await witness.loaded())

    async def close(self) -> None:
        """End the browser, however busy it is."""
        async with self._starting:
            await self._shut()


async def _settle(page: Page, session: CDPSession, url: str, referer: str) -> str:
    """Open ``url`` and let it come to rest; returns a note when it does not.

    The page's clock is run ahead (Chromium's virtual time, which stands still while an answer is awaited) instead of
    being waited for: what its timers do within ``AHEAD_SECONDS`` is done in a moment. Sockets, workers and frames of
    other sites live outside that clock and are waited for.
    """
    apart: list[object] = []
    page.on("websocket", lambda socket: apart.append(socket))
    page.on("worker", lambda worker: apart.append(worker))
    ahead = asyncio.Event()
    session.on("Emulation.virtualTimeBudgetExpired", lambda _: ahead.set())
    try:
        await page.goto(url, wait_until="load", timeout=LOAD_SECONDS * 1000, referer=referer or None)
        known = None
        for _ in range(ROUNDS):
            state = (page.url, len(apart), sum(map(_foreign, page.frames)))
            if state == known:
                break
            if state[1:] != (0, 0):
                await page.wait_for_load_state("networkidle", timeout=QUIET_SECONDS * 1000)
                await page.wait_for_timeout(SETTLE_SECONDS * 1000)
            known = state
            ahead.clear()
            clock = {"policy": "pauseIfNetworkFetchesPending", "budget": AHEAD_SECONDS * 1000}
            await session.send("Emulation.setVirtualTimePolicy", clock)
            await asyncio.wait_for(ahead.wait(), QUIET_SECONDS)
            await page.wait_for_load_state("load", timeout=LOAD_SECONDS * 1000)
    except (PlaywrightError, TimeoutError) as error:
        if "Timeout" not in type(error).__name__:
            raise
        # Some answer never comes: go on without it.
        ahead.clear()
        await session.send("Emulation.setVirtualTimePolicy", {"policy": "advance", "budget": AHEAD_SECONDS * 1000})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ahead.wait(), SETTLE_SECONDS)
        return "页面未能静止"
    return ""


def _foreign(frame: Frame) -> bool:
    return urlsplit(frame.url).hostname not in (None, urlsplit(frame.page.url).hostname)


async def _framed(frame: Frame) -> str:
    """What a frame shows, to follow the page it stands in; its links made absolute."""
    # Only of a page: the egress proxy refuses in plain text, which no server ever said.
    script = """() => {
      for (const a of document.querySelectorAll('a[href]')) a.setAttribute('href', a.href);
      return document.contentType.includes('html') && document.body ? document.body.outerHTML : '';
    }"""
    try:
        inner = await asyncio.wait_for(frame.evaluate(script), FRAME_SECONDS)
    except (PlaywrightError, TimeoutError):
        return ""
    return f"\n<!-- 框架 {frame.url.replace('--', '%2D%2D').replace('>', '%3E')} -->\n{inner}" if inner else ""


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
