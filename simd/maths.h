/* Elementary functions on vectors, and a row's norm. */
#pragma once
#include "loom.h"

/* e^x, relative error below 2e-7: 2^n · e^r with |r| ≤ ln2/2, a polynomial of degree 6 (Cody and Waite's reduction). */
static inline v128 exp4(v128 x) {
    x = wasm_f32x4_pmin(x, wasm_f32x4_splat(88.3f)); /* NaN stays */
    v128 tiny = wasm_f32x4_lt(x, wasm_f32x4_splat(-87.3f));
    v128 n = wasm_f32x4_nearest(wasm_f32x4_mul(x, wasm_f32x4_splat(1.44269504f)));
    v128 r = wasm_f32x4_sub(x, wasm_f32x4_mul(n, wasm_f32x4_splat(0.693359375f)));
    r = wasm_f32x4_sub(r, wasm_f32x4_mul(n, wasm_f32x4_splat(-2.12194440e-4f)));
    v128 p = wasm_f32x4_splat(1.3981999507e-3f);
    p = fma4(p, r, wasm_f32x4_splat(8.3334519073e-3f));
    p = fma4(p, r, wasm_f32x4_splat(4.1665795894e-2f));
    p = fma4(p, r, wasm_f32x4_splat(1.6666665459e-1f));
    p = fma4(p, r, wasm_f32x4_splat(5.0000001201e-1f));
    p = wasm_f32x4_add(fma4(p, wasm_f32x4_mul(r, r), r), wasm_f32x4_splat(1));
    v128 power = wasm_i32x4_shl(wasm_i32x4_add(wasm_i32x4_trunc_sat_f32x4(n), wasm_i32x4_splat(127)), 23);
    return wasm_v128_andnot(wasm_f32x4_mul(p, power), tiny);
}
/* x / (1 + e^−x) */
static inline v128 silu4(v128 x) {
    return wasm_f32x4_div(x, wasm_f32x4_add(wasm_f32x4_splat(1), exp4(wasm_f32x4_neg(x))));
}

/* y = x / sqrt(mean(x²) + eps) · gamma; squares summed in float64. May be done in place. */
static inline void rms_norm_row(const f32 *x, const f32 *gamma, f32 eps, u32 n, f32 *y) {
    v128 a = wasm_f64x2_splat(0), b = a;
    u32 i = 0;
    for (; i + 4 <= n; i += 4) {
        v128 v = load4(x + i), low = wasm_f64x2_promote_low_f32x4(v),
             high = wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 2, 3));
        a = wasm_f64x2_add(a, wasm_f64x2_mul(low, low));
        b = wasm_f64x2_add(b, wasm_f64x2_mul(high, high));
    }
    a = wasm_f64x2_add(a, b);
    f64 sum = wasm_f64x2_extract_lane(a, 0) + wasm_f64x2_extract_lane(a, 1);
    for (; i < n; i++) sum += (f64)x[i] * x[i];
    f32 r = (f32)(1 / __builtin_sqrt(sum / n + eps));
    v128 by = wasm_f32x4_splat(r);
    for (i = 0; i + 4 <= n; i += 4) store4(y + i, wasm_f32x4_mul(wasm_f32x4_mul(load4(x + i), by), load4(gamma + i)));
    for (; i < n; i++) y[i] = x[i] * r * gamma[i];
}
