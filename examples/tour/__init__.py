"""The tour: an orders API on one port, a page that tries its policies on another.

Run it with ``python examples/tour`` from the root of the repository. The API alone can be
looked at without starting it::

    python -m routeguard routes examples.tour.api:make_api
    python -m routeguard explain examples.tour.api:make_api POST /payments
    python -m routeguard check examples.tour.api:make_api
"""
