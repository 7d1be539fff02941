"""Benchmarks: what routeguard costs beside its peers, and what it costs as an application grows.

Run from the checkout with ``python -m tests.benchmarks``; ``--help`` names the options.
"""
