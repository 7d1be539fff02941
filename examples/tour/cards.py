"""What the page shows: a card a behaviour, with the routes that it tries."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from aiohttp import web

from examples.tour import api
from routeguard import Explanation, explain


@dataclass(frozen=True, slots=True)
class Action:
    """A button: the request it makes, and the kind of policy that decides about it."""

    name: str
    label: str
    method: str
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Card:
    """One behaviour; `sources` are the functions whose source the card shows."""

    name: str
    title: str
    text: str
    sources: tuple[Callable[..., Any], ...]
    actions: tuple[Action, ...]

    def code(self) -> str:
        return "\n\n".join(
            dedent(inspect.getsource(inspect.unwrap(source))).strip() for source in self.sources
        )


CARDS = (
    Card(
        "shield",
        "A payment that outlives its client",
        "The page sends a payment and hangs up 150 ms later. Under @shield the handler runs to its "
        "end all the same, and the row is there. Its twin without the shield is cancelled, and the "
        "money is lost.",
        (api.pay, api.pay_unshielded, api.take_payment),
        (
            Action("aborted", "Pay and hang up", "POST", "/payments", "shield"),
            Action("lost", "The same without shield", "POST", "/payments/unshielded", "shield"),
        ),
    ),
    Card(
        "timeout",
        "An answer in time",
        "The yearly report would take five seconds. After half a second its handler is cancelled "
        "and the client has its 504; the weekly one is quick enough.",
        (api.report,),
        (
            Action("late", "Yearly report", "GET", "/reports/year", "timeout"),
            Action("early", "Weekly report", "GET", "/reports/week", "timeout"),
        ),
    ),
    Card(
        "allowed",
        "A cross-origin call, admitted",
        "This page comes from another port, so from another origin, and PUT is no simple method: "
        "the browser asks first. The policy of the route that the PUT would reach answers the "
        "preflight, and exposes one header to the page.",
        (api.restock,),
        (Action("admitted", "Restock lamps", "PUT", "/stock/lamp", "cors"),),
    ),
    Card(
        "refused",
        "A cross-origin call, refused",
        "The ledger belongs to another origin. The preflight is refused, so the browser never "
        "sends the PUT, and the handler never runs.",
        (api.book,),
        (Action("refused", "Cook the books", "PUT", "/ledger/2026-01", "cors"),),
    ),
    Card(
        "errors",
        "One exception, two answers",
        "The store raises an exception that knows its status. The fallback answers with problem "
        "details; the older route keeps the plain JSON its clients know.",
        (api.order, api.order_v1),
        (
            Action("problem", "Problem details", "GET", "/orders/4711", "errors"),
            Action("json", "Plain JSON", "GET", "/v1/orders/4711", "errors"),
        ),
    ),
    Card(
        "rule",
        "A rule instead of a decorator",
        "One handler at two addresses, and no decorator. It needs two seconds: the rule lifts the "
        "limit from POST /imports, while the trial run meets the fallback of 1.5 s.",
        (api.import_orders, api.protect),
        (
            Action("import", "Import", "POST", "/imports", "timeout"),
            Action("trial", "Trial run", "POST", "/imports/trial", "timeout"),
        ),
    ),
    Card(
        "stream",
        "A download that outlives the timeout",
        "timeout(1.5) holds for the whole application, and this download takes 2.4 s. Once a "
        "response has started, the limit on its start no longer applies.",
        (api.download,),
        (Action("download", "Download", "GET", "/orders.csv", "timeout"),),
    ),
    Card(
        "socket",
        "A WebSocket that outlives the timeout",
        "The same limit, the same reason: the handshake is the start of the response, and the "
        "socket stays open for as long as both sides like.",
        (api.feed,),
        (Action("listen", "Listen", "GET", "/feed", "timeout"),),
    ),
    Card(
        "deploy",
        "A deploy under open connections",
        "The page has a second server started, opens a price stream and a socket on it, sends a "
        "payment, and has it stopped. Under until_shutdown() the stream ends whole and the socket "
        "with 1001; the shielded payment is answered before the database closes.",
        (api.prices, api.trades),
        (Action("stopped", "Stop a server", "GET", "/prices", "until_shutdown"),),
    ),
    Card(
        "csrf",
        "A foreign page's form",
        "Closing an account needs no preflight, so a foreign page could simply send it. The "
        "browser says where the request comes from, and @csrf() refuses it. That cors lets this "
        "page read the refusal does not make it trusted.",
        (api.close_account,),
        (Action("forged", "Close the account", "POST", "/account/close", "csrf"),),
    ),
    Card(
        "rate",
        "Three quotes in five seconds",
        "The page asks until it is refused. Each answer says how much of the limit remains and for "
        "how long, in the field RateLimit; the refusal says in Retry-After when to come again. The "
        "page counts down, asks once more, and is served.",
        (api.quote,),
        (Action("limited", "Ask until refused", "GET", "/quotes/lamp", "rate_limit"),),
    ),
    Card(
        "queue",
        "Two at a time, two in the queue",
        "Six requests at once. Two have a seat, two wait for one and are served in order; the "
        "others are told at once to come back, with a 503 that the log does not take for an error.",
        (api.thumbnail,),
        (Action("queued", "Six at once", "GET", "/thumbnails/lamp", "concurrency_limit"),),
    ),
    Card(
        "upload",
        "Too much, and too slow",
        "A photo of 300 kB is over the route's limit: the handler does not run, and the page can "
        "read the 413. Then a client that sends one byte every 100 ms, which no page can be. It is "
        "waited for 0.8 s in all, answered with 408, and disconnected.",
        (api.photo,),
        (
            Action("large", "Upload 300 kB", "POST", "/photos", "body"),
            Action("dripped", "Have a client drip", "POST", "/photos", "body"),
        ),
    ),
)


def explained(application: web.Application, action: Action, origin: str) -> Explanation:
    """What routeguard says about the request of `action`, made by a page from `origin`."""
    return explain(application, action.method, action.path, origin=origin)


def decided_by(explanation: Explanation, kind: str) -> str:
    """The policy of that kind which applies, and where it is stated."""
    for one in explanation.kinds:
        for statement in one.considered:
            if one.kind == kind and statement.policy in one.policies:
                return f"{statement.policy!r}: {statement.place}"
    return f"no {kind} applies here"
