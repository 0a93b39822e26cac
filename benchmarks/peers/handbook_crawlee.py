"""Crawlee's ParselCrawler over one site, as its documentation has it: ``python handbook_crawlee.py SEEDS CONCURRENCY``.

It keeps its queue in memory: with its own default, on disk, it is several times slower.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from crawlee import ConcurrencySettings
from crawlee.crawlers import ParselCrawler, ParselCrawlingContext
from crawlee.storage_clients import MemoryStorageClient


async def main() -> None:
    at_once = int(sys.argv[2])
    crawler = ParselCrawler(
        storage_client=MemoryStorageClient(),
        concurrency_settings=ConcurrencySettings(
            min_concurrency=at_once, desired_concurrency=at_once, max_concurrency=at_once
        ),
    )

    @crawler.router.default_handler
    async def follow(context: ParselCrawlingContext) -> None:
        await context.enqueue_links()

    await crawler.run(Path(sys.argv[1]).read_text().split())


if __name__ == "__main__":
    asyncio.run(main())
