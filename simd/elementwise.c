/* y = a op b, elementwise over n floats. Words: y, a, b, n. */
#include "loom.h"

#define GRAIN 8192

KERNEL(add) {
    f32 *y = floats(w[0]);
    const f32 *a = floats(w[1]), *b = floats(w[2]);
    for (Range r = pieces(w[3].u, GRAIN); take(t, &r);) {
        u32 i = r.start;
        for (; i + 4 <= r.end; i += 4) store4(y + i, wasm_f32x4_add(load4(a + i), load4(b + i)));
        for (; i < r.end; i++) y[i] = a[i] + b[i];
    }
}
