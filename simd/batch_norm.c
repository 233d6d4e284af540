/* Batch norm: x (B, C, S). Sums over a channel are taken in double precision. With one position per channel a vector holds
 * four channels, otherwise four positions. */
#include "vecmath.h"

#define CHANNELS 16 /* channels per piece of work where S = 1 */

static inline v128 by_count(Wide s, f64 n) {
    v128 low = wasm_f32x4_demote_f64x2_zero(wasm_f64x2_div(s.low, wasm_f64x2_splat(n)));
    v128 high = wasm_f32x4_demote_f64x2_zero(wasm_f64x2_div(s.high, wasm_f64x2_splat(n)));
    return wasm_i32x4_shuffle(low, high, 0, 1, 4, 5);
}
static inline v128 inverse_root(v128 variance, f32 eps) {
    return wasm_f32x4_div(splat(1), wasm_f32x4_sqrt(add4(variance, splat(eps))));
}
static inline f32 inverse_root1(f32 variance, f32 eps) { return 1 / __builtin_sqrtf(variance + eps); }

/* mean (C), variance (C), x, B, C, S */
KERNEL(batch_statistics) {
    const f32 *x = floats(w[2]);
    f32 *mean = floats(w[0]), *variance = floats(w[1]);
    u32 rows = w[3].u, channels = w[4].u, size = w[5].u;
    f64 count = (f64)rows * size;
    u32 group = size == 1 ? CHANNELS : 1;
    for (Range r = pieces((channels + group - 1) / group, 1 + 4096 / (group * rows * size + 1)); take(t, &r);)
        for (u32 c = r.start * group; c < min_u32(channels, r.end * group); c += size == 1 ? 4 : 1) {
            Wide s = {zero4(), zero4()};
            if (size == 1) {
                for (u32 b = 0; b < rows; b++) s = add_wide(s, load_some(x + (size_t)b * channels, c, channels));
                v128 m = by_count(s, count);
                s = (Wide){zero4(), zero4()};
                for (u32 b = 0; b < rows; b++) {
                    v128 v = sub4(load_some(x + (size_t)b * channels, c, channels), m);
                    s = add_product(s, v, v);
                }
                store_some(mean, c, channels, m);
                store_some(variance, c, channels, by_count(s, count));
                continue;
            }
            for (u32 b = 0; b < rows; b++)
                for (u32 i = 0; i < size; i += 4)
                    s = add_wide(s, load_some(x + ((size_t)b * channels + c) * size, i, size));
            f32 m = (f32)(sum_wide(s) / count);
            s = (Wide){zero4(), zero4()};
            for (u32 b = 0; b < rows; b++)
                for (u32 i = 0; i < size; i += 4) {
                    v128 v = sub4(load_some(x + ((size_t)b * channels + c) * size, i, size), splat(m));
                    v = first_lanes(v, size - i);
                    s = add_product(s, v, v);
                }
            mean[c] = m;
            variance[c] = (f32)(sum_wide(s) / count);
        }
}

/* y, x, mean, variance, gamma, beta, B, C, S, eps (immediate) */
KERNEL(batch_norm) {
    const f32 *x = floats(w[1]), *mean = floats(w[2]), *variance = floats(w[3]), *gamma = floats(w[4]);
    const f32 *beta = floats(w[5]);
    f32 *y = floats(w[0]);
    u32 rows = w[6].u, channels = w[7].u, size = w[8].u, run = size == 1 ? channels : size;
    for (Range r = pieces(size == 1 ? rows : rows * channels, 1 + 4096 / (run + 1)); take(t, &r);)
        for (u32 at = r.start; at < r.end; at++) {
            const f32 *from = x + (size_t)at * run;
            f32 *to = y + (size_t)at * run;
            if (size == 1) {
                for (u32 c = 0; c < channels; c += 4) {
                    v128 n = mul4(sub4(load_some(from, c, channels), load_some(mean, c, channels)),
                                  inverse_root(load_some(variance, c, channels), w[9].f));
                    n = add4(mul4(n, load_some(gamma, c, channels)), load_some(beta, c, channels));
                    store_some(to, c, channels, n);
                }
                continue;
            }
            u32 c = at % channels;
            v128 m = splat(mean[c]), scale = splat(inverse_root1(variance[c], w[9].f)), g = splat(gamma[c]);
            for (u32 i = 0; i < size; i += 4) {
                v128 n = mul4(sub4(load_some(from, i, size), m), scale);
                store_some(to, i, size, add4(mul4(n, g), splat(beta[c])));
            }
        }
}

