"""What one fetch becomes: a Capture of the page, and of each entry of a directory it holds."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from crawler.frontier import Link
from crawler.identifiers import find_identifiers
from crawler.job import Job
from crawler.reading import Reading
from crawler.render import View
from crawler.targets import Listing, is_package
from data.records import Capture, Hop, Identifier, Target

if TYPE_CHECKING:
    from scrapy.http import Response


def capture_of(
    job: Job, response: Response, link: Link, reading: Reading, view: View | None, visitor: str, why: str,
    targets: tuple[Target, ...] = (),
) -> Capture:  # fmt: skip
    """The capture of an archived response; ``why`` says why it was or was not looked at in a browser.

    The pieces of its view are filled in by the recorder, when they have been written.
    """
    meta = response.meta
    wire = meta["wire"]
    packages = (Identifier("package_link", anchor.url) for anchor in reading.anchors if is_package(anchor.url))
    return Capture(
        id=uuid.uuid4().hex,
        run_id=job.run.id,
        url=link.url,
        final_url=view.final_url if view else response.url,
        hops=tuple(Hop(*hop) for hop in meta.get("hops", [])),
        status=response.status,
        headers=tuple(wire["headers"]),
        fetched_at=meta["fetched_at"],
        seconds=round(float(meta.get("download_latency", 0.0)), 3),
        address=wire["address"],
        dns=wire["dns"],
        tls=wire["tls"],
        fetcher=job.fetcher,
        profile=visitor,
        depth=link.depth,
        referrer=link.referrer,
        payload=meta["piece"],
        dom=None,
        screenshot=None,
        render=why,
        title=reading.title,
        language=reading.language,
        text=reading.text,
        identifiers=(*reading.identifiers, *packages),
        targets=tuple(target.key for target in targets),
        network=wire["network"],
    )


def entry_of(page: Capture, listing: Listing) -> tuple[Capture, tuple[Target, ...]]:
    """An entry of a directory is evidence by itself: the page's pieces, the entry's own text."""
    appid = listing.target.identity.partition(":")[2]
    capture = replace(
        page,
        id=f"{page.id}-{appid}",
        url=f"{page.url}#{appid}",
        title=listing.target.title,
        text=listing.text,
        identifiers=find_identifiers(listing.text),
        targets=(listing.target.key,),
    )
    return capture, (listing.target,)
