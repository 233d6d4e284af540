/* Products of repacked weights with quantised activations: integer dots, one float multiply–add per block. */
#include "linear.h"

/* --- activations → digits ----------------------------------------------------------------------------------------- */

/* The largest magnitude of a block; NaN if there is one. */
static inline f32 largest(const f32 *x) {
    v128 m = wasm_f32x4_splat(0), all = m;
    for (u32 i = 0; i < BLOCK; i += 4) {
        v128 v = wasm_f32x4_abs(load4(x + i));
        m = wasm_f32x4_pmax(m, v);
        all = wasm_f32x4_add(all, v);
    }
    f32 most = max4(m), sum = sum4(all);
    return sum != sum ? sum : most < 1e-30f ? 0 : most;
}
/* round(x · factor), 4 integers. */
static inline v128 rounded(const f32 *x, v128 factor) {
    return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_f32x4_mul(load4(x), factor)));
}
/* Four numbers, split as 2^bits · high + low, to their places in a block. */
static inline void put(u8 *block, v128 q, v128 high, v128 low, u32 group, u32 width, u32 token) {
#ifdef __wasm_relaxed_simd__
    (void)q;
    v128 both = wasm_i16x8_narrow_i32x4(high, low), bytes = wasm_i8x16_narrow_i16x8(both, both);
    if (width == 1) {
        wasm_v128_store64_lane(block + 8 * group, bytes, 0);
    } else {
        wasm_v128_store32_lane(block + (group * width + token) * 4, bytes, 0);
        wasm_v128_store32_lane(block + ((8 + group) * width + token) * 4, bytes, 1);
    }
#else
    (void)high, (void)low;
    wasm_v128_store64_lane(block + (group * width + token) * 8, wasm_i16x8_narrow_i32x4(q, q), 0);
#endif
}

void quantise_token(const f32 *x, u32 k, const Digits *d, u32 want, u32 width, u32 token) {
    for (u32 b = 0; b < k / BLOCK; b++, x += BLOCK) {
        f32 most = largest(x);
        u32 at = b * width + token;
        if (want & WANT16) { /* 127 · 256 at most, so that the high digit is a signed byte */
            v128 factor = wasm_f32x4_splat(most > 0 ? 32512 / most : 0), sum = wasm_i32x4_splat(0);
            for (u32 i = 0; i < 8; i++) {
                v128 q = rounded(x + 4 * i, factor);
                v128 high = wasm_i32x4_shr(wasm_i32x4_add(q, wasm_i32x4_splat(128)), 8);
                v128 low = wasm_i32x4_sub(q, wasm_i32x4_shl(high, 8));
                sum = wasm_i32x4_add(sum, q);
                put((u8 *)d->q16 + (size_t)b * 64 * width, q, high, low, i, width, token);
            }
            sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
            d->scale16[at] = most / 32512;
            d->sum16[at] = d->scale16[at] * (f32)(wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1));
        }
        if (want & WANT14) {
            v128 factor = wasm_f32x4_splat(most > 0 ? 8191 / most : 0);
            for (u32 i = 0; i < 8; i++) {
                v128 q = rounded(x + 4 * i, factor), u = wasm_i32x4_add(q, wasm_i32x4_splat(8192));
                put(d->q14 + (size_t)b * 64 * width, q, wasm_u32x4_shr(u, 7), wasm_v128_and(u, wasm_i32x4_splat(127)),
                    i, width, token);
            }
            d->scale14[at] = most / 8191;
        }
    }
}

void quantise_nothing(u32 k, const Digits *d, u32 want, u32 width, u32 token) {
    static const f32 zeros[BLOCK];
    for (u32 b = 0; b < k / BLOCK; b++) {
        Digits at = {.q16 = d->q16 + (size_t)b * 64 * width,
                     .scale16 = d->scale16 + b * width,
                     .sum16 = d->sum16 + b * width,
                     .q14 = d->q14 + (size_t)b * 64 * width,
                     .scale14 = d->scale14 + b * width};
        quantise_token(zeros, BLOCK, &at, want, width, token);
    }
}

/* --- integer dots -------------------------------------------------------------------------------------------------
 * Lane r of `Sum` collects Σ over four elements of row r. Without the relaxed dot, 16-bit products are added in pairs,
 * which takes two vectors until the end; the two digits are one number then. */

#define LOW wasm_i8x16_splat(15)
static inline v128 high_nibbles(v128 v) { return wasm_v128_and(wasm_u16x8_shr(v, 4), LOW); }
static inline v128 zero(void) { return wasm_i32x4_splat(0); }

