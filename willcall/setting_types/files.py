"""Secrets in files, such as those of Docker and Kubernetes: `api_key_file = "/run/secrets/tiqets"`."""

import stat
from dataclasses import dataclass
from pathlib import Path

#: Largest file that is read.
MAX_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class SecretFile:
    """The value of a setting `key`, such as `api_key_file`, in place of the secret. `beside`: both are given."""

    key: str
    paths: object
    beside: bool

    def read_one(self) -> str:
        """Return the secret. Raises ValueError with the reason."""
        self._check_alone()
        if not isinstance(self.paths, str) or not self.paths:
            raise ValueError(f"{self.key} must be the path of a file")
        return self._read(self.paths)

    def read_many(self) -> list[str]:
        """Return the secrets of one or several files, one per line. Raises ValueError with the reason."""
        self._check_alone()
        paths = [self.paths] if isinstance(self.paths, str) else self.paths
        if not isinstance(paths, list) or not paths or not all(isinstance(path, str) for path in paths):
            raise ValueError(f"{self.key} must be the path of a file, or a list of paths")
        texts = [self._read(path) for path in paths]
        return [line for text in texts for line in text.replace("\r\n", "\n").split("\n") if line]

    def _check_alone(self) -> None:
        if self.beside:
            raise ValueError(f"is given twice: itself and as {self.key}")

    def _read(self, path: str) -> str:
        try:
            return _text(read_file(Path(path), MAX_BYTES))
        except ValueError as error:
            raise ValueError(f"{self.key} {_shown(path)}: {error}") from None
        except OSError as error:
            raise ValueError(f"{self.key} {_shown(path)}: cannot be read: {error.strerror}") from None


def _shown(path: str) -> str:
    """Return the path for a message, unless it may be a secret that was given in place of one."""
    return path if path.startswith(("/", "./", "../")) and path.isprintable() else "(in the current folder)"


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file. Raises ValueError with the reason, OSError."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ValueError("is a folder (Docker creates one where the file to mount is missing)")
    if not stat.S_ISREG(mode):  # a pipe would block, and cannot be read again on a reload
        raise ValueError("is not a regular file")
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"is larger than {max_bytes // 1024} KiB")
    return content


def _text(content: bytes) -> str:
    """Return the text without the line breaks at its end. Raises ValueError."""
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8") from None
    if not text:
        raise ValueError("is empty")
    return text
