"""Crawlee's ParselCrawler over one site, as its documentation has it: ``python handbook_crawlee.py SEEDS CONCURRENCY``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from crawlee import ConcurrencySettings
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext


async def main() -> None:
    most = int(sys.argv[2])
    crawler = ParselCrawler(
        concurrency_settings=ConcurrencySettings(min_concurrency=most, desired_concurrency=most, max_concurrency=most)
    )

    @crawler.router.default_handler
    async def follow(context: ParselCrawlingContext) -> None:
        await context.enqueue_links()

    await crawler.run(Path(sys.argv[1]).read_text().split())


if __name__ == "__main__":
    asyncio.run(main())
