"""Tests of what `.ci/image` has built; without it there is nothing to collect."""

import os

collect_ignore_glob = [] if "WILLCALL_IMAGE_ENGINE" in os.environ else ["test_*.py"]
