/* Rotary positions, and rows of a key–value cache. */
#include "vecmath.h"

/* sin r and cos r for |r| ≤ π/4 by their series. */
static void series(f64 r, f64 *sine, f64 *cosine) {
    f64 s = 1, c = 1, z = r * r;
    for (i32 n = 18; n >= 2; n -= 2) {
        s = 1 - s * z / (n * (n + 1));
        c = 1 - c * z / (n * (n - 1));
    }
    *sine = s * r;
    *cosine = c;
}

/* table (T, half, 2), frequencies (half) float64, position slot, T, half: cos and sin of (position + t) · frequency. */
KERNEL(rope_angles) {
    f32 *table = floats(w[0]);
    const f64 *frequencies = (const f64 *)(uintptr_t)w[1].u;
    f64 position = number(w[2]);
    u32 half = w[4].u;
    for (Range r = pieces(w[3].u * half, 256); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            f64 angle = (position + i / half) * frequencies[i % half];
            f64 turns = __builtin_nearbyint(angle * 0.63661977236758134308); /* quarter turns; π/2 in two parts below */
            f64 rest = (angle - turns * 1.57079632673412561417) - turns * 6.07710050650619224932e-11, s, c;
            series(rest, &s, &c);
            u32 quarter = (u32)(i64)turns & 3;
            table[2 * i] = (f32)(quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s);
            table[2 * i + 1] = (f32)(quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c);
        }
}

/* (a, b) → (a cos − b sin, b cos + a sin), half a head apart. */
static inline void rotate(const f32 *x, const f32 *table, u32 half, f32 sign, f32 *y) {
    u32 i = 0;
    v128 signs = wasm_f32x4_splat(sign);
    for (; i + 4 <= half; i += 4) {
        v128 first = load4(table + 2 * i), second = load4(table + 2 * i + 4);
        v128 c = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6), s = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
        v128 a = load4(x + i), b = load4(x + half + i);
        s = wasm_f32x4_mul(s, signs);
        store4(y + i, wasm_f32x4_sub(wasm_f32x4_mul(a, c), wasm_f32x4_mul(b, s)));
        store4(y + half + i, wasm_f32x4_add(wasm_f32x4_mul(b, c), wasm_f32x4_mul(a, s)));
    }
    for (; i < half; i++) {
        f32 a = x[i], b = x[half + i], c = table[2 * i], s = sign * table[2 * i + 1];
        y[i] = a * c - b * s;
        y[half + i] = b * c + a * s;
    }
}

/* y, x (batch, T, heads, 2 · half), angles, batch · T, T, heads, half, sign (immediate: −1 turns back) */
KERNEL(rope) {
    u32 heads = w[5].u, half = w[6].u, size = 2 * half;
    for (Range r = pieces(w[3].u * heads, 1 + 2048 / size); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++)
            rotate(floats(w[1]) + (size_t)i * size, floats(w[2]) + (size_t)(i / heads % w[4].u) * size, half, w[7].f,
                   floats(w[0]) + (size_t)i * size);
}

/* Where rows from `position` on go, or nowhere if they do not fit. */
static inline i32 place(Word position, u32 rows, u32 capacity) {
    f64 at = number(position);
    return at >= 0 && at + rows <= capacity ? (i32)at : -1;
}

/* cache, x (T, row), position slot, T, floats of a row, capacity */
KERNEL(cache_write) {
    i32 at = place(w[2], w[3].u, w[5].u);
    if (t->index || at < 0) return;
    u32 row = w[4].u;
    memcpy(floats(w[0]) + (size_t)at * row, floats(w[1]), (size_t)w[3].u * row * sizeof(f32));
}

/* y, q (T, heads, 2 · half), k, v (T, kv, 2 · half), keys, values, angles, row slot, T, heads, kv, half, capacity:
 * rotated queries; rotated keys and the values go to the cache from that row on. */
KERNEL(rope_cache) {
    u32 tokens = w[8].u, heads = w[9].u, kv = w[10].u, half = w[11].u, size = 2 * half, jobs = heads + 2 * kv;
    i32 at = place(w[7], tokens, w[12].u);
    if (at < 0) return;
    for (Range r = pieces(tokens * jobs, 32); take(t, &r);)
        for (u32 i = r.start; i < r.end; i++) {
            u32 token = i / jobs, job = i % jobs;
            const f32 *angles = floats(w[6]) + (size_t)token * size;
            size_t row = (size_t)(at + token) * kv;
            if (job < heads) {
                size_t head = (size_t)token * heads + job;
                rotate(floats(w[1]) + head * size, angles, half, 1, floats(w[0]) + head * size);
            } else if (job < heads + kv) {
                u32 head = job - heads;
                rotate(floats(w[2]) + ((size_t)token * kv + head) * size, angles, half, 1,
                       floats(w[4]) + (row + head) * size);
            } else {
                u32 head = job - heads - kv;
                memcpy(floats(w[5]) + (row + head) * size, floats(w[3]) + ((size_t)token * kv + head) * size,
                       size * sizeof(f32));
            }
        }
}
