/* The softmax family, one row after another. */
#include "vecmath.h"

#define GRAIN 4096 /* floats */
#define ROWS_OF(n) (1 + GRAIN / ((n) + 1))

static f32 largest(const f32 *x, u32 n) {
    v128 m = splat(x[0]);
    u32 i = 0;
    for (; i + 4 <= n; i += 4) m = wasm_f32x4_pmax(m, load4(x + i));
    if (i < n) m = wasm_f32x4_pmax(m, load_part(x + i, n - i, x[0]));
    return max4(m);
}

/* y = e^(scale (x − max)) / Σ over n values; y may be x. */
static void softmax_row(f32 *y, const f32 *x, u32 n, f32 scale) {
    v128 top = splat(largest(x, n)), factor = splat(scale), s = zero4();
    u32 i = 0;
    for (; i + 4 <= n; i += 4) {
        v128 e = exp4(mul4(sub4(load4(x + i), top), factor));
        s = add4(s, e);
        store4(y + i, e);
    }
    if (i < n) { /* lanes beyond the end hold −∞ and contribute 0 */
        v128 e = exp4(mul4(sub4(load_part(x + i, n - i, -__builtin_inff()), top), factor));
        s = add4(s, e);
        store_part(y + i, n - i, e);
    }
    v128 inverse = splat(1 / sum4(s));
    for (i = 0; i < n; i += 4) store_some(y, i, n, mul4(load_some(y, i, n), inverse));
}

/* y, x, rows, n, scale (immediate, positive), steps: with steps > 0 the rows are queries, `steps` to a head, and row r
 * sees the first n − steps + 1 + r mod steps values; the rest becomes 0. */