#ifdef __wasm_relaxed_simd__
/* nibbles (0 … 15) of four rows · a signed digit */
static inline v128 dot_nibbles(v128 s, v128 n, v128 a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, n, s); }
/* signed weights · a digit of 0 … 127 */
static inline v128 dot_bytes(v128 s, v128 w, v128 a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, a, s); }
static inline v128 four(const void *a) { return wasm_v128_load32_splat(a); }
#else
typedef struct {
    v128 low, high;
} Sum;
static inline Sum none(void) { return (Sum){zero(), zero()}; }
static inline v128 total(Sum s) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(s.low, s.high, 0, 2, 4, 6), wasm_i32x4_shuffle(s.low, s.high, 1, 3, 5, 7));
}
static inline Sum dot16(Sum s, v128 low, v128 high, v128 a) {
    return (Sum){wasm_i32x4_add(s.low, wasm_i32x4_dot_i16x8(low, a)),
                 wasm_i32x4_add(s.high, wasm_i32x4_dot_i16x8(high, a))};
}
static inline v128 four(const void *a) { return wasm_v128_load64_splat(a); }
#define NIBBLES16(n) wasm_u16x8_extend_low_u8x16(n), wasm_u16x8_extend_high_u8x16(n)
#define BYTES16(w) wasm_i16x8_extend_low_i8x16(w), wasm_i16x8_extend_high_i8x16(w)
#endif

/* --- eight rows times one token ----------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void vector_q4(const u8 *w, const Digits *d, u32 k, f32 *out,
                                                            int minimums) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const i8 *a = d->q16;
    for (u32 b = 0; b < k / BLOCK; b++, w += minimums ? 160 : 144) {
        const u8 *q = w + (minimums ? 32 : 16);
#ifdef __wasm_relaxed_simd__
        v128 h0 = zero(), h1 = h0, l0 = h0, l1 = h0;
    ROLLED for (u32 i = 0; i < 4; i++, q += 32, a += 16) {
            v128 v0 = wasm_v128_load(q), v1 = wasm_v128_load(q + 16);
            v128 n0 = wasm_v128_and(v0, LOW), n1 = wasm_v128_and(v1, LOW), f = four(a);
            h0 = dot_nibbles(h0, n0, f), h1 = dot_nibbles(h1, n1, f);
            f = four(a + 4);
            l0 = dot_nibbles(l0, n0, f), l1 = dot_nibbles(l1, n1, f);
            n0 = high_nibbles(v0), n1 = high_nibbles(v1), f = four(a + 8);
            h0 = dot_nibbles(h0, n0, f), h1 = dot_nibbles(h1, n1, f);
            f = four(a + 12);
            l0 = dot_nibbles(l0, n0, f), l1 = dot_nibbles(l1, n1, f);
        }
        v128 s0 = wasm_i32x4_add(wasm_i32x4_shl(h0, 8), l0), s1 = wasm_i32x4_add(wasm_i32x4_shl(h1, 8), l1);
#else
        Sum t0 = none(), t1 = none();
    ROLLED for (u32 i = 0; i < 4; i++, q += 32, a += 16) {
            v128 v0 = wasm_v128_load(q), v1 = wasm_v128_load(q + 16), f = four(a);
            t0 = dot16(t0, NIBBLES16(wasm_v128_and(v0, LOW)), f), t1 = dot16(t1, NIBBLES16(wasm_v128_and(v1, LOW)), f);
            f = four(a + 8);
            t0 = dot16(t0, NIBBLES16(high_nibbles(v0)), f), t1 = dot16(t1, NIBBLES16(high_nibbles(v1)), f);
        }
        v128 s0 = total(t0), s1 = total(t1);
#endif
        v128 scales = wasm_v128_load(w), d0 = half_low(scales), d1 = half_high(scales), m0, m1;
        v128 scale = wasm_v128_load32_splat(d->scale16 + b), sum = wasm_v128_load32_splat(d->sum16 + b);
        if (minimums) {
            v128 halves = wasm_v128_load(w + 16);
            m0 = half_low(halves), m1 = half_high(halves);
        } else {
            m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
        }
        y0 = fma4(m0, sum, y0), y1 = fma4(m1, sum, y1);
        y0 = fma4(wasm_f32x4_convert_i32x4(s0), wasm_f32x4_mul(d0, scale), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(s1), wasm_f32x4_mul(d1, scale), y1);
    }
    store4(out, y0);
    store4(out + 4, y1);
}

static void vector_q8(const u8 *w, const Digits *d, u32 k, f32 *out) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->q14;
    for (u32 b = 0; b < k / BLOCK; b++, w += 272) {
        const u8 *q = w + 16;
#ifdef __wasm_relaxed_simd__
        v128 half = wasm_i8x16_splat(64), h0 = zero(), h1 = h0, l0 = h0, l1 = h0, n0 = h0, n1 = h0;
        ROLLED for (u32 i = 0; i < 8; i++, q += 32, a += 8) {
            v128 v0 = wasm_v128_load(q), v1 = wasm_v128_load(q + 16), f = four(a);
            h0 = dot_bytes(h0, v0, f), h1 = dot_bytes(h1, v1, f);
            f = four(a + 4);
            l0 = dot_bytes(l0, v0, f), l1 = dot_bytes(l1, v1, f);
            n0 = dot_bytes(n0, v0, half), n1 = dot_bytes(n1, v1, half); /* the share of the 8192 above */
        }
        v128 s0 = wasm_i32x4_add(wasm_i32x4_shl(wasm_i32x4_sub(h0, n0), 7), l0);
        v128 s1 = wasm_i32x4_add(wasm_i32x4_shl(wasm_i32x4_sub(h1, n1), 7), l1);
