/* Products of one vector with a matrix (matmul_vector.h). */
#include "matmul_vector.h"
#include "vecmath.h"

/* `blocks` · 4 columns at once: the sums stay in registers while the rows go by. */
static inline __attribute__((always_inline)) void columns(u32 blocks, f32 *y, const f32 *start, const f32 *x, u32 xs,
                                                          const f32 *m, u32 ms, u32 k) {
    v128 s[8];
    for (u32 b = 0; b < blocks; b++) s[b] = start ? load4(start + 4 * b) : zero4();
    for (u32 l = 0; l < k; l++) {
        v128 v = wasm_v128_load32_splat(x + (size_t)l * xs);
        const f32 *row = m + (size_t)l * ms;
        for (u32 b = 0; b < blocks; b++) s[b] = fma4(v, load4(row + 4 * b), s[b]);
    }
    for (u32 b = 0; b < blocks; b++) store4(y + 4 * b, s[b]);
}

void combine_rows(f32 *y, const f32 *start, const f32 *x, u32 xs, const f32 *m, u32 ms, u32 n, u32 k) {
    u32 j = 0;
#define AT(b) y + j, start ? start + j : 0, x, xs, m + j, ms, k
    for (; j + 32 <= n; j += 32) columns(8, AT());
    if (j + 16 <= n) columns(4, AT()), j += 16;
    if (j + 8 <= n) columns(2, AT()), j += 8;
    if (j + 4 <= n) columns(1, AT()), j += 4;
#undef AT
    for (; j < n; j++) {
        f32 s = start ? start[j] : 0;
        for (u32 l = 0; l < k; l++) s += x[(size_t)l * xs] * m[(size_t)l * ms + j];
        y[j] = s;
    }
}

/* The four horizontal sums as one vector. */
static inline v128 sums(v128 a, v128 b, v128 c, v128 d) {
    v128 ab = add4(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7)); /* a b a b */
    v128 cd = add4(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
    return add4(wasm_i64x2_shuffle(ab, cd, 0, 2), wasm_i64x2_shuffle(ab, cd, 1, 3));
}

void dot_rows(f32 *y, const f32 *start, const f32 *x, const f32 *m, u32 ms, u32 n, u32 k) {
    u32 j = 0;
    for (; j + 4 <= n; j += 4) {
        const f32 *r0 = m + (size_t)j * ms, *r1 = r0 + ms, *r2 = r1 + ms, *r3 = r2 + ms;
        v128 a = zero4(), b = a, c = a, d = a;
        u32 l = 0;
        for (; l + 4 <= k; l += 4) {
            v128 v = load4(x + l);
            a = fma4(v, load4(r0 + l), a);
            b = fma4(v, load4(r1 + l), b);
            c = fma4(v, load4(r2 + l), c);
            d = fma4(v, load4(r3 + l), d);
        }
        v128 s = sums(a, b, c, d);
        for (; l < k; l++) s = fma4(splat(x[l]), wasm_f32x4_make(r0[l], r1[l], r2[l], r3[l]), s);
        store4(y + j, start ? add4(load4(start + j), s) : s);
    }
    for (; j < n; j++) {
        const f32 *row = m + (size_t)j * ms;
        v128 a = zero4();
        u32 l = 0;
        for (; l + 4 <= k; l += 4) a = fma4(load4(x + l), load4(row + l), a);
        f32 s = sum4(a);
        for (; l < k; l++) s += x[l] * row[l];
        y[j] = start ? start[j] + s : s;
    }
}
