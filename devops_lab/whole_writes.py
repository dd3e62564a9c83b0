"""Lines that are in a file whole or not at all, also where the disk is full."""

import os
from io import FileIO


def write_whole(file: FileIO, data: bytes) -> None:
    """Write all of it at the end of a file that is opened without a buffer and has one writer.

    Raises `OSError` where there is no room; then the file is as it was before, so that the next
    line does not begin in the middle of a line. What a pipe has taken is gone.
    """
    end = file.seek(0, os.SEEK_END) if file.seekable() else None
    try:
        while data:
            data = data[file.write(data) :]
    except OSError:
        if end is not None:
            file.truncate(end)
        raise
