"""A plain Scrapy crawl with JOBDIR, as Scrapy's documentation has it: writes each parsed URL to ``-a out=FILE``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor


class JobdirSpider(scrapy.Spider):
    name = "jobdir"
    links = LinkExtractor()

    def __init__(self, hosts: str, port: str, out: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = [f"http://127.0.0.1:{port}/h{host}/p0" for host in range(int(hosts))]
        self.out = Path(out)

    def parse(self, response: Response, **_: Any) -> Iterator[scrapy.Request]:
        with self.out.open("a") as stream:
            stream.write(response.url + "\n")
        for link in self.links.extract_links(response):
            yield scrapy.Request(link.url)
