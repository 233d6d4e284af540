/* A row's RMSNorm, which products with weights compute on the way. */
#pragma once
#include "vecmath.h"

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