/* ggamma, gbeta, x, mean, variance, gy, B, C, S, eps (immediate): Σ gy · normalised x, and Σ gy, of each channel */
KERNEL(batch_norm_sums) {
    const f32 *x = floats(w[2]), *mean = floats(w[3]), *variance = floats(w[4]), *gy = floats(w[5]);
    f32 *ggamma = floats(w[0]), *gbeta = floats(w[1]);
    u32 rows = w[6].u, channels = w[7].u, size = w[8].u;
    u32 group = size == 1 ? CHANNELS : 1;
    for (Range r = pieces((channels + group - 1) / group, 1 + 4096 / (group * rows * size + 1)); take(t, &r);)
        for (u32 c = r.start * group; c < min_u32(channels, r.end * group); c += size == 1 ? 4 : 1) {
            Wide sum = {zero4(), zero4()}, along = sum;
            if (size == 1) {
                v128 m = load_some(mean, c, channels), scale = inverse_root(load_some(variance, c, channels), w[9].f);
                for (u32 b = 0; b < rows; b++) {
                    v128 g = load_some(gy + (size_t)b * channels, c, channels);
                    v128 n = mul4(sub4(load_some(x + (size_t)b * channels, c, channels), m), scale);
                    sum = add_wide(sum, g);
                    along = add_product(along, g, n);
                }
                store_some(ggamma, c, channels, by_count(along, 1));
                store_some(gbeta, c, channels, by_count(sum, 1));
                continue;
            }
            v128 m = splat(mean[c]), scale = splat(inverse_root1(variance[c], w[9].f));
            for (u32 b = 0; b < rows; b++)
                for (u32 i = 0; i < size; i += 4) {
                    size_t plane = ((size_t)b * channels + c) * size;
                    v128 g = load_some(gy + plane, i, size); /* 0 beyond the end */
                    sum = add_wide(sum, g);
                    along = add_product(along, g, mul4(sub4(load_some(x + plane, i, size), m), scale));
                }
            ggamma[c] = (f32)sum_wide(along);
            gbeta[c] = (f32)sum_wide(sum);
        }
}

/* gx, ggamma, gbeta, x, mean, variance, gamma, gy, B, C, S, eps (immediate), whether mean and variance are x's own
 * gx = gamma r gy, or gamma r (gy − gbeta / BS − n ggamma / BS), n the normalised x */
KERNEL(batch_norm_grad) {
    const f32 *ggamma = floats(w[1]), *gbeta = floats(w[2]), *x = floats(w[3]), *mean = floats(w[4]);
    const f32 *variance = floats(w[5]), *gamma = floats(w[6]), *gy = floats(w[7]);
    f32 *gx = floats(w[0]);
    u32 rows = w[8].u, channels = w[9].u, size = w[10].u, run = size == 1 ? channels : size;
    v128 share = splat(w[12].u ? (f32)(1 / ((f64)rows * size)) : 0);
    for (Range r = pieces(size == 1 ? rows : rows * channels, 1 + 4096 / (run + 1)); take(t, &r);)
        for (u32 at = r.start; at < r.end; at++) {
            size_t start = (size_t)at * run;
            u32 c = at % channels;
            for (u32 i = 0; i < run; i += 4) {
                v128 m, scale, g, along, sum;
                if (size == 1) {
                    m = load_some(mean, i, run), scale = inverse_root(load_some(variance, i, run), w[11].f);
                    g = load_some(gamma, i, run), along = load_some(ggamma, i, run), sum = load_some(gbeta, i, run);
                } else {
                    m = splat(mean[c]), scale = splat(inverse_root1(variance[c], w[11].f));
                    g = splat(gamma[c]), along = splat(ggamma[c]), sum = splat(gbeta[c]);
                }
                v128 n = mul4(sub4(load_some(x + start, i, run), m), scale);
                v128 inner = sub4(load_some(gy + start, i, run), mul4(share, add4(sum, mul4(n, along))));
                store_some(gx + start, i, run, mul4(mul4(g, scale), inner));
            }
        }
}