#else
        Sum t0 = none(), t1 = none();
        ROLLED for (u32 i = 0; i < 8; i++, q += 32, a += 8) {
            v128 v0 = wasm_v128_load(q), v1 = wasm_v128_load(q + 16), f = four(a);
            t0 = dot16(t0, BYTES16(v0), f), t1 = dot16(t1, BYTES16(v1), f);
        }
        v128 s0 = total(t0), s1 = total(t1);
#endif
        v128 scales = wasm_v128_load(w), scale = wasm_v128_load32_splat(d->scale14 + b);
        y0 = fma4(wasm_f32x4_convert_i32x4(s0), wasm_f32x4_mul(half_low(scales), scale), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(s1), wasm_f32x4_mul(half_high(scales), scale), y1);
    }
    store4(out, y0);
    store4(out + 4, y1);
}

void group_vector_digits(u32 storage, const u8 *group, const Digits *d, u32 k, f32 *out8) {
    if (storage == Q4_1) vector_q4(group, d, k, out8, 1);
    else if (storage == Q4_0) vector_q4(group, d, k, out8, 0);
    else vector_q8(group, d, k, out8);
}

/* --- eight rows times tiles of four tokens -------------------------------------------------------------------------
 * What a block's sum of digits is multiplied by, and what is added to it: for the 4-bit storages `added` times the sum
 * of the activations at the end, for Q8_0 −64 · Σ weights, as integers, to the high digits. */

typedef struct {
    f32 scale[8], added[8];
} Scales;

