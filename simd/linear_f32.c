/* Products of weights in any storage with float activations: weights widened in registers, float sums. */
#include "linear.h"

#define AHEAD 384 /* bytes that memory is prefetched ahead, one token */

/* Four elements of a row in an element storage. */
static inline __attribute__((always_inline)) v128 widen4(u32 storage, const u8 *row, u32 i) {
    if (storage == F32) return load4((const f32 *)row + i);
    if (storage == BF16) return wasm_i32x4_shl(wasm_u32x4_load16x4((const u16 *)row + i), 16);
    return half4_any(wasm_i32x4_load16x4((const i16 *)row + i));
}
static inline f32 widen1(u32 storage, const u8 *row, u32 i) {
    if (storage == F32) return ((const f32 *)row)[i];
    i32 bits = storage == BF16 ? ((const u16 *)row)[i] : ((const i16 *)row)[i];
    v128 v = wasm_i32x4_splat(bits);
    return wasm_f32x4_extract_lane(storage == BF16 ? wasm_i32x4_shl(v, 16) : half4_any(v), 0);
}
static inline u32 element_bytes(u32 storage) { return storage == F32 ? 4 : 2; }

/* --- eight rows times one token ----------------------------------------------------------------------------------- */

/* One row after the other, since memory is fastest as one stream, prefetched up to `end`. */
static inline __attribute__((always_inline)) void vector_rows(u32 storage, const u8 *w, u32 count, const f32 *x, u32 k,
                                                              f32 *out, const u8 *end) {
    u32 size = element_bytes(storage);
    for (u32 r = 0; r < count; r++, w += (size_t)k * size) {
        v128 a = wasm_f32x4_splat(0), b = a, c = a, d = a;
        u32 i = 0;
    ROLLED for (; i + 16 <= k; i += 16) {
            const volatile u8 *soon = w + i * size + AHEAD;
            if (soon < end) (void)*soon;
            a = fma4(widen4(storage, w, i), load4(x + i), a), b = fma4(widen4(storage, w, i + 4), load4(x + i + 4), b);
            c = fma4(widen4(storage, w, i + 8), load4(x + i + 8), c), d = fma4(widen4(storage, w, i + 12), load4(x + i + 12), d);
        }
        f32 y = sum4(wasm_f32x4_add(wasm_f32x4_add(a, b), wasm_f32x4_add(c, d)));
        for (; i < k; i++) y += widen1(storage, w, i) * x[i];
        out[r] = y;
    }
    for (u32 r = count; r < GROUP; r++) out[r] = 0;
}

/* The nibble at `shift` of every lane, as floats. */
#define NIBBLE(v, shift) wasm_f32x4_convert_i32x4(wasm_v128_and(wasm_u32x4_shr(v, shift), wasm_i32x4_splat(15)))

static inline __attribute__((always_inline)) void vector_q4(const u8 *w, const f32 *x, u32 k, f32 *out, int minimums) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    for (u32 b = 0; b < k / BLOCK; b++, x += BLOCK, w += minimums ? 160 : 144) {
        const u8 *q = w + (minimums ? 32 : 16);
        v128 s0 = wasm_f32x4_splat(0), s1 = s0, t0 = s0, t1 = s0, sum = s0;
        ROLLED for (u32 i = 0; i < 4; i++) {
            v128 v = wasm_v128_load(q + 32 * i), u = wasm_v128_load(q + 32 * i + 16);
            sum = wasm_f32x4_add(sum, wasm_f32x4_add(load4(x + 8 * i), load4(x + 8 * i + 4)));
#define STEP(c)                                                                                                     \
    {                                                                                                               \
        v128 low = wasm_v128_load32_splat(x + 8 * i + c), high = wasm_v128_load32_splat(x + 8 * i + 4 + c);         \
        s0 = fma4(NIBBLE(v, 8 * c), low, s0);                                                                       \
        s1 = fma4(NIBBLE(u, 8 * c), low, s1);                                                                       \
        t0 = fma4(NIBBLE(v, 8 * c + 4), high, t0);                                                                  \
        t1 = fma4(NIBBLE(u, 8 * c + 4), high, t1);                                                                  \
    }
            STEP(0) STEP(1) STEP(2) STEP(3)
#undef STEP
        }
        v128 halves = wasm_v128_load(w), d0 = half_low(halves), d1 = half_high(halves), m0, m1;
        if (minimums) {
            halves = wasm_v128_load(w + 16);
            m0 = half_low(halves), m1 = half_high(halves);
        } else {
            m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
        }
        v128 all = wasm_f32x4_splat(sum4(sum));
        y0 = fma4(m0, all, fma4(d0, wasm_f32x4_add(s0, t0), y0));
        y1 = fma4(m1, all, fma4(d1, wasm_f32x4_add(s1, t1), y1));
    }
    store4(out, y0);
    store4(out + 4, y1);
}

