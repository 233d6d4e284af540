/* Gumbel noise and dropout: number i depends on the seed, the step and i alone. */
#include "noise.h"
#include "vecmath.h"

/* y, n, seed (immediate), step (slot, mod 2³²): Gumbel's −ln(−ln u), u an odd multiple of 2⁻²⁴ */
KERNEL(gumbel) {
    u32 n = w[1].u, step = (u32)(u64)number(w[3]);
    for (Range r = pieces(n, 512); take(t, &r);)
        for (u32 i = r.start; i < r.end; i += 4) {
            u32 words[4];
            for (u32 j = 0; j < 4; j++) words[j] = philox(w[2].u, step, i + j) >> 9;
            v128 u = mul4(add4(wasm_f32x4_convert_i32x4(wasm_v128_load(words)), splat(0.5f)), splat(0x1p-23f));
            store_some(floats(w[0]), i, r.end, neg4(log4(neg4(log4(u)))));
        }
}

/* y, x, n, seed, the smallest word that is kept, factor (all immediate), step (slot, mod 2³²) */
KERNEL(dropout) {
    const f32 *x = floats(w[1]);
    u32 n = w[2].u, step = (u32)(u64)number(w[6]);
    v128 first = wasm_i32x4_splat(w[4].i), factor = splat(w[5].f);
    for (Range r = pieces(n, 512); take(t, &r);)
        for (u32 i = r.start; i < r.end; i += 4) {
            u32 words[4];
            for (u32 j = 0; j < 4; j++) words[j] = philox(w[3].u, step, i + j);
            v128 kept = wasm_u32x4_ge(wasm_v128_load(words), first);
            store_some(floats(w[0]), i, r.end, wasm_v128_and(kept, mul4(load_some(x, i, r.end), factor)));
        }
}
