"""What went wrong with an exchange, in words: why nothing came back, or what is to be said of what did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from scrapy.exceptions import (
    CannotResolveHostError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    ResponseDataLossError,
)

from crawler.downloader import GivenUp
from data.store import now

# Worth another try later; a name that does not resolve, or an answer that is not HTTP, will not change.
TRANSIENT = (DownloadConnectionRefusedError, DownloadFailedError, DownloadTimeoutError, ResponseDataLossError)
_CUT = {
    "length": "内容超过大小上限，只保存了前 {size} 字节",
    "time": "内容在时限内没有传完，只保存了前 {size} 字节",
    "disconnect": "服务器中途断开，只保存了前 {size} 字节",
}


def transient(error: BaseException | None) -> bool:
    """Whether the same request may well be answered a little later."""
    if isinstance(error, GivenUp) or isinstance(
        error and error.__cause__, (aiohttp.ClientSSLError, aiohttp.ClientResponseError)
    ):
        return False
    return isinstance(error, TRANSIENT)


def reason_of(error: BaseException | None) -> str:
    """Why nothing came back; the exception's own text follows for whoever has to look closer."""
    cause = error and error.__cause__
    if isinstance(cause, aiohttp.ClientSSLError):
        words = "加密连接无法建立"
    elif isinstance(cause, aiohttp.ClientResponseError):
        words = "应答不合 HTTP 规范"
    else:
        known = {
            GivenUp: "主机连续无法连接，未再尝试",
            CannotResolveHostError: "主机名无法解析",
            DownloadTimeoutError: "等待超时",
            ResponseDataLossError: "内容未传完就中断",
            DownloadConnectionRefusedError: "无法建立连接",
            DownloadFailedError: "传输失败",
        }
        words = next((zh for kind, zh in known.items() if isinstance(error, kind)), "未能采集")
    return f"{words}（{type(error).__name__}: {error}）"


def remarks(wire: Mapping[str, Any], size: int) -> Iterator[str]:
    """What a reader of the evidence has to know: a body cut off after ``size`` bytes, a certificate a browser would refuse."""
    if wire.get("truncated"):
        yield _CUT[wire["truncated"]].format(size=size)
    if wire["network"].distrust:
        yield wire["network"].distrust


def retry_after(header: bytes | None) -> float:
    """Seconds that a server asks to be left alone (RFC 9110, 10.2.3: seconds or a date); 0 when it does not say."""
    text = (header or b"").decode("latin-1").strip()
    if text.isdigit():
        return float(text)
    try:
        return max((parsedate_to_datetime(text) - now()).total_seconds(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return 0.0
