"""`python -m routeguard routes` and `explain`: on the tour, and on a shop with forty routes."""

import json
import re
from pathlib import Path

import pytest

from tests.server.command.commandline import (
    SHOP,
    TOUR,
    answer,
    data,
    here,
    rows,
    run,
    stated,
)

# --- routes ---------------------------------------------------------------------------------------


def test_routes_of_the_tour_states_fallbacks_once_and_for_each_route_what_is_nearer() -> None:
    text = answer("routes", TOUR)

    assert text.splitlines()[:6] == [
        "fallbacks",
        "  https()",
        "  cors(['http://127.0.0.1:*', 'http://localhost:*'])",
        "  errors(problem_details)",
        "  timeout(1.5)",
        "",
    ]
    own = "cors(['http://127.0.0.1:*', 'http://localhost:*'])"
    by_route = rows(text)
    assert len(by_route) == 23
    nearer = {name: stated(row) for name, row in by_route.items() if "\n" in row}
    assert (
        nearer
        | {
            "GET /reports/{period}": [("timeout(0.5)", "decorator")],
            "POST /payments": [("shield", "decorator")],
            "PUT /stock/{item}": [
                (f"{own[:-1]}, expose_headers=['X-Pieces'], max_age=0)", "decorator"),
            ],
            "PUT /ledger/{entry}": [("cors(['https://books.example.com'])", "decorator")],
            "GET /v1/orders/{number}": [("errors()", "decorator")],
            "POST /imports": [("timeout(None)", 'rule 1 "POST /imports"')],
            "POST /account/close": [("csrf()", "decorator")],
        }
        == nearer
    )
    assert by_route["GET /orders"].endswith(" examples.tour.api.orders")
    assert text.count("problem_details") == 1
    assert re.fullmatch(r"23 routes; none of them has .*\buse\b.*", text.splitlines()[-1])


@pytest.mark.parametrize("target", [TOUR, SHOP])
def test_a_pipe_gets_everything_without_colour(target: str) -> None:
    text = answer("routes", target)

    assert "\x1b" not in text
    assert "…" not in text
    assert not re.search(r" $", text, re.MULTILINE)
    told = data("routes", target)
    for route in told["routes"]:
        for policy in (one for kind in route["policies"].values() for one in kind["applies"]):
            assert policy in text
    for name, row in rows(text).items():
        assert len(row.splitlines()) - 1 == len(stated(row)), name


def test_routes_shows_every_route_of_the_shop_under_its_application() -> None:
    lines = answer("routes", SHOP).splitlines()

    starts = [i for i, line in enumerate(lines) if re.match(r"([A-Z*]+) +/", line)]
    assert len(starts) == 40
    assert re.match(r"40 routes\b", lines[-1])
    admin, users, domain = map(lines.index, ("/admin", "/admin/users", "host help.example.com"))
    assert admin < users < domain
    assert lines[admin : admin + 4] == ["/admin", "fallbacks", "  csrf()", "  timeout(60)"]
    assert all("/admin/" not in lines[i] for i in starts if i < admin or i > domain)
    assert all(" /admin/" in lines[i] for i in starts if admin < i < users)
    assert all(" /admin/users" in lines[i] for i in starts if users < i < domain)


def test_routes_tells_what_applies_to_each_method_of_a_view() -> None:
    get, post, delete = (
        stated(rows(answer("routes", SHOP))[f"{method} /api/cart"])
        for method in ("GET", "POST", "DELETE")
    )
    assert ("timeout(1)", "view method") in get
    assert ("shield", "view method") in post
    assert ("csrf()", "view class") in delete and "view method" not in dict(delete).values()


def test_routes_says_where_a_route_is_split_by_a_rule() -> None:
    text = answer("routes", SHOP, "--path", "/api/products")

    assert ("split by", 'rule 1 "/api/products/special"') in stated(
        rows(text)["GET /api/products/{id}"]
    )
    assert "see explain" in text


