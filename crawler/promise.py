"""How promising a link is: the page it stands on, the words it is made of, and the marks of a referral."""

from __future__ import annotations

import re

from crawler.extract import Anchor

# Words of links that lead on to the business, and of those that lead away from it; by trial on the demonstration web.
_ONWARD = re.compile(
    r"注册|註冊|开户|下载|下載|安装|邀请|邀請|备用|備用|最新网址|永久|官网|入口|交易|合约|买币|卖币|法币|出金|兑换|承兑|收u|出u|otc|usdt|空投|跟单|带单|行情|app",
    re.I,
)
_AWAY = re.compile(
    r"关于|联系|隐私|条款|协议|招聘|帮助|登录|上一页|下一页|上一篇|下一篇|首页|about|privacy|terms|login|rss", re.I
)
_REFERRAL = re.compile(r"/join/|/invite|[?&](?:ref|invite_?code|channelid|r|code)=", re.I)


def promise(interest: float, anchor: Anchor) -> float:
    """The link's priority, 0 to about 1.6, from the page's probability of being an offer and the link itself."""
    words = f"{anchor.text} {anchor.url.rpartition('/')[2]}"
    value = interest
    if _REFERRAL.search(anchor.url):
        value += 0.3
    if _ONWARD.search(words):
        value += 0.3
    if _AWAY.search(anchor.text):
        value -= 0.2
    return max(value, 0.0)
