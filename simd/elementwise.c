/* Arithmetic on n floats. A tail of fewer than four goes through the same vector arithmetic. */
#include "vecmath.h"

#define GRAIN 8192
#define EACH(n)                                          \
    for (Range r = pieces(n, GRAIN); take(t, &r);)       \
        for (u32 i = r.start; i < r.end; i += 4)
#define GET(p) load_some(p, i, r.end)
#define PUT(p, v) store_some(p, i, r.end, v)

/* y, a, b, n: a + b */
KERNEL(add) {
    const f32 *a = floats(w[1]), *b = floats(w[2]);
    EACH(w[3].u) PUT(floats(w[0]), add4(GET(a), GET(b)));
}

/* y, a, b, n: a · b */
KERNEL(mul) {
    const f32 *a = floats(w[1]), *b = floats(w[2]);
    EACH(w[3].u) PUT(floats(w[0]), mul4(GET(a), GET(b)));
}

/* y, x, n, factor (immediate): factor · x */
KERNEL(scale) {
    const f32 *x = floats(w[1]);
    EACH(w[2].u) PUT(floats(w[0]), mul4(GET(x), splat(w[3].f)));
}

/* total, g, n, factor (immediate): total ← total + factor · g */
KERNEL(accumulate) {
    f32 *total = floats(w[0]);
    const f32 *g = floats(w[1]);
    EACH(w[2].u) PUT(total, add4(GET(total), mul4(splat(w[3].f), GET(g))));
}

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

/* to, from (0 for zeros), to's stride, from's stride, bytes of a block, blocks */
KERNEL(copy_blocks) {
    u32 bytes_each = w[4].u;
    for (Range r = pieces(w[5].u, 1 + 65536 / (bytes_each + 1)); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u8 *to = bytes(w[0]) + (size_t)i * w[2].u;
            if (w[1].u) memcpy(to, bytes(w[1]) + (size_t)i * w[3].u, bytes_each);
            else memset(to, 0, bytes_each);
        }
}
