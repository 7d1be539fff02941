"""A resource without routes: it stands in an application's router for what the router tells it."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web
from yarl import URL

__all__ = ["RoutelessResource"]


class RoutelessResource(web.AbstractResource):
    """All that aiohttp asks of a resource, for one that nobody can ask for a route or a URL."""

    def add_prefix(self, prefix: str) -> None:
        pass

    def url_for(self, **kwargs: str) -> URL:
        raise RuntimeError("a resource without routes has no URL")

    async def resolve(
        self, request: web.Request
    ) -> "tuple[web.UrlMappingMatchInfo | None, set[str]]":
        return None, set()

    def get_info(self) -> Any:
        return {}

    def raw_match(self, path: str) -> bool:
        return False

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(())

    def __len__(self) -> int:
        return 0
