"""Texts nobody writes and everybody meets: whatever judges texts must answer them."""

from __future__ import annotations

ODD = [
    "",
    " \n\t ",
    "🔥🚀🎁" * 50,
    "合约" * 2_500_000,
    "The quick brown fox jumps over the lazy dog. " * 20,
    "暗号資産の取引所についてのお知らせです。" * 10,
    "一句话。",
    "合约\ud800交易\udfff所，请注册并填写邀请码领取手续费返佣",
    bytes(range(256)).decode("latin-1") * 20,
    "<html><body>" + "<div>" * 5000 + "注册",
]
