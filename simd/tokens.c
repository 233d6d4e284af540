/* Token ids out of floats, and the gradient of a table that was looked up. */
#include "vecmath.h"

/* ids (int32), x, n, vocabulary, report: x are whole numbers below `vocabulary`. The first that is not is written to
 * the report [1, its place, its value, vocabulary], and 0 used for it. */
KERNEL(token_ids) {
    if (t->index) return;
    i32 *ids = ints(w[0]);
    const f32 *x = floats(w[1]);
    Word *report = (Word *)(uintptr_t)w[4].u;
    for (u32 i = 0; i < w[2].u; i++) {
        int good = x[i] >= 0 && x[i] < (f32)w[3].u && x[i] == (f32)(u32)x[i];
        ids[i] = good ? (i32)x[i] : 0;
        if (good || report[0].u) continue;
        report[0].u = 1;
        report[1].u = i;
        report[2].f = x[i];
        report[3].u = w[3].u;
    }
}

/* table (already 0), ids, gy, count, width, rows of the table: rows of gy added up by id; threads share the columns */
KERNEL(embedding_grad) {
    const i32 *ids = ints(w[1]);
    u32 width = w[4].u;
    for (Range r = pieces((width + 31) / 32, 1 + 2048 / (32 * w[3].u)); take(t, &r);)
        for (u32 k = 0; k < w[3].u; k++) {
            if ((u32)ids[k] >= w[5].u) continue;
            f32 *to = floats(w[0]) + (size_t)ids[k] * width;
            const f32 *g = floats(w[2]) + (size_t)k * width;
            u32 end = min_u32(width, 32 * r.end);
            for (u32 i = 32 * r.start; i < end; i += 4) store_some(to, i, end, add4(load_some(to, i, end), load_some(g, i, end)));
        }
}
