"""Everything that turns a fresh machine into a running site; run by build_pyodide.sh, no part of the wheel."""
