"""Collect: fetch pages and files as evidence, and read from them what names a target. Writes ``Capture`` records."""
