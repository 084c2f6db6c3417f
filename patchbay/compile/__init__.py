"""From intent and facts to what a host should look like: pure, fragment by fragment.

``HostView`` holds what the host must know of the intent; ``compile_fragment`` gives the resources that one fragment
causes, ``compile_all`` all of them. Changing a value marks only the fragments that depend on it.
"""
