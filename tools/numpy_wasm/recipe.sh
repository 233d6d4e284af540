#!/bin/bash
# Runs inside the Debian root: OpenBLAS, then NumPy, from the sources under /build into /build/install.
#
#   /build/openblas  /build/numpy        unpacked sources
#   /build/recipe                        the files beside this one
#   /build/sysconfig /build/include      the runtime's own configuration, as pyconfig.py wrote it
#
# Lines that begin with «##» tell the caller which phase has begun.
set -euo pipefail
export HOME=/build/home EM_CACHE=/build/emscripten LC_ALL=C.UTF-8 SOURCE_DATE_EPOCH=1767225600 PYTHONDONTWRITEBYTECODE=1
JOBS="$(nproc)"
RECIPE=/build/recipe
BIN=/build/bin
mkdir -p "$HOME" "$BIN"

# The compilers' wrapper, and a Python that believes it runs in Pyodide (its suffix and its headers).
for name in emcc em++; do
    printf '#!/bin/sh\nexec /usr/bin/python3.14 -I %s/compiler.py %s "$@"\n' "$RECIPE" "$name" >"$BIN/$name"
done
cat >"$BIN/python" <<'END'
#!/bin/sh
export _PYTHON_SYSCONFIGDATA_NAME=_sysconfigdata__emscripten_wasm32-emscripten _PYTHON_HOST_PLATFORM=emscripten-wasm32 PYTHONPATH=/build/sysconfig
exec /usr/bin/python3.14 "$@"
END
chmod +x "$BIN"/*
export PATH="$BIN:$PATH"

echo "## OpenBLAS"
cd /build/openblas
cp "$RECIPE/gemv_n_simd.c" "$RECIPE/gemv_t_simd.c" kernel/wasm/
# Level 1 and the matrix-vector kernels of this target are plain loops; variables given here win over its KERNEL file.
make -j"$JOBS" libs \
    CC=emcc AR=emar RANLIB=emranlib HOSTCC=clang-21 CFLAGS=-O2 \
    TARGET=WASM128_GENERIC NOFORTRAN=1 NO_LAPACK=1 ONLY_CBLAS=1 USE_THREAD=0 NO_SHARED=1 \
    SGEMVNKERNEL=gemv_n_simd.c DGEMVNKERNEL=gemv_n_simd.c SGEMVTKERNEL=gemv_t_simd.c DGEMVTKERNEL=gemv_t_simd.c \
    SDOTKERNEL=../generic/dot.c DDOTKERNEL=../generic/dot.c
mkdir -p /build/openblas-install/pkgconfig
cp libopenblas.a /build/openblas-install/libopenblas.a
# Not under the name openblas: NumPy's build would look for Fortran's dgemm_, which a CBLAS alone lacks.
cat >/build/openblas-install/pkgconfig/cblas-wasm.pc <<END
Name: cblas-wasm
Description: OpenBLAS for WebAssembly, CBLAS only
Version: $(sed -n 's/^VERSION = //p' Makefile.rule)
Libs: /build/openblas-install/libopenblas.a
END

echo "## configuration"
cd /build/numpy
python3.14 vendored-meson/meson/meson.py setup /build/work --cross-file "$RECIPE/cross.ini" \
    --prefix=/usr -Dpython.purelibdir=/site -Dpython.platlibdir=/site -Dpython.bytecompile=-1 -Dbuildtype=release \
    -Dblas=cblas-wasm -Dlapack=none -Dallow-noblas=true

echo "## compilation"
ninja -C /build/work -j"$JOBS"

echo "## installation"
python3.14 vendored-meson/meson/meson.py install -C /build/work --no-rebuild --quiet \
    --tags runtime,python-runtime,devel --destdir /build/install