/* The signed byte c of every lane, as floats. */
#define BYTE(v, c) wasm_f32x4_convert_i32x4(wasm_i32x4_shr(wasm_i32x4_shl(v, 24 - 8 * c), 24))

static void vector_q8(const u8 *w, const f32 *x, u32 k, f32 *out) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    for (u32 b = 0; b < k / BLOCK; b++, x += BLOCK, w += 272) {
        v128 s0 = wasm_f32x4_splat(0), s1 = s0, t0 = s0, t1 = s0;
        ROLLED for (u32 i = 0; i < 8; i++) {
            v128 v = wasm_v128_load(w + 16 + 32 * i), u = wasm_v128_load(w + 32 + 32 * i);
            v128 f = wasm_v128_load32_splat(x + 4 * i);
            s0 = fma4(BYTE(v, 0), f, s0), s1 = fma4(BYTE(u, 0), f, s1);
            f = wasm_v128_load32_splat(x + 4 * i + 1);
            t0 = fma4(BYTE(v, 1), f, t0), t1 = fma4(BYTE(u, 1), f, t1);
            f = wasm_v128_load32_splat(x + 4 * i + 2);
            s0 = fma4(BYTE(v, 2), f, s0), s1 = fma4(BYTE(u, 2), f, s1);
            f = wasm_v128_load32_splat(x + 4 * i + 3);
            t0 = fma4(BYTE(v, 3), f, t0), t1 = fma4(BYTE(u, 3), f, t1);
        }
        v128 halves = wasm_v128_load(w);
        y0 = fma4(half_low(halves), wasm_f32x4_add(s0, t0), y0);
        y1 = fma4(half_high(halves), wasm_f32x4_add(s1, t1), y1);
    }
    store4(out, y0);
    store4(out + 4, y1);
}

static inline const u8 *row_of(const u8 *weight, u32 storage, u32 group, u32 k) {
    return weight + (size_t)group * GROUP * k * element_bytes(storage);
}

void group_vector_floats(u32 storage, const u8 *weight, u32 group, u32 rows, const f32 *x, u32 k, f32 *out8) {
    u32 count = min_u32(GROUP, rows - group * GROUP);
    const u8 *packed = weight + (size_t)group * (k / BLOCK) * block_bytes(storage);
    const u8 *end = weight + (size_t)rows * k * element_bytes(storage); /* of rows of plain numbers */
    switch (storage) {
    case F32: vector_rows(F32, row_of(weight, F32, group, k), count, x, k, out8, end); break;
    case F16: vector_rows(F16, row_of(weight, F16, group, k), count, x, k, out8, end); break;
    case BF16: vector_rows(BF16, row_of(weight, BF16, group, k), count, x, k, out8, end); break;
    case Q8_0: vector_q8(packed, x, k, out8); break;
    case Q4_0: vector_q4(packed, x, k, out8, 0); break;
    default: vector_q4(packed, x, k, out8, 1);
    }
}

/* --- eight rows times many tokens: a panel (k, 8) of widened weights times tiles of tokens ------------------------------- */

#define PANEL 512 /* columns widened together: they and the tokens' share of the first cache */

static inline __attribute__((always_inline)) void widen_rows(u32 storage, const u8 *w, u32 count, u32 k, u32 from, u32 to,
                                                             f32 *panel) {
    const u8 *p[GROUP];
    for (u32 r = 0; r < GROUP; r++) p[r] = w + (size_t)min_u32(r, count - 1) * k * element_bytes(storage);
    u32 i = from;
    for (; i + 4 <= to; i += 4, panel += 32)
        for (u32 h = 0; h < 8; h += 4)
            store_columns(panel + h, GROUP, widen4(storage, p[h], i), widen4(storage, p[h + 1], i), widen4(storage, p[h + 2], i),
                          widen4(storage, p[h + 3], i));
    for (; i < to; i++, panel += 8)
        for (u32 r = 0; r < GROUP; r++) panel[r] = widen1(storage, p[r], i);
}

