/* Arithmetic on n floats. A tail of fewer than four goes through the same vector arithmetic. */
#include "vecmath.h"

#define GRAIN 8192
#define EACH(n)                                    \
    for (Range r = pieces(n, GRAIN); take(t, &r);) \
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
