"""The Python side of Keelback: worker processes that run WSGI and ASGI apps behind the edge.

Standard library only. Nothing here is imported by applications; the supervisor starts
`__main__.py` with the user's interpreter.
"""

__version__ = "0.1.0"
