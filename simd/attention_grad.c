/* Gradients of attention over a cache, row by row: scores and probabilities are computed again. */
#include "vecmath.h"

/* p = softmax of n scores */
static void probabilities(f32 *p, const f32 *scores, u32 n) {
    v128 top = splat(scores[0]), s = zero4();
    for (u32 i = 0; i < n; i += 4)
        top = wasm_f32x4_pmax(top, i + 4 <= n ? load4(scores + i) : load_part(scores + i, n - i, scores[0]));
    top = splat(max4(top));
    for (u32 i = 0; i < n; i += 4) {
        v128 e = first_lanes(exp4(sub4(load_some(scores, i, n), top)), n - i);
        s = add4(s, e);
        store_some(p, i, n, e);
    }
    v128 inverse = splat(1 / sum4(s));
    for (u32 i = 0; i < n; i += 4) store_some(p, i, n, mul4(load_some(p, i, n), inverse));
}

/* gq, gkeys, gvalues, q, keys, values, gy, position (slot), tokens, heads, kv, D, capacity, window, cap (immediate): a
 * key-value head, with the query heads that share it, is one thread's. */
KERNEL(attention_grad) {
    u32 tokens = w[8].u, heads = w[9].u, kv = w[10].u, size = w[11].u, capacity = w[12].u, window = w[13].u,
        group = heads / kv;
    f64 at = number(w[7]);
    f32 cap = w[14].f, scale = (f32)(1 / __builtin_sqrt((f64)size));
    if (!(at >= 0 && at + tokens <= capacity)) return;
    f32 *scores = (f32 *)t->scratch, *p = scores + (capacity + 3) / 4 * 4, *gs = p + (capacity + 3) / 4 * 4;
    size_t row = (size_t)kv * size;
    for (Range r = pieces(kv, 1); take(t, &r);)
        for (u32 h = r.start; h < r.end; h++) {
            f32 *gk = floats(w[1]) + h * size, *gv = floats(w[2]) + h * size;
            const f32 *keys = floats(w[4]) + h * size, *values = floats(w[5]) + h * size;
            for (u32 i = 0; i < capacity; i++) {
                memset(gk + i * row, 0, size * sizeof(f32));
                memset(gv + i * row, 0, size * sizeof(f32));
            }
            for (u32 token = 0; token < tokens; token++) {
                u32 end = (u32)at + token + 1, first = window && end > window ? end - window : 0, n = end - first;
                for (u32 g = 0; g < group; g++) {
                    size_t own = ((size_t)token * heads + h * group + g) * size;
                    const f32 *q = floats(w[3]) + own, *gy = floats(w[6]) + own;
                    f32 *gq = floats(w[0]) + own, mean = 0;
                    for (u32 i = 0; i < n; i++) scores[i] = inner_product(q, keys + (first + i) * row, size) * scale;
                    if (cap > 0)
                        for (u32 i = 0; i < n; i += 4)
                            store_some(scores, i, n,
                                       mul4(splat(cap), tanh4(div4(load_some(scores, i, n), splat(cap)))));
                    probabilities(p, scores, n);
                    for (u32 i = 0; i < n; i++) {
                        gs[i] = inner_product(gy, values + (first + i) * row, size);
                        mean += p[i] * gs[i];
                    }
                    memset(gq, 0, size * sizeof(f32));
                    for (u32 i = 0; i < n; i++) {
                        f32 capped = cap > 0 ? scores[i] / cap : 0;
                        f32 slope = p[i] * (gs[i] - mean) * (1 - capped * capped) * scale;
                        add_scaled(gq, keys + (first + i) * row, slope, size);
                        add_scaled(gk + (first + i) * row, q, slope, size);
                        add_scaled(gv + (first + i) * row, gy, p[i], size);
                    }
                }
            }
        }
}