static void widen_blocks(u32 storage, const u8 *w, u32 blocks, f32 *panel) {
    for (u32 b = 0; b < blocks; b++, w += block_bytes(storage), panel += BLOCK * GROUP) {
        v128 halves = wasm_v128_load(w);
        for (u32 half = 0; half < 2; half++) {
            v128 d = half ? half_high(halves) : half_low(halves);
            f32 *to = panel + 4 * half;
            if (storage == Q8_0) {
                for (u32 i = 0; i < 8; i++, to += 32) {
                    v128 v = wasm_v128_load(w + 16 + 32 * i + 16 * half);
                    store4(to, wasm_f32x4_mul(d, BYTE(v, 0)));
                    store4(to + 8, wasm_f32x4_mul(d, BYTE(v, 1)));
                    store4(to + 16, wasm_f32x4_mul(d, BYTE(v, 2)));
                    store4(to + 24, wasm_f32x4_mul(d, BYTE(v, 3)));
                }
                continue;
            }
            v128 m = wasm_f32x4_mul(d, wasm_f32x4_splat(-8));
            if (storage == Q4_1) {
                v128 minimums = wasm_v128_load(w + 16);
                m = half ? half_high(minimums) : half_low(minimums);
            }
            for (u32 i = 0; i < 4; i++, to += 64) {
                v128 v = wasm_v128_load(w + (storage == Q4_1 ? 32 : 16) + 32 * i + 16 * half);
                store4(to, fma4(d, NIBBLE(v, 0), m));
                store4(to + 8, fma4(d, NIBBLE(v, 8), m));
                store4(to + 16, fma4(d, NIBBLE(v, 16), m));
                store4(to + 24, fma4(d, NIBBLE(v, 24), m));
                store4(to + 32, fma4(d, NIBBLE(v, 4), m));
                store4(to + 40, fma4(d, NIBBLE(v, 12), m));
                store4(to + 48, fma4(d, NIBBLE(v, 20), m));
                store4(to + 56, fma4(d, NIBBLE(v, 28), m));
            }
        }
    }
}

/* out (tokens, 8) += x (tokens, stride k) · panel (n, 8), for a tile of six tokens or of four; rows beyond `tokens` are computed
 * from the first one's and not stored. Six need all fifteen registers that V8 has, so each token's sums are fixed where they are
 * computed: otherwise the compiler keeps the broadcasts of all tokens in registers, and V8 the sums in memory. */
#define ROW(i) const f32 *p##i = tokens > i ? x + i * (size_t)k : x;
#define SUMS(i) v128 a##i = wasm_f32x4_splat(0), b##i = a##i;
#define STEP(i)                                                     \
    {                                                               \
        v128 f = wasm_v128_load32_splat(p##i++);                    \
        a##i = fma4(v, f, a##i), b##i = fma4(u, f, b##i);           \
        __asm__ volatile("" : "+r"(a##i), "+r"(b##i) : : "memory"); \
    }
#define STORE(i)                                                              \
    if (tokens > i) {                                                         \
        store4(out + 8 * i, wasm_f32x4_add(load4(out + 8 * i), a##i));        \
        store4(out + 8 * i + 4, wasm_f32x4_add(load4(out + 8 * i + 4), b##i)); \
    }
#define FOUR(M) M(0) M(1) M(2) M(3)
#define SIX(M) FOUR(M) M(4) M(5)
#define TILE_OF(name, ALL)                                                                             \
    static void name(const f32 *panel, u32 n, const f32 *x, u32 k, u32 tokens, f32 *out) {             \
        ALL(ROW) ALL(SUMS)                                                                             \
        ROLLED for (const f32 *end = panel + 8 * n; panel < end; panel += 8) {                         \
            v128 v = load4(panel), u = load4(panel + 4);                                               \
            ALL(STEP)                                                                                  \
        }                                                                                              \
        ALL(STORE)                                                                                     \
    }
TILE_OF(tile_of_four, FOUR)
TILE_OF(tile_of_six, SIX)

void group_matrix_floats(u32 storage, const u8 *weight, u32 group, u32 rows, const f32 *x, u32 k, u32 tokens, f32 *out,
                         u8 *scratch) {
    f32 *panel = (f32 *)scratch;
    u32 count = min_u32(GROUP, rows - group * GROUP);
    memset(out, 0, (size_t)tokens * GROUP * sizeof(f32));
    for (u32 from = 0; from < k; from += PANEL) {
        u32 to = min_u32(k, from + PANEL);
        switch (storage) {
        case F32: widen_rows(F32, row_of(weight, F32, group, k), count, k, from, to, panel); break;
        case F16: widen_rows(F16, row_of(weight, F16, group, k), count, k, from, to, panel); break;
        case BF16: widen_rows(BF16, row_of(weight, BF16, group, k), count, k, from, to, panel); break;
        default: {
            size_t block = (size_t)group * (k / BLOCK) + from / BLOCK;
            widen_blocks(storage, weight + block * block_bytes(storage), (to - from) / BLOCK, panel);
        }
        }
        for (u32 t = 0; t < tokens;) {
            u32 left = tokens - t, now = min_u32(left, left > 4 ? 6 : 4);
            (left > 4 ? tile_of_six : tile_of_four)(panel, to - from, x + (size_t)t * k + from, k, now, out + t * GROUP);
            t += now;
        }
    }
}
