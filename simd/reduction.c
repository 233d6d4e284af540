/* Reductions along one axis. */
#include "vecmath.h"

#define GRAIN 8192

/* y, x, outer, n, inner: x (outer, n, inner) summed over n */
KERNEL(sum) {
    f32 *y = floats(w[0]);
    const f32 *x = floats(w[1]);
    u32 n = w[3].u, inner = w[4].u;
    if (inner == 1) {
        for (Range r = pieces(w[2].u, 1 + GRAIN / (n + 1)); take(t, &r);)
            for (u32 o = r.start; o < r.end; o++) {
                const f32 *row = x + (size_t)o * n;
                Wide s = {zero4(), zero4()};
                for (u32 i = 0; i < n; i += 4) s = add_wide(s, load_some(row, i, n));
                y[o] = (f32)sum_wide(s);
            }
        return;
    }
    u32 across = (inner + 63) / 64; /* 64 columns of one matrix at a time */
    for (Range r = pieces(w[2].u * across, 1 + GRAIN / (64 * n + 1)); take(t, &r);)
        for (u32 at = r.start; at < r.end; at++) {
            u32 o = at / across, from = at % across * 64, to = min_u32(inner, from + 64);
            const f32 *m = x + (size_t)o * n * inner;
            for (u32 i = from; i < to; i += 4) {
                v128 s = zero4();
                for (u32 j = 0; j < n; j++) s = add4(s, load_some(m + (size_t)j * inner, i, to));
                store_some(y + (size_t)o * inner, i, to, s);
            }
        }
}
