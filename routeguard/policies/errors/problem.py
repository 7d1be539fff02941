"""`problem_details`: RFC 9457, as JSON for programs and as a page or text for people."""

import asyncio
import html
import json
import logging
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http import HTTPStatus

from aiohttp import hdrs, web

from routeguard.bounded import LONGEST_KEY, Bounded
from routeguard.configuration import Faults, shown
from routeguard.http import is_http_exception
from routeguard.policies.errors.context import (
    AS_TEXT,
    ErrorContext,
    attribute,
    context_of,
    own_status,
)

try:
    import mimeparse  # type: ignore[import-untyped]
except ImportError:  # the extra is not installed: JSON for everyone
    mimeparse = None

__all__ = ["ProblemDetails", "problem_details"]

logger: logging.Logger = logging.getLogger("routeguard.errors")

STANDARD_MEMBERS = ("type", "title", "status", "detail", "instance")
LONGEST_ACCEPT = 2000
KEPT_PREFERENCES = 512
NAMED = 110  # the fitness of a media range without wildcards

PREFERRED: Bounded[str] = Bounded(KEPT_PREFERENCES)
"""By `Accept`: what was chosen. To negotiate takes longer than all the rest of an answer."""

PAGE = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{status} {title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }}
body {{ max-width: 60rem; margin: 4rem auto; padding: 0 1rem }}
h1 small {{ opacity: 0.6; font-weight: normal }}
dt {{ font-weight: 600 }}
pre {{ overflow-x: auto }}
</style>
<h1><small>{status}</small> {title}</h1>
{detail}{members}{trace}
</html>
"""


class ProblemDetails:
    """An error handler that answers with RFC 9457 problem details.

    The body has `type`, `title`, `status`, `instance` (the request's path) and, where there is
    something to say, `detail`; an error's `data` adds extension members. `Accept` decides between
    `application/problem+json`, HTML and plain text, with quality values (RFC 9110, section
    12.5.1); that takes the extra `routeguard[negotiation]`, without which all get JSON.

    Outside the event loop's debug mode, text and data are shown only of deliberate errors: an
    `HTTPException`, or an exception with a valid `status` of its own. In debug mode everything
    is, with the traceback. Answers of 500 and more carry `Cache-Control: no-store`.

    Args:
        types: URI references for the `type` member by exception class; the most specific class
            in the MRO counts, `about:blank` where none is given. Default: none.

    Raises:
        ConfigError: `types` is no mapping from exception classes to URI references.
    """

    def __init__(self, *, types: Mapping[type[Exception], str] | None = None) -> None:
        faults = Faults("ProblemDetails(...)")
        if types is not None and not isinstance(types, Mapping):
            faults.add(f"types={shown(types)} is no mapping: write types={{KeyError: 'https://…'}}")
            types = None
        for error, uri in (types or {}).items():
            if not (isinstance(error, type) and issubclass(error, Exception)):
                faults.add(f"types: {shown(error)} is no exception type")
            if not isinstance(uri, str) or not uri or not uri.isascii() or " " in uri:
                faults.add(f"types: {shown(uri)} is no URI reference: write 'https://…'")
        faults.raise_any()
        self._types = dict(types or {})

    def __repr__(self) -> str:
        if not self._types:
            return "problem_details"
        given = ", ".join(f"{error.__name__}: {uri!r}" for error, uri in self._types.items())
        return f"ProblemDetails(types={{{given}}})"

    async def __call__(self, request: web.Request) -> web.Response:
        """Answers the error that `error_context` knows, in the form that the client prefers."""
        debug = asyncio.get_running_loop().get_debug()
        context = context_of(request)
        problem = self.problem(request, context, debug=debug)
        trace = "".join(traceback.format_exception(context.err)) if debug else ""
        match _preferred(request):
            case "text/html":
                body, content_type = _as_html(problem, trace), "text/html"
            case "text/plain":
                body, content_type = _as_text(problem, trace), "text/plain"
            case _:
                body = AS_TEXT(problem)
                content_type = "application/problem+json"
        if content_type != "application/problem+json":  # which defines no charset
            content_type += "; charset=utf-8"
        response = web.Response(
            # Bytes of a request that are no text may be quoted in an error.
            body=body.encode("utf-8", "backslashreplace"),
            status=context.status,
            headers={hdrs.CONTENT_TYPE: content_type},
        )
        response.headers[hdrs.VARY] = hdrs.ACCEPT
        if context.status >= 500:
            response.headers[hdrs.CACHE_CONTROL] = "no-store"
        return response

    def problem(
        self, request: web.Request, context: ErrorContext, *, debug: bool
    ) -> dict[str, object]:
        """The members of the problem details object; override it to add some.

        Args:
            request: the request that failed.
            context: the error.
            debug: whether the text of unexpected errors may be shown.

        Returns:
            The members, as JSON knows them.
        """
        err = context.err
        phrase = _phrase(context.status)
        problem: dict[str, object] = {
            "type": next(
                (self._types[one] for one in type(err).__mro__ if one in self._types),
                "about:blank",
            ),
            "title": phrase,
            "status": context.status,
            "instance": request.rel_url.raw_path,
        }
        if debug or is_http_exception(err) or own_status(err) is not None:
            if (detail := _detail(context, phrase)) is not None:
                problem["detail"] = detail
            if isinstance(attribute(err, "data"), Mapping):
                problem |= {
                    name: value
                    for name, value in context.data.items()
                    if name not in STANDARD_MEMBERS or (name != "status" and isinstance(value, str))
                }
        return problem


problem_details: ProblemDetails = ProblemDetails()
"""Answers errors with RFC 9457 problem details; see `ProblemDetails`."""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Error" if status < 500 else "Server Error"


def _detail(context: ErrorContext, phrase: str) -> str | None:
    """What there is to say beyond the status; aiohttp's own texts only repeat it."""
    err = context.err
    if not is_http_exception(err):
        return context.message or None
    text = err.text  # decoded each time
    usual = f"{err.status}: {err.reason}"
    if text is not None and text != usual and err.content_type == "text/plain":
        return text
    return err.reason if err.reason and err.reason != phrase else None


def _preferred(request: web.Request) -> str:
    accept = ", ".join(request.headers.getall(hdrs.ACCEPT, ()))
    if not accept or len(accept) > LONGEST_ACCEPT:
        return "application/problem+json"
    if mimeparse is None:
        if "text/" in accept:
            _say_once()
        return "application/problem+json"
    preferred = PREFERRED.get(accept)
    if preferred is None:
        preferred = _negotiated(accept)
        if len(accept) <= LONGEST_KEY:
            PREFERRED.put(accept, preferred)
    return preferred


def _negotiated(accept: str) -> str:
    ranges = []
    for text in accept.lower().split(","):
        with suppress(ValueError):  # what is no media range says nothing
            ranges.append(mimeparse.parse_media_range(text.strip()))

    def weight(media_type: str) -> tuple[float, float]:
        quality, fitness = mimeparse.quality_and_fitness_parsed(media_type, ranges)
        return fitness, quality

    fitness, as_json = weight("application/problem+json")
    if fitness < NAMED:
        # Whoever asks for JSON without naming this kind of it takes this kind.
        as_json = max(as_json, weight("application/json")[1])
    # What is asked for equally much goes to the first.
    offers = {
        "application/problem+json": as_json,
        "text/html": weight("text/html")[1],
        "text/plain": weight("text/plain")[1],
    }
    return max(offers, key=lambda offer: offers[offer])


_said: list[bool] = []


def _say_once() -> None:
    if not _said:
        _said.append(True)
        logger.warning(
            "problem_details answers JSON though a client prefers text or a page: "
            "install routeguard[negotiation]"
        )


def _as_html(problem: Mapping[str, object], trace: str) -> str:
    escape = partial(html.escape, quote=True)
    shown_members = {name: value for name, value in problem.items() if name not in STANDARD_MEMBERS}
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(_member(value))}</dd>"
        for name, value in shown_members.items()
    )
    detail = problem.get("detail")
    return PAGE.format(
        status=problem["status"],
        title=escape(str(problem["title"])),
        detail="" if detail is None else f"<p>{escape(str(detail))}</p>\n",
        members=f"<dl>{rows}</dl>\n" if rows else "",
        trace=f"<pre>{escape(trace)}</pre>" if trace else "",
    )


def _as_text(problem: Mapping[str, object], trace: str) -> str:
    lines = [f"{problem['status']} {problem['title']}"]
    if (detail := problem.get("detail")) is not None:
        lines.append(str(detail))
    lines += [
        f"{name}: {_member(value)}"
        for name, value in problem.items()
        if name not in STANDARD_MEMBERS
    ]
    return "\n".join(lines) + "\n" + (f"\n{trace}" if trace else "")


def _member(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)
