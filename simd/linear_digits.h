/* What products with digits in bytes and in words share: a block's scales, and how its integer sums become floats. */
#pragma once
#include "linear.h"

/* Of the eight rows of a block: what their sums of products are multiplied with; and `added`, for four bits what the sum of
 * the activations is multiplied with, for eight what the form of digits makes of it. */
typedef struct {
    f32 scale[8], added[8];
} Scales;

static inline void read_scales(u32 storage, const u8 *w, Scales *s) {
    v128 packed = wasm_v128_load(w), d0 = half_low(packed), d1 = half_high(packed);
    store4(s->scale, d0), store4(s->scale + 4, d1);
    if (storage == Q8_0) return;
    v128 m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
    if (storage == Q4_1) {
        packed = wasm_v128_load(w + 16);
        m0 = half_low(packed), m1 = half_high(packed);
    }
    store4(s->added, m0), store4(s->added + 4, m1);
}

/* out (TILE, 8) += a block's integer sums of rows 0 … 3 and 4 … 7. `scale`, `sum`: of each token's activations. */
static inline __attribute__((always_inline)) void add_block(const Scales *s, const v128 *low, const v128 *high,
                                                            const f32 *scale, const f32 *sum, f32 *out, int nibbles) {
    v128 d0 = load4(s->scale), d1 = load4(s->scale + 4), m0 = load4(s->added), m1 = load4(s->added + 4);
#pragma clang loop unroll(full)
    for (u32 t = 0; t < TILE; t++) {
        v128 y0 = load4(out + 8 * t), y1 = load4(out + 8 * t + 4), by = wasm_v128_load32_splat(scale + t);
        if (nibbles) {
            v128 of = wasm_v128_load32_splat(sum + t);
            y0 = fma4(m0, of, y0), y1 = fma4(m1, of, y1);
        }
        store4(out + 8 * t, fma4(wasm_f32x4_convert_i32x4(low[t]), wasm_f32x4_mul(d0, by), y0));
        store4(out + 8 * t + 4, fma4(wasm_f32x4_convert_i32x4(high[t]), wasm_f32x4_mul(d1, by), y1));
    }
}