/* out (TILE, 8) = group · tile. `q`: 256 bytes a block, `stride` apart: nibbles of one byte each, or signed bytes. */
static inline __attribute__((always_inline)) void tile_digits(const u8 *q, u32 stride, const Scales *s, const u8 *a,
                                                              const f32 *scale, const f32 *sum, u32 k, f32 *out, int q8) {
    memset(out, 0, TILE * 8 * sizeof(f32));
    for (u32 b = 0; b < k / BLOCK; b++, q += stride, s++, scale += TILE, sum += TILE) {
#ifdef __wasm_relaxed_simd__
        v128 x0 = q8 ? load4(s->added) : zero(), x1 = x0, x2 = x0, x3 = x0;
        v128 z0 = q8 ? load4(s->added + 4) : zero(), z1 = z0, z2 = z0, z3 = z0;
        ROLLED for (u32 digit = 0; digit < 2; digit++) {
            if (digit) {
                u32 bits = q8 ? 7 : 8;
                x0 = wasm_i32x4_shl(x0, bits), x1 = wasm_i32x4_shl(x1, bits), x2 = wasm_i32x4_shl(x2, bits);
                x3 = wasm_i32x4_shl(x3, bits), z0 = wasm_i32x4_shl(z0, bits), z1 = wasm_i32x4_shl(z1, bits);
                z2 = wasm_i32x4_shl(z2, bits), z3 = wasm_i32x4_shl(z3, bits);
            }
            const u8 *p = q;
            ROLLED for (u32 i = 0; i < 8; i++, p += 32, a += 4 * TILE) {
                v128 v = wasm_v128_load(p), u = wasm_v128_load(p + 16), f = four(a);
#define DOT(s, w) s = q8 ? dot_bytes(s, w, f) : dot_nibbles(s, w, f)
                DOT(x0, v), DOT(z0, u), f = four(a + 4);
                DOT(x1, v), DOT(z1, u), f = four(a + 8);
                DOT(x2, v), DOT(z2, u), f = four(a + 12);
                DOT(x3, v), DOT(z3, u);
#undef DOT
            }
        }
        v128 sums0[TILE] = {x0, x1, x2, x3}, sums1[TILE] = {z0, z1, z2, z3};
#else
        v128 sums0[TILE], sums1[TILE];
        ROLLED for (u32 t = 0; t < TILE; t++) {
            Sum x = none(), z = none();
            ROLLED for (u32 i = 0; i < 8; i++) {
                v128 v = wasm_v128_load(q + 32 * i), u = wasm_v128_load(q + 32 * i + 16), f = four(a + (i * TILE + t) * 8);
                if (q8) x = dot16(x, BYTES16(v), f), z = dot16(z, BYTES16(u), f);
                else x = dot16(x, NIBBLES16(v), f), z = dot16(z, NIBBLES16(u), f);
            }
            sums0[t] = total(x), sums1[t] = total(z);
        }
        a += 64 * TILE;
#endif
        v128 d0 = load4(s->scale), d1 = load4(s->scale + 4), m0 = load4(s->added), m1 = load4(s->added + 4);
#pragma clang loop unroll(full)
        for (u32 t = 0; t < TILE; t++) {
            v128 y0 = load4(out + 8 * t), y1 = load4(out + 8 * t + 4), by = wasm_v128_load32_splat(scale + t);
            if (!q8) {
                v128 of = wasm_v128_load32_splat(sum + t);
                y0 = fma4(m0, of, y0), y1 = fma4(m1, of, y1);
            }
            store4(out + 8 * t, fma4(wasm_f32x4_convert_i32x4(sums0[t]), wasm_f32x4_mul(d0, by), y0));
            store4(out + 8 * t + 4, fma4(wasm_f32x4_convert_i32x4(sums1[t]), wasm_f32x4_mul(d1, by), y1));
        }
    }
}

static void unpack(u32 storage, const u8 *w, u32 blocks, Scales *scales, u8 *integers) {
    for (u32 b = 0; b < blocks; b++, w += block_bytes(storage)) {
        v128 halves = wasm_v128_load(w), d0 = half_low(halves), d1 = half_high(halves);
        store4(scales[b].scale, d0);
        store4(scales[b].scale + 4, d1);
        v128 m0 = zero(), m1 = m0;
        if (storage == Q8_0) {
#ifdef __wasm_relaxed_simd__
            for (u32 i = 0; i < 8; i++) {
                m0 = dot_bytes(m0, wasm_v128_load(w + 16 + 32 * i), wasm_i8x16_splat(64));
                m1 = dot_bytes(m1, wasm_v128_load(w + 32 + 32 * i), wasm_i8x16_splat(64));
            }
            store4(scales[b].added, wasm_i32x4_neg(m0));
            store4(scales[b].added + 4, wasm_i32x4_neg(m1));
#endif
            continue;
        }
        if (storage == Q4_1) {
            halves = wasm_v128_load(w + 16);
            m0 = half_low(halves), m1 = half_high(halves);
        } else {
            m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
        }
        store4(scales[b].added, m0);
        store4(scales[b].added + 4, m1);
        const u8 *q = w + (storage == Q4_1 ? 32 : 16);
        u8 *to = integers + 256 * b;
        for (u32 i = 0; i < 4; i++)
            for (u32 half = 0; half < 2; half++) {
                v128 v = wasm_v128_load(q + 32 * i + 16 * half);
                wasm_v128_store(to + 64 * i + 16 * half, wasm_v128_and(v, LOW));
                wasm_v128_store(to + 64 * i + 32 + 16 * half, high_nibbles(v));
            }
    }
}

void group_matrix_digits(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel) {
    u32 blocks = k / BLOCK, step = digits_bytes(want, k, TILE);
    Scales *scales = (Scales *)panel;
    u8 *integers = panel + blocks * sizeof(Scales);
    unpack(storage, group, blocks, scales, integers);
    for (u32 t = 0; t < tiles; t++, digits += step, out += TILE * 8) {
        Digits d = digits_at(digits, want, k, TILE);
        if (storage == Q8_0) tile_digits(group + 16, 272, scales, d.q14, d.scale14, d.scale14, k, out, 1);
        else tile_digits(integers, 256, scales, (const u8 *)d.q16, d.scale16, d.sum16, k, out, 0);
    }
}
