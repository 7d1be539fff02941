"""The exchanged class of the request."""

from types import CodeType
from typing import TypedDict, TypeGuard

from aiohttp import StreamReader, hdrs, web
from multidict import MultiDict, MultiDictProxy
from yarl import URL

__all__ = [
    "GuardedRequest",
    "UnguardedError",
    "change_request",
    "client_max_size",
    "close_after_answer",
    "close_files",
    "guard_request",
    "hold_files",
    "is_form_with_files",
    "is_served",
    "length_of_body",
]


FORM = "multipart/form-data"
POST: CodeType = web.BaseRequest.post.__code__

REFUSED_AT_THE_LIMIT: int = 0 if hasattr(StreamReader, "set_read_chunk_size") else 1
"""Bytes: aiohttp before 3.14 refuses a body that is exactly as large as it may be."""


class UnguardedError(RuntimeError):
    """aiohttp made an object of a class that routeguard does not know how to guard.

    `probe` keeps an application from starting where that is so. Whatever replaces aiohttp's
    objects later is found out here, before anything is served unguarded.
    """

    def __init__(self, made: object, does: str) -> None:
        super().__init__(
            f"{does} a {type(made).__module__}.{type(made).__qualname__}, which routeguard cannot "
            "guard: leave aiohttp's own in its place"
        )


class _Changes(TypedDict, total=False):
    scheme: str
    host: str
    remote: str


class GuardedRequest(web.Request):
    """A request whose scheme, host and address can change, and whose files can be held open."""

    ATTRS = web.Request.ATTRS | {"_changes", "_holds_files"}  # what may be set in Python's dev mode

    _changes: _Changes | None = None
    _holds_files: bool = False

    def clone(self, **given: object) -> "GuardedRequest":
        """A copy, as aiohttp makes it, that keeps the scheme, host and address of this request."""
        changes = _Changes(**(self._changes or {}))
        for name in ("scheme", "host", "remote"):
            if isinstance(one := given.get(name), str):
                changes[name] = one
                del given[name]
        copy: GuardedRequest = super().clone(**given)  # type: ignore[arg-type,assignment]
        copy.change(changes)
        return copy

    def change(self, changes: _Changes) -> None:
        """Changes scheme, host and address, and whatever aiohttp has kept that is made of them."""
        before = self._changes
        self._changes = changes if before is None else _Changes(**{**before, **changes})
        _change(self, changes)

    async def post(self) -> "MultiDictProxy[str | bytes | bytearray | web.FileField]":
        """As aiohttp's, which leaves files open where it fails."""
        try:
            return await super().post()
        except BaseException as error:
            _close_files_of(error)
            raise

    def hold_files(self) -> None:
        """Keeps the files of a form open when the request has been answered."""
        self._holds_files = True

    def close_files(self) -> None:
        """Closes the files of a form that were held open."""
        if self._holds_files:
            self._holds_files = False
            super()._finish()

    def _finish(self) -> None:
        if not self._holds_files:
            super()._finish()


def _close_files_of(error: BaseException) -> None:
    """Closes the files that aiohttp's `post` had made before it failed."""
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code is POST:
            known = step.tb_frame.f_locals
            form, last = known.get("out"), known.get("tmp")
            fields = form.values() if isinstance(form, MultiDict) else ()
            for file in [*(one.file for one in fields if isinstance(one, web.FileField)), last]:
                if file is not None:
                    file.close()
        step = step.tb_next


def is_form_with_files(request: web.BaseRequest) -> bool:
    """Whether a form may bring files; the parser of aiohttp's `content_type` takes its time."""
    kind = request.headers.get(hdrs.CONTENT_TYPE, "")
    return kind[:1] in ("m", "M") and kind[: len(FORM)].lower() == FORM


def guard_request(request: web.Request) -> TypeGuard[GuardedRequest]:
    """Exchanges the class of a request that aiohttp made; whether it could."""
    if type(request) is web.Request:
        object.__setattr__(request, "__class__", GuardedRequest)
    return isinstance(request, GuardedRequest)


def change_request(
    request: web.Request,
    *,
    scheme: str | None = None,
    host: str | None = None,
    remote: str | None = None,
) -> web.Request:
    """Gives a request another scheme, host or client address.

    The request that aiohttp made changes in place, also when its body has been read. A request of
    somebody else's class is cloned; the caller hands back what is stored on the clone.

    Args:
        request: the request.
        scheme: `"http"` or `"https"`; as it is, by default.
        host: the host, with its port where that is not the scheme's; as it is, by default.
        remote: the client's address; as it is, by default.

    Returns:
        The same request, or its clone.
    """
    changes = _Changes()
    if scheme is not None:
        changes["scheme"] = scheme
    if host is not None:
        changes["host"] = host
    if remote is not None:
        changes["remote"] = remote
    if guard_request(request):
        request.change(changes)
        return request
    # Not `clone(host=…)`, which refuses a port where the target is in absolute form.
    clone = request.clone()
    _change(clone, changes)
    return clone


def _change(request: web.Request, changes: _Changes) -> None:
    """Changes what aiohttp keeps of scheme, host and address, and what it has made of them."""
    cache = request._cache
    cache.update(changes)
    cache.pop("secure", None)
    if not request._message.url.absolute:
        cache.pop("url", None)
        return
    # A target in absolute form (RFC 9112, section 3.2.2) has its URL made beforehand.
    url: URL = cache["url"]
    if "scheme" in changes:
        url = url.with_scheme(changes["scheme"])
    if "host" in changes:
        url = URL.build(
            scheme=url.scheme,
            authority=changes["host"],
            path=url.raw_path,
            query_string=url.raw_query_string,
            encoded=True,
        )
    cache["url"] = url


def client_max_size(max_size: int) -> int:
    """What aiohttp itself is to take for too large, so that it refuses nothing that may come.

    Args:
        max_size: bytes, unpacked.
    """
    return (max_size or 1) + REFUSED_AT_THE_LIMIT


def length_of_body(request: web.Request) -> int | None:
    """How many bytes a handler would read, by `Content-Length`; `None` where that does not tell."""
    return request.content_length if request._message.compression is None else None


def close_after_answer(request: web.BaseRequest) -> None:
    """Has the connection close after the answer, which will say so.

    Args:
        request: the request, or a clone of the one that aiohttp is going to answer.
    """
    answered = getattr(request.protocol, "_current_request", None)
    for one in (request, answered):
        if isinstance(one, web.BaseRequest):
            one._cache["keep_alive"] = False


def is_served(request: web.BaseRequest) -> bool:
    """Whether a server has received a request; a test may have mocked it instead."""
    return isinstance(request.protocol, web.RequestHandler)


def hold_files(request: web.Request) -> None:
    """Keeps aiohttp from closing the files of a form as soon as the request is answered."""
    if isinstance(request, GuardedRequest):
        request.hold_files()


def close_files(request: web.Request) -> None:
    """Closes the files that were held."""
    if isinstance(request, GuardedRequest):
        request.close_files()
