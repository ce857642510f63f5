"""The check of `documents_url`. It imports fsspec, which takes time, only if the store is not a local folder."""

import re
from pathlib import Path
from urllib.parse import urlsplit

_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(?!.*::)\S+")
#: Extras of Willcall that install the package for a scheme.
_EXTRAS = {"s3": "s3", "s3a": "s3"}


def check_documents_url(url: str) -> str:
    """Return the URL if files can be stored there. Raises ValueError with the reason."""
    match = _URL.fullmatch(url)
    if not match:
        raise ValueError("must be a URL such as file://./var/documents or s3://bucket/prefix")
    scheme = match[1]
    if scheme in {"file", "local"}:
        if nearest_existing(Path(url.partition("://")[2]).expanduser().absolute()).is_dir():
            return url
        raise ValueError("is not a folder, and cannot be created")
    _check_scheme(scheme)
    if scheme in _EXTRAS and not urlsplit(url).netloc:
        raise ValueError("names no bucket")
    return url


def _check_scheme(scheme: str) -> None:
    import fsspec  # noqa: PLC0415 - see the module's docstring

    if scheme not in fsspec.available_protocols():
        raise ValueError(f"starts with {scheme}://, which no file system supports")
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        extra = _EXTRAS.get(scheme)
        raise ValueError(f"needs `pip install 'willcall[{extra}]'`" if extra else str(error)) from None


def nearest_existing(path: Path) -> Path:
    """Return the path, or its nearest parent that exists."""
    return next(each for each in (path, *path.parents) if each.exists())
