"""Scrapy's settings for this project. What differs from run to run is added by ``crawler.crawl``."""

BOT_NAME = "takedown"
SPIDER_MODULES = ["crawler.spiders"]
NEWSPIDER_MODULE = "crawler.spiders"

TWISTED_REACTOR = "twisted.internet.asyncioreactor.AsyncioSelectorReactor"
ASYNCIO_EVENT_LOOP = "uvloop.Loop"
SCHEDULER = "crawler.scheduler.FrontierScheduler"
DOWNLOAD_HANDLERS = {
    "http": "crawler.downloader.EgressDownloadHandler",
    "https": "crawler.downloader.EgressDownloadHandler",
    # No other way out.
    "data": None,
    "file": None,
    "ftp": None,
    "s3": None,
}
# 900: nearer to the network than HttpCompression (590), Redirect (600).
DOWNLOADER_MIDDLEWARES = {
    "crawler.middlewares.ArchiveMiddleware": 900,
    "crawler.middlewares.DecodingMiddleware": 590,
    "crawler.robots.RobotsMiddleware": 100,
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "crawler.middlewares.RefreshMiddleware": 580,
    "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware": None,
    "scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware": None,
    # The frontier decides what is asked for, and no page asks for a password it is given.
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,
    "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware": None,
}
# They work on what a page yields to Scrapy: nothing; its links go to the frontier.
SPIDER_MIDDLEWARES = {
    # A refusal is evidence too (of cloaking, of a closed site): every status reaches the spider.
    "scrapy.spidermiddlewares.httperror.HttpErrorMiddleware": None,
    "scrapy.spidermiddlewares.referer.RefererMiddleware": None,
    "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware": None,
    "scrapy.spidermiddlewares.depth.DepthMiddleware": None,
    "scrapy.spidermiddlewares.metacopy.MetaCopyDetectionMiddleware": None,
}
TELNETCONSOLE_ENABLED = False
# Scrapy 2.19 would open an HTTP server on loopback that runs the Python code sent to it.
REMOTE_CONTROL_ENABLED = False
# The run has counts of its own; these would spell out every request and answer once more to weigh them.
DOWNLOADER_STATS = False
# A proxy named in the environment would be a second way out, past the egress policy.
HTTPPROXY_ENABLED = False

ROBOTSTXT_OBEY = True
ROBOTSTXT_USER_AGENT = "takedown"
CONCURRENT_REQUESTS = 32
# A page yields nothing to Scrapy, which would start this many tasks for each one to work on what it yields.
CONCURRENT_ITEMS = 1
CONCURRENT_REQUESTS_PER_DOMAIN = 2
DOWNLOAD_DELAY = 0.25
# The delay is a promise to the server, so nothing random shortens it.
DOWNLOAD_DELAY_JITTER = 0.0
DOWNLOAD_TIMEOUT = 30
# Of a body after content decoding, in bytes; what is kept of one as it comes is in ``crawler.downloader``.
DOWNLOAD_MAXSIZE = 16 * 1024 * 1024
DOWNLOAD_WARNSIZE = 0
# The frontier tries again, later and more slowly, across restarts.
RETRY_ENABLED = False
REDIRECT_MAX_TIMES = 10

LOG_LEVEL = "INFO"
DEFAULT_REQUEST_HEADERS = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    # No br: warcio cannot check a record that is packed with it, and evidence must be checkable by others.
    "Accept-Encoding": "gzip, deflate",
    "Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5",
}