KERNEL(softmax) {
    u32 n = w[3].u, steps = w[5].u;
    for (Range r = pieces(w[2].u, ROWS_OF(n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *y = floats(w[0]) + (size_t)i * n;
            u32 seen = steps ? n - steps + 1 + i % steps : n;
            softmax_row(y, floats(w[1]) + (size_t)i * n, seen, w[4].f);
            for (u32 j = seen; j < n; j++) y[j] = 0;
        }
}

/* y, x, rows, n, T (immediate): the larger of (x − max) / T and −3·10³⁸ */
KERNEL(temper) {
    u32 n = w[3].u;
    v128 temperature = splat(w[4].f);
    for (Range r = pieces(w[2].u, ROWS_OF(n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *y = floats(w[0]) + (size_t)i * n;
            const f32 *x = floats(w[1]) + (size_t)i * n;
            v128 top = splat(largest(x, n));
            for (u32 j = 0; j < n; j += 4)
                store_some(y, j, n, at_least(div4(sub4(load_some(x, j, n), top), temperature), -3e38f));
        }
}

/* gx, y, g, rows, n, scale (immediate): scale · y · (g − Σ g·y); gx may be g */
KERNEL(softmax_grad) {
    u32 n = w[4].u;
    for (Range r = pieces(w[3].u, ROWS_OF(n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *gx = floats(w[0]) + (size_t)i * n;
            const f32 *y = floats(w[1]) + (size_t)i * n, *g = floats(w[2]) + (size_t)i * n;
            v128 mean = splat(inner_product(g, y, n)), factor = splat(w[5].f);
            for (u32 j = 0; j < n; j += 4)
                store_some(gx, j, n, mul4(mul4(load_some(y, j, n), factor), sub4(load_some(g, j, n), mean)));
        }
}

/* y, x, mask (bytes), rows, n */
KERNEL(masked_softmax) {
    const u8 *mask = bytes(w[2]);
    u32 n = w[4].u;
    for (Range r = pieces(w[3].u, ROWS_OF(n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *y = floats(w[0]) + (size_t)i * n;
            const f32 *x = floats(w[1]) + (size_t)i * n;
            for (u32 j = 0; j < n; j++) y[j] = mask[j] ? x[j] : -__builtin_inff();
            softmax_row(y, y, n, 1);
            for (u32 j = 0; j < n; j++)
                if (!mask[j]) y[j] = 0;
        }
}

/* y, x, rows, n: max(x − τ, 0). τ by Michelot's method: the mean excess over the support, until no value leaves it. */
KERNEL(sparsemax) {
    u32 n = w[3].u;
    for (Range r = pieces(w[2].u, ROWS_OF(4 * n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *y = floats(w[0]) + (size_t)i * n;
            const f32 *x = floats(w[1]) + (size_t)i * n;
            f32 top = largest(x, n);
            f64 tau = -1e30;
            for (u32 in = n + 1, before = n + 2; in && in < before;) { /* among NaN and infinity the support is empty */
                before = in;
                f64 total = -1;
                in = 0;
                for (u32 j = 0; j < n; j++) {
                    f64 v = (f64)x[j] - top;
                    if (v > tau) total += v, in++;
                }
                tau = total / in;
            }
            for (u32 j = 0; j < n; j++) {
                f64 v = (f64)x[j] - top - tau;
                y[j] = v <= 0 ? 0 : (f32)v; /* NaN stays NaN */
            }
        }
}

/* eˣ and ln x in double precision, to about 1e-12: entmax raises differences to powers up to 1/(α − 1). */
static f64 exp_double(f64 x) {
    if (x < -700) return 0;
    if (x > 700) return __builtin_inf();
    f64 n = __builtin_floor(x * 1.4426950408889634 + 0.5);
    f64 r = x - n * 0.693147180369123816490 - n * 1.90821492927058770002e-10, term = 1, sum = 1;
    for (int i = 1; i <= 12; i++) sum += term *= r / i;
    union {
        u64 u;
        f64 f;
    } power = {(u64)((i64)n + 1023) << 52};
    return sum * power.f;
}
static f64 log_double(f64 x) {
    union {
        f64 f;
        u64 u;
    } v = {x};
    i64 e = (i64)(v.u - 0x3fe6a09e667f3bcdu) >> 52; /* m in √½ … √2 */
    v.u -= (u64)e << 52;
    f64 s = (v.f - 1) / (v.f + 1), square = s * s, term = s, sum = 0; /* ln m = 2 artanh s */
    for (int i = 1; i <= 19; i += 2, term *= square) sum += term / i;
    return 2 * sum + (f64)e * 0.693147180559945309417;
}
static inline f64 power(f64 x, f64 exponent) { return x > 0 ? exp_double(exponent * log_double(x)) : 0; }

/* y, x, rows, n, α (slot; neither 1 nor 2): max((α−1) x − τ, 0)^(1/(α−1)), τ by bisection */
KERNEL(entmax) {
    u32 n = w[3].u;
    f64 factor = number(w[4]) - 1, exponent = 1 / factor;
    for (Range r = pieces(w[2].u, 1); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *y = floats(w[0]) + (size_t)i * n;
            const f32 *x = floats(w[1]) + (size_t)i * n;
            f64 top = largest(x, n), low = -1, high = 0, total = 0;
            for (int round = 0; round < 53; round++) {
                f64 tau = (low + high) / 2, sum = 0;
                for (u32 j = 0; j < n && sum < 1; j++) sum += power(factor * (x[j] - top) - tau, exponent);
                if (sum >= 1) low = tau;
                else high = tau;
            }
            for (u32 j = 0; j < n; j++) total += power(factor * (x[j] - top) - low, exponent);
            for (u32 j = 0; j < n; j++) y[j] = (f32)(power(factor * (x[j] - top) - low, exponent) / total);
        }
}

static inline f64 slope(f32 y, f64 exponent) { return exponent == 0 ? y > 0 : power(y, exponent); }

/* gx, y, g, rows, n, α (slot): s (g − Σ s·g / Σ s), s = y^(2−α) where y > 0; the g of the largest s is taken from all g first */
KERNEL(entmax_grad) {
    u32 n = w[4].u;
    f64 exponent = 2 - number(w[5]);
    for (Range r = pieces(w[3].u, ROWS_OF(16 * n)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f32 *gx = floats(w[0]) + (size_t)i * n;
            const f32 *y = floats(w[1]) + (size_t)i * n, *g = floats(w[2]) + (size_t)i * n;
            f64 total = 0, weighted = 0, largest = -1, zero = 0;
            for (u32 j = 0; j < n; j++) {
                f64 s = slope(y[j], exponent);
                if (s > largest) largest = s, zero = g[j];
            }
            for (u32 j = 0; j < n; j++) {
                f64 s = slope(y[j], exponent);
                total += s;
                weighted += s * (g[j] - zero);
            }
            for (u32 j = 0; j < n; j++) gx[j] = (f32)(slope(y[j], exponent) * (g[j] - zero - weighted / total));
        }
}
