/* Optimiser steps, in place. */
#include "loom.h"

#define GRAIN 8192

/* w, g, n, learning rate (dynamic): w ← w − lr · g */
KERNEL(sgd_step) {
    f32 *p = floats(w[0]);
    const f32 *g = floats(w[1]);
    f32 rate = (f32)number(w[3]);
    v128 rates = wasm_f32x4_splat(rate);
    for (Range r = pieces(w[2].u, GRAIN); take(t, &r);) {
        u32 i = r.start;
        for (; i + 4 <= r.end; i += 4)
            store4(p + i, wasm_f32x4_sub(load4(p + i), wasm_f32x4_mul(rates, load4(g + i))));
        for (; i < r.end; i++) p[i] -= rate * g[i];
    }
}
