"""How Sphinx builds this documentation; no network is needed."""

from importlib.metadata import version as installed_version

from aiohttp import web
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole

import routeguard

project = "routeguard"
author = "the routeguard authors"
project_copyright = author
release = version = installed_version("routeguard")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
nitpicky = True
nitpick_ignore = [
    ("py:class", "routeguard.policy.H"),  # a decorated handler keeps its type
    ("py:class", "routeguard.routes.rules.Rule"),  # what `rule` returns, and only `setup` takes
    ("py:class", "aiohttp.typedefs.Middleware"),  # aiohttp documents it in words
    ("py:class", "multidict._multidict.CIMultiDict"),
    ("py:class", "multidict._multidict.CIMultiDictProxy"),
    ("py:class", "multidict._multidict.istr"),
    ("py:class", "opentelemetry.metrics.Meter"),
    ("py:class", "prometheus_client.registry.CollectorRegistry"),
]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

# Written by hand: the few foreign names in our signatures, and where they are documented.
intersphinx_mapping = {
    "python": ("https://docs.python.org/3", "inventories/python.txt"),
    "aiohttp": ("https://docs.aiohttp.org/en/stable", "inventories/aiohttp.txt"),
    "yarl": ("https://yarl.aio-libs.org/en/stable", "inventories/yarl.txt"),
}

highlight_language = "text"
default_role = "name"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
add_function_parentheses = False
python_maximum_signature_line_length = 72
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"routeguard {release}"
html_static_path = ["_static"]
html_favicon = html_logo = "_static/icon.svg"
html_css_files = ["routeguard.css"]
html_copy_source = False
html_show_sphinx = False

# Where a class is defined, and under which name its users know it.
KNOWN_AS = {
    f"{found.__module__}.{found.__qualname__}": f"{module.__name__}.{name}"
    for module in (web, routeguard)
    for name in module.__all__
    if isinstance(found := getattr(module, name), type)
}


class NameRole(XRefRole):
    """Single backticks in a docstring: a link where they name something public, else code."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        name = self.text.removeprefix("@").partition("(")[0]
        if name not in routeguard.__all__:
            return [nodes.literal(self.text, self.text)], []
        self.name, self.title, self.target = "py:obj", self.text, f"routeguard.{name}"
        self.has_explicit_title = True
        return super().run()


def find_by_public_name(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """Signatures name classes by the module that defines them; the pages, by the public one."""
    known_as = KNOWN_AS.get(node.get("reftarget", ""))
    if known_as is None:
        return None
    node["reftarget"] = known_as
    return env.domains.python_domain.resolve_xref(
        env, node["refdoc"], app.builder, "obj", known_as, node, content
    )


def setup(app: Sphinx) -> None:
    app.add_role("name", NameRole())
    app.connect("missing-reference", find_by_public_name, priority=400)
