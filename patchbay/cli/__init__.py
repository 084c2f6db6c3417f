"""The ``patchbay`` command: one command per noun and verb.

``main`` names the commands and shows errors; each other module makes the commands of one kind and is imported only when
one of them is called, so that ``patchbay --help`` answers at once.
"""
