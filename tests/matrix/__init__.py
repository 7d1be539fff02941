"""The whole verification, on every Python, event loop and aiohttp that users run.

`tests/run` makes the environment that this needs and calls it.
"""
