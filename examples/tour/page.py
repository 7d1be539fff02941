"""The page: rendered on the server, served from a port, so from an origin, of its own."""

import asyncio
from contextlib import suppress
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from string import Template

from aiohttp import web

from examples.tour.cards import CARDS, Action, Card, decided_by, explained
from examples.tour.highlight import highlight
from examples.tour.wire import Wire, as_event
from routeguard import Explanation

HERE = Path(__file__).parent
API = web.AppKey("api", web.Application)
API_ORIGIN = web.AppKey("api_origin", str)
WIRE = web.AppKey("wire", Wire)


def template(name: str) -> Template:
    return Template((HERE / "templates" / name).read_text("utf-8"))


async def index(request: web.Request) -> web.Response:
    api_origin = request.app[API_ORIGIN]
    origin = str(request.url.origin())
    text = template("page.html").substitute(
        api=escape(api_origin),
        page=escape(origin),
        cards="\n".join(card_html(card, request.app[API], origin) for card in CARDS),
        links="\n".join(f'<li><a href="#{card.name}">{card.name}</a></li>' for card in CARDS),
        version=escape(installed_version()),
    )
    # Any port of this machine: a card has a server of its own started, to be stopped.
    servers = "http://127.0.0.1:* ws://127.0.0.1:*"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src 'self' {api_origin} {servers}; base-uri 'none'; form-action 'none'"
    )
    return web.Response(
        text=text,
        content_type="text/html",
        headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"},
    )


def card_html(card: Card, api: web.Application, origin: str) -> str:
    pairs = [(action, explained(api, action, origin)) for action in card.actions]
    return template("card.html").substitute(
        name=card.name,
        title=escape(card.title),
        text=inline_code(card.text),
        code=highlight(card.code()),
        actions="\n".join(action_html(*pair) for pair in pairs),
        explanations="\n".join(explanation_html(*pair) for pair in pairs),
    )


def action_html(action: Action, explanation: Explanation) -> str:
    return template("action.html").substitute(
        name=action.name,
        label=escape(action.label),
        method=escape(action.method),
        path=escape(action.path),
        policy=escape(decided_by(explanation, action.kind)),
    )


def explanation_html(action: Action, explanation: Explanation) -> str:
    title = f"{action.method} {action.path}"
    return (
        f'<pre tabindex="0" aria-label="The policies of {escape(title)}">'
        f"{escape(str(explanation))}</pre>"
    )


def inline_code(text: str) -> str:
    """Escaped text, with the names that look like decorators or calls set as code."""
    return " ".join(
        f"<code>{escape(word)}</code>"
        if word.startswith("@") or word.endswith(")")
        else escape(word)
        for word in text.split(" ")
    )


def installed_version() -> str:
    try:
        return version("routeguard")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return ""


async def watch(request: web.Request) -> web.StreamResponse:
    """Server-sent events: what the API logs, while the page is open."""
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    )
    await response.prepare(request)
    await response.write(b": watching\n\n")
    async with request.app[WIRE].watched() as events:
        # Without its watcher, aiohttp cancels this; a write may find out first.
        with suppress(ConnectionResetError):
            while (event := await events.get()) is not None:
                await response.write(as_event(event))
    return response


async def hang_up(page: web.Application) -> None:
    page[WIRE].hang_up()
    await asyncio.sleep(0)


def make_page(api: web.Application, api_origin: str, wire: Wire) -> web.Application:
    page = web.Application()
    page[API], page[API_ORIGIN], page[WIRE] = api, api_origin, wire
    page.router.add_get("/", index)
    page.router.add_get("/wire", watch)
    page.router.add_static("/static", HERE / "static")
    page.on_shutdown.append(hang_up)
    return page
