/* Token ids from floats, rows of a table, and the gradient of a table by rows. */
#include "linear.h"
#include "vecmath.h"

/* ids (int32), x, n, vocabulary, report: x are whole numbers below `vocabulary`. The first that is not is written to
 * the report as [1, its index, its value, vocabulary], and 0 is used for it. */
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

static inline f32 half1(i16 bits) { return wasm_f32x4_extract_lane(half4_any(wasm_i32x4_splat(bits)), 0); }

/* One row of a table in any storage. */
static void widen_row(u32 storage, const u8 *table, u32 row, u32 k, f32 *y) {
    if (storage == F32) {
        memcpy(y, (const f32 *)table + (size_t)row * k, k * sizeof(f32));
    } else if (storage == F16 || storage == BF16) {
        const i16 *from = (const i16 *)table + (size_t)row * k;
        u32 i = 0;
        for (; i + 4 <= k; i += 4)
            store4(y + i, storage == BF16 ? wasm_i32x4_shl(wasm_u32x4_load16x4(from + i), 16)
                                          : half4_any(wasm_i32x4_load16x4(from + i)));
        for (; i < k; i++) {
            Word bits = {.u = (u32)(u16)from[i] << 16};
            y[i] = storage == BF16 ? bits.f : half1(from[i]);
        }
    } else {
        u32 size = block_bytes(storage), r = row & 7;
        const u8 *block = table + (size_t)(row / 8) * (k / BLOCK) * size;
        for (u32 b = 0; b < k / BLOCK; b++, block += size, y += BLOCK) {
            f32 d = half1(((const i16 *)block)[r]), m = storage == Q4_1 ? half1(((const i16 *)block)[8 + r]) : -8 * d;
            const u8 *q = block + (storage == Q4_1 ? 32 : 16) + 16 * (r / 4) + 4 * (r & 3);
            for (u32 j = 0; j < BLOCK; j++)
                if (storage == Q8_0) y[j] = d * (i8)q[j / 4 * 32 + (j & 3)];
                else y[j] = d * (q[j / 8 * 32 + (j & 3)] >> (j & 4) & 15) + m;
        }
    }
}

/* y (T, K), ids (T) int32, table (rows, K), storage, T, K, rows: rows of a table; NaN for an invalid id. */
KERNEL(embedding) {
    u32 k = w[5].u;
    for (Range r = pieces(w[4].u, 4); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 id = (u32)ints(w[1])[i];
            f32 *y = floats(w[0]) + (size_t)i * k;
            if (id < w[6].u) widen_row(w[3].u, bytes(w[2]), id, k, y);
            else
                for (u32 j = 0; j < k; j++) y[j] = __builtin_nanf("");
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
            for (u32 i = 32 * r.start; i < end; i += 4)
                store_some(to, i, end, add4(load_some(to, i, end), load_some(g, i, end)));
        }
}
