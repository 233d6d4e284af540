"""NumPy for Pyodide, built from its source distribution with Emscripten and OpenBLAS (SIMD)."""
