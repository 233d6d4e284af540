/* Both norms and their gradients. Means are taken in double precision. */
#include "norm.h"

#define ROWS_OF(n) (1 + 4096 / ((n) + 1))

typedef struct {
    f32 mean, inverse; /* 1 / sqrt(mean((x − mean)²) + ε) */
} Spread;

static Spread spread(const f32 *x, u32 n, f64 eps, int centred) {
    Wide s = {zero4(), zero4()};
    f32 mean = 0;
    if (centred) {
        for (u32 i = 0; i < n; i += 4) s = add_wide(s, load_some(x, i, n));
        mean = (f32)(sum_wide(s) / n);
        s = (Wide){zero4(), zero4()};
    }
    for (u32 i = 0; i < n; i += 4) {
        v128 v = first_lanes(sub4(load_some(x, i, n), splat(mean)), n - i);
        s = add_product(s, v, v);
    }
    return (Spread){mean, (f32)(1 / __builtin_sqrt(sum_wide(s) / n + eps))};
}

/* y, x, gamma, eps (immediate), rows, n */
KERNEL(rms_norm) {
    u32 n = w[5].u;
    for (Range r = pieces(w[4].u, 1 + 4096 / (n + 1)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++)
            rms_norm_row(floats(w[1]) + (size_t)i * n, floats(w[2]), w[3].f, n, floats(w[0]) + (size_t)i * n);
}

/* y, x, gamma, beta, rows, n, ε (slot) */
KERNEL(layer_norm) {
    const f32 *gamma = floats(w[2]), *beta = floats(w[3]);
    u32 n = w[5].u;
    for (Range r = pieces(w[4].u, ROWS_OF(n)); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            const f32 *x = floats(w[1]) + (size_t)row * n;
            f32 *y = floats(w[0]) + (size_t)row * n;
            Spread s = spread(x, n, number(w[6]), 1);
            for (u32 i = 0; i < n; i += 4) {
                v128 normal = mul4(sub4(load_some(x, i, n), splat(s.mean)), splat(s.inverse));
                store_some(y, i, n, add4(mul4(normal, load_some(gamma, i, n)), load_some(beta, i, n)));
            }
        }
}

/* gx, spreads (rows × 2, written here), x, gamma, gy, rows, n, ε (slot), whether centred (layer norm) or not (RMS norm)
 * gx = r (gn − mean(gn) − m mean(gn·m)), gn = gy·gamma, m the normalised x; without mean(gn) for RMS norm */
KERNEL(norm_grad) {
    const f32 *gamma = floats(w[3]);
    u32 n = w[6].u;
    for (Range r = pieces(w[5].u, ROWS_OF(n)); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            const f32 *x = floats(w[2]) + (size_t)row * n, *gy = floats(w[4]) + (size_t)row * n;
            f32 *gx = floats(w[0]) + (size_t)row * n;
            Spread s = ((Spread *)floats(w[1]))[row] = spread(x, n, number(w[7]), w[8].i);
            Wide sum = {zero4(), zero4()}, along = sum;
            for (u32 i = 0; i < n; i += 4) {
                v128 gn = mul4(load_some(gy, i, n), load_some(gamma, i, n));
                v128 normal = mul4(sub4(load_some(x, i, n), splat(s.mean)), splat(s.inverse));
                sum = add_wide(sum, gn);
                along = add_product(along, gn, normal);
            }
            v128 mean = splat(w[8].i ? (f32)(sum_wide(sum) / n) : 0), slope = splat((f32)(sum_wide(along) / n));
            for (u32 i = 0; i < n; i += 4) {
                v128 gn = mul4(load_some(gy, i, n), load_some(gamma, i, n));
                v128 normal = mul4(sub4(load_some(x, i, n), splat(s.mean)), splat(s.inverse));
                store_some(gx, i, n, mul4(splat(s.inverse), sub4(sub4(gn, mean), mul4(normal, slope))));
            }
        }
}

/* ggamma, gbeta (or 0), spreads, x, gy, rows, n: Σ over rows of gy · normalised x, and of gy */
KERNEL(norm_weights_grad) {
    const Spread *spreads = (const Spread *)floats(w[2]);
    u32 rows = w[5].u, n = w[6].u;
    for (Range r = pieces((n + 15) / 16, 1 + 256 / (rows + 1)); take(t, &r);)
        for (u32 i = 16 * r.start; i < min_u32(n, 16 * r.end); i += 4) {
            v128 along = zero4(), sum = zero4();
            for (u32 row = 0; row < rows; row++) {
                v128 g = load_some(floats(w[4]) + (size_t)row * n, i, n);
                v128 x = load_some(floats(w[3]) + (size_t)row * n, i, n);
                v128 normal = mul4(sub4(x, splat(spreads[row].mean)), splat(spreads[row].inverse));
                along = add4(along, mul4(g, normal));
                sum = add4(sum, g);
            }
            store_some(floats(w[0]), i, n, along);
            if (w[1].u) store_some(floats(w[1]), i, n, sum);
        }
}
