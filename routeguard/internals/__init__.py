"""What touches the inside of aiohttp: the classes of its request, reader and writer, exchanged.

aiohttp makes these objects itself and offers no place to put others. Their methods cannot be
replaced one by one either, since the reader has no `__dict__`. So the class of the object that
aiohttp made is exchanged for a subclass: one each, whichever policies want it. `probe` finds out
at start-up whether that still works.
"""
