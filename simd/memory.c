/* Rows of input tables, rows of kept results, and plain copies, which replaying needs besides a program's kernels. */
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
