/* Feeding and keeping: how inputs come from a table and results go to one, and plain moves. */
#include "loom.h"

/* to, from, bytes of a row, index slot (dynamic), rows: row `index` of a table becomes the operand. */
KERNEL(take_rows) {
    if (t->index) return;
    i32 row = (i32)number(w[3]);
    if (row < 0 || row >= w[4].i) return;
    memcpy(bytes(w[0]), bytes(w[1]) + (size_t)row * w[2].u, w[2].u);
}

/* table, from, bytes of a row, rows: the operand becomes row `step` of the table (of this run of many). */
KERNEL(keep) {
    if (t->index || t->step >= w[3].u) return;
    memcpy(bytes(w[0]) + (size_t)t->step * w[2].u, bytes(w[1]), w[2].u);
}

/* to, from, bytes */
KERNEL(copy) {
    for (Range r = pieces(w[2].u, 1 << 16); take(t, &r);)
        memmove(bytes(w[0]) + r.start, bytes(w[1]) + r.start, r.end - r.start);
}

/* to, floats, value (immediate) */
KERNEL(fill) {
    if (t->index) return;
    f32 *to = floats(w[0]);
    for (u32 i = 0; i < w[1].u; i++) to[i] = w[2].f;
}
