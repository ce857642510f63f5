"""List the files of a zip archive without unpacking any.

Only the central directory is read, and no more than 256 KiB of it. `zipfile` has no such limit: it creates an object
for each entry, of which a file of 20 MB can have 400,000.

Format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, sections 4.3.12 to 4.3.16.
"""

import struct
from os import SEEK_END
from typing import IO

_END_RECORD = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
#: The record of archives in the zip64 form: signature, 36 bytes that do not matter here, size of the directory.
_ZIP64_END_RECORD = struct.Struct("<4s36xQ")
_ZIP64_END_SIGNATURE = b"PK\x06\x06"
_IN_ZIP64_RECORD = 0xFFFF_FFFF

#: An entry up to its name: signature, 24 bytes that do not matter here, lengths of name, extra field and comment.
_ENTRY = struct.Struct("<4s24x3H12x")
_ENTRY_SIGNATURE = b"PK\x01\x02"

#: The end record is followed by a comment of 64 KiB at most, and by padding that some servers add.
_LONGEST_END = 128 * 1024
_LONGEST_DIRECTORY = 256 * 1024


def zip_names(file: IO[bytes]) -> list[bytes] | None:
    """Return the names of the archive's entries, or `None` without a readable directory.

    Of a directory larger than 256 KiB, only the names in its first part are returned.
    """
    size = file.seek(0, SEEK_END)
    start_of_tail = max(0, size - _LONGEST_END)
    file.seek(start_of_tail)
    tail = file.read()
    end = tail.rfind(_END_SIGNATURE)
    if end < 0 or len(tail) - end < _END_RECORD.size:
        return None
    length = _END_RECORD.unpack_from(tail, end)[5]
    if length == _IN_ZIP64_RECORD:
        end = tail.rfind(_ZIP64_END_SIGNATURE, 0, end)
        if end < 0:
            return None
        length = _ZIP64_END_RECORD.unpack_from(tail, end)[1]
    # Counted back from the end record, so that bytes before the archive do no harm.
    start = start_of_tail + end - length
    if start < 0:
        return None
    file.seek(start)
    return _names(file.read(min(length, _LONGEST_DIRECTORY)))


def _names(directory: bytes) -> list[bytes] | None:
    names = []
    at = 0
    while len(directory) - at >= _ENTRY.size:
        signature, name_length, extra_length, comment_length = _ENTRY.unpack_from(directory, at)
        if signature != _ENTRY_SIGNATURE:
            return None
        at += _ENTRY.size
        names.append(directory[at : at + name_length])
        at += name_length + extra_length + comment_length
    return names
