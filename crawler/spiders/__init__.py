"""Scrapy's spiders, one module each."""