def test_all_shows_for_each_route_all_that_applies_to_it() -> None:
    text = answer("routes", SHOP, "--all")

    assert "fallbacks" not in text
    by_route = rows(text)
    assert stated(by_route["GET /about"]) == [
        ("https(hsts='max-age=31536000')", "fallback"),
        ("errors(problem_details)", "fallback"),
        ("timeout(30)", "fallback"),
    ]
    assert stated(by_route["POST /admin/orders"])[2:] == [
        ("csrf()", "fallback of /admin"),
        ("timeout(60)", "fallback of /admin"),
        ("shield", 'rule 2 "POST /orders" of /admin'),
    ]


def test_only_and_path_narrow_what_is_shown() -> None:
    text = answer("routes", SHOP, "--only", "cors,timeout", "--path", "/api/products")

    told = {name: stated(row) for name, row in rows(text).items()}
    wide = ("cors(['https://*.example.com'], max_age=600)", 'rule 3 "/api/*"')
    split = ("split by", 'rule 1 "/api/products/special"')
    partners = "cors(['https://app.example.com', 'https://*.partners.example.com'])"
    assert told == {
        "GET /api/products": [(partners, "decorator"), ("timeout(30)", "fallback")],
        "GET /api/products/{id}": [split, wide, ("timeout(2)", "decorator")],
        "POST /api/products": [wide, ("timeout(30)", "fallback")],
        "DELETE /api/products/{id}": [
            split,
            ("exempt(cors)", "decorator"),
            ("timeout(30)", "fallback"),
        ],
    }


