"""Bare Scrapy over one site, as its documentation has it: follows the links that LinkExtractor finds, keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import scrapy
from scrapy.http import Response
from scrapy.linkextractors import LinkExtractor


class HandbookSpider(scrapy.Spider):
    name = "handbook"
    allowed_domains = ("127.0.0.1",)
    links = LinkExtractor()

    def __init__(self, seeds: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start_urls = Path(seeds).read_text().split()

    def parse(self, response: Response, **_: Any) -> Iterator[scrapy.Request]:
        for link in self.links.extract_links(response):
            yield scrapy.Request(link.url)
