"""The HTTP face: translates requests into calls of ``patchbay.service`` and its values and errors into answers.

No rules live here; what the API accepts in form (types, attribute names) does.
"""
