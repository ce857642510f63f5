# Functions that the scripts beside this file share; they source it from the root of the checkout.

PYTHON_VERSIONS=(3.11 3.12 3.13 3.14)

# Prints the interpreter of a version: the one on PATH, else the newest of pyenv's. Prints nothing if there is none.
find_python() {
  local python
  for python in "python$1" $(ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python 2>/dev/null | sort -rV); do
    "$python" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null && { echo "$python"; return; }
  done
  return 0
}

# Says why something was not done. `.ci/release-check` repeats these lines at its end.
left_out() {
  echo "Left out: $*"
}

# Builds the wheel of a project, `.` or `client`, from the checkout as it is now, and prints its path: $2 is a new folder.
build_wheel() {
  .venv/bin/python -m build "$1" --wheel --outdir "$2" >"$2.log" 2>&1 || { cat "$2.log" >&2; return 1; }
  ls "$2"/*.whl
}