def test_a_path_is_narrowed_by_whole_segments() -> None:
    assert rows(here("routes", SHOP, "--path", "/api/prod")) == {}
    assert here("routes", SHOP, "--path", "/nowhere") == "no route\n"
    callbacks = {"POST /callback", "POST /callback/later"}
    assert set(rows(here("routes", SHOP, "--path", "/callback/*"))) == callbacks
    assert set(rows(here("routes", SHOP, "--path", "callback"))) == callbacks
    assert rows(here("routes", SHOP, "--path", "/")).keys() == rows(answer("routes", SHOP)).keys()
    users = json.loads(here("routes", SHOP, "--path", "/admin/users/", "--json"))
    assert len(users["routes"]) == 6


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 100, 400])
def test_a_terminal_gets_lines_that_fit_and_nothing_is_cut(columns: int) -> None:
    text = here("routes", SHOP, columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    whole = re.sub(r"\s", "", answer("routes", SHOP))
    assert re.sub(r"\s", "", text) == whole


@pytest.mark.parametrize("columns", [20, 50, 100])
def test_explain_fits_a_terminal_and_nothing_is_cut(columns: int) -> None:
    question = ("explain", SHOP, "DELETE", "/api/products/7", "--origin", "https://a.example.com")
    text = here(*question, columns=columns)

    assert max(map(len, text.splitlines())) <= columns
    assert re.sub(r"\s", "", text) == re.sub(r"\s", "", answer(*question))


def test_routes_as_data() -> None:
    told = data("routes", SHOP)

    kinds = "https cors errors csrf audited timeout shield use".split()
    assert [kind for kind in told["kinds"] if kind in kinds] == kinds
    root, admin = told["applications"]
    assert root["mounts"] == [] and list(root["fallbacks"]) == ["https", "errors", "timeout"]
    assert admin == {
        "mounts": ["/admin"],
        "fallbacks": {"csrf": ["csrf()"], "timeout": ["timeout(60)"]},
    }
    assert len(told["routes"]) == 40
    routes = {(",".join(one["methods"]), one["path"]): one for one in told["routes"]}
    product = routes["GET,HEAD", "/api/products/{id}"]
    assert product["policies"]["timeout"] == {
        "applies": ["timeout(2)"],
        "considered": [
            {"policy": "timeout(2)", "place": "decorator", "verdict": "applies", "status": ""},
            {
                "policy": "timeout(30)",
                "place": "fallback",
                "verdict": "decorator is nearer",
                "status": "",
            },
        ],
        "note": "",
    }
    assert product["split_by"] == ['rule 1 "/api/products/special"']
    assert product["handler"] == "tests.server.command.shop.product"
    assert routes["GET,HEAD", "/static"]["handler"].startswith("files in /")
    assert routes["*", "/api/anything"]["mounts"] == []
    user = routes["DELETE", "/admin/users/{id}"]
    assert (user["mounts"], user["relative_path"]) == (["/admin", "/admin/users"], "/{id}")
    assert user["policies"]["use"]["applies"] == ["use(login)"]
    assert routes["GET,HEAD", "/{topic}"]["mounts"] == ["host help.example.com"]
    quarter = routes["GET,HEAD", "/reports/{year}/{quarter}"]
    assert re.fullmatch(r"/reports/\d{4}/q[1-4]", quarter["example"])


def test_data_is_narrowed_as_the_table_is() -> None:
    told = json.loads(here("routes", SHOP, "--only", "cors", "--path", "/static", "--json"))

    assert told["kinds"] == ["cors"]
    (static,) = told["routes"]
    assert list(static["policies"]) == ["cors"]
    assert static["policies"]["cors"]["applies"] == ["cors('*')"]


# --- explain --------------------------------------------------------------------------------------


def test_explain_on_the_tour() -> None:
    text = answer(
        "explain", TOUR, "put", "/ledger/7", "--origin", "https://evil.example",
        "--header", "X-Forwarded-Proto: https",
    )  # fmt: skip

    assert text.startswith("PUT /ledger/7\n")
    assert "route      /ledger/{entry} -> examples.tour.api.book" in text
    assert re.search(r"cors +cors\(\['https://books.example.com'\]\) +\(decorator\)", text)
    loser = "not cors(['http://127.0.0.1:*', 'http://localhost:*']) (fallback): decorator is nearer"
    assert loser in " ".join(text.split())
    assert "origin     refused: the origin is not allowed" in text
    assert "preflight  403: the origin is not allowed" in text
    assert "scheme     https, if the proxy is among" in text
    assert re.search(r"^  none       (.*, )?csrf, (.*, )?shield, ", text, re.MULTILINE)


def test_explain_by_host_and_as_data() -> None:
    question = ("explain", SHOP, "GET", "/cats", "--json", "--host")
    on_host = json.loads(here(*question, "help.example.com"))
    elsewhere = json.loads(here(*question, "example.com"))

    assert (on_host["route"], on_host["status"]) == ("/{topic}", None)
    assert (elsewhere["route"], elsewhere["status"]) == (None, 404)
    assert on_host["policies"]["timeout"]["applies"] == ["timeout(30)"]


def test_explain_takes_several_headers() -> None:
    question = (
        "explain", SHOP, "POST", "/api/cart", "--header", "Sec-Fetch-Site: cross-site",
        "--header", "X-Forwarded-Proto:https", "--header", "X-Forwarded-Proto:  http", "--json",
    )  # fmt: skip
    told = json.loads(here(*question))

    assert told["scheme"].startswith("http") and not told["scheme"].startswith("https")
    assert any("cross-site" in note for note in told["notes"])


def test_explain_of_a_path_that_no_route_has_is_an_answer_too() -> None:
    text = here("explain", SHOP, "GET", "/api/nowhere")

    assert "404: no route" in text
    assert 'rule 3 "/api/*"' in text


def test_a_predicate_that_needs_a_server_is_told_of_without_noise(
    tmp_path: Path,
) -> None:
    (tmp_path / "needy.py").write_text(NEEDY)
    done = run("explain", "needy:app", "GET", "/", "--origin", "https://a.example", cwd=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "the predicate reads request.app: only a running server can tell" in done.stdout


NEEDY = """
from aiohttp import web
import routeguard

app = web.Application()
routeguard.setup(app, routeguard.cors(lambda origin, request: origin in request.app))
"""
