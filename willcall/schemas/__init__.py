"""The JSON that Willcall sends, defined once for the API, callbacks, the OpenAPI document and the Python client.

Dataclasses of the standard library: the client reads them without the server's dependencies.
"""
