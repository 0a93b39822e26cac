"""What an office sets for itself, in one file of its home folder: ``config.yml``. Everything has a sound default."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError

NAME = "config.yml"


class ConfigError(Exception):
    """The configuration is not as it should be; the message names the place and the fault."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Issuer(_Section):
    """Who sends the letters: 发文机关, its document code (机关代字), and who answers questions."""

    name: str = Field(min_length=1)
    code: str = Field(min_length=1)
    contact: str = ""
    phone: str = ""


class Network(_Section):
    """``allow``: address ranges the crawler may reach although they are not public."""

    allow: tuple[IPvAnyNetwork, ...] = ()


class Crawl(_Section):
    """``delay``: seconds between two requests to one host; ``per_host``: requests it has at once; ``timeout``: seconds spent on one answer at most."""

    delay: float = Field(default=0.25, ge=0, le=3600)
    per_host: int = Field(default=2, ge=1, le=32)
    timeout: float = Field(default=30.0, ge=1, le=600)


class Config(_Section):
    issuer: Issuer | None = None
    network: Network = Network()
    crawl: Crawl = Crawl()

    @property
    def allowed(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        return tuple(self.network.allow)


def load(home: Path) -> Config:
    """Read ``config.yml`` of the home, or the defaults when there is none. Raises ``ConfigError``."""
    path = home / NAME
    try:
        content = yaml.safe_load(path.read_text("utf8")) if path.exists() else {}
        return Config.model_validate(content or {})
    except ValidationError as error:
        fault = error.errors()[0]
        raise ConfigError(f"{path} 中的 {'.'.join(map(str, fault['loc']))} 有误：{fault['msg']}。") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"无法读取 {path}（{error}）。") from error
