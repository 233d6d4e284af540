"""Everything that turns a fresh machine into a running site; run by build_pyodide.sh, not part of the wheel."""
