"""`tf.resource_loader`: files beside a program's own."""

from __future__ import annotations

import os
import sys


def get_data_files_path() -> str:
    """The folder of the file that calls this."""
    return os.path.dirname(os.path.abspath(sys._getframe(1).f_code.co_filename))


def get_path_to_datafile(path: str) -> str:
    """A path that is relative to the folder of the file that calls this."""
    folder = os.path.dirname(os.path.abspath(sys._getframe(1).f_code.co_filename))
    return os.path.join(folder, path)


def get_root_dir_with_all_resources() -> str:
    """The folder of the file that calls this."""
    return os.path.dirname(os.path.abspath(sys._getframe(1).f_code.co_filename))


def load_resource(path: str) -> bytes:
    """The bytes of a file. Raises OSError."""
    with open(path, "rb") as stream:
        return stream.read()


def readahead_file_path(path: str, readahead: str = "128M") -> str:
    """`path` itself."""
    return path


__all__ = [
    "get_data_files_path", "get_path_to_datafile", "get_root_dir_with_all_resources",
    "load_resource", "readahead_file_path",
]
