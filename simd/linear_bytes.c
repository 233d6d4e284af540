/* Products of repacked weights with digits in bytes, by the relaxed dot: integer dots, one float multiply–add per block.
 * Lane r of a sum collects Σ over four elements of row r. */
#include "linear_digits.h"

#ifdef __wasm_relaxed_simd__

#define LOW wasm_i8x16_splat(15)
static inline v128 high_nibbles(v128 v) { return wasm_v128_and(wasm_u16x8_shr(v, 4), LOW); }
static inline v128 zero(void) { return wasm_i32x4_splat(0); }

/* nibbles (0 … 15) of four rows · a signed digit */
static inline v128 dot_nibbles(v128 s, v128 n, v128 a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, n, s); }
/* signed weights · a digit of 0 … 127 */
static inline v128 dot_bytes(v128 s, v128 w, v128 a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, a, s); }
static inline v128 four(const void *a) { return wasm_v128_load32_splat(a); }

/* --- eight rows times one token ----------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void vector_q4(const u8 *w, const Digits *d, u32 k, f32 *out,
                                                            int minimums) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->four;
    for (u32 b = 0; b < k / BLOCK; b++, w += minimums ? 160 : 144) {
        const u8 *q = w + (minimums ? 32 : 16);
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
        v128 scales = wasm_v128_load(w), d0 = half_low(scales), d1 = half_high(scales), m0, m1;
        v128 scale = wasm_v128_load32_splat(d->four_scale + b), sum = wasm_v128_load32_splat(d->four_sum + b);
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
    const u8 *a = d->eight;
    for (u32 b = 0; b < k / BLOCK; b++, w += 272) {
        const u8 *q = w + 16;
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
        v128 scales = wasm_v128_load(w), scale = wasm_v128_load32_splat(d->eight_scale + b);
        y0 = fma4(wasm_f32x4_convert_i32x4(s0), wasm_f32x4_mul(half_low(scales), scale), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(s1), wasm_f32x4_mul(half_high(scales), scale), y1);
    }
    store4(out, y0);
    store4(out + 4, y1);
}

void group_vector_bytes(u32 storage, const u8 *group, const Digits *d, u32 k, f32 *out8) {
    if (storage == Q4_1) vector_q4(group, d, k, out8, 1);
    else if (storage == Q4_0) vector_q4(group, d, k, out8, 0);
    else vector_q8(group, d, k, out8);
}

/* --- eight rows times tiles of four tokens -------------------------------------------------------------------------
 * To a block's high digits −64 · Σ weights is added for Q8_0, as integers. */

/* out (TILE, 8) = group · tile. `q`: 256 bytes a block, `stride` apart: nibbles of one byte each, or signed bytes. */
static inline __attribute__((always_inline)) void tile_digits(const u8 *q, u32 stride, const Scales *s, const u8 *a,
                                                              const f32 *scale, const f32 *sum, u32 k, f32 *out, int q8) {
    memset(out, 0, TILE * 8 * sizeof(f32));
    for (u32 b = 0; b < k / BLOCK; b++, q += stride, s++, scale += TILE, sum += TILE) {
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
        add_block(s, sums0, sums1, scale, sum, out, !q8);
    }
}

static void unpack(u32 storage, const u8 *w, u32 blocks, Scales *scales, u8 *integers) {
    for (u32 b = 0; b < blocks; b++, w += block_bytes(storage)) {
        read_scales(storage, w, scales + b);
        if (storage == Q8_0) {
            v128 m0 = zero(), m1 = m0;
            for (u32 i = 0; i < 8; i++) {
                m0 = dot_bytes(m0, wasm_v128_load(w + 16 + 32 * i), wasm_i8x16_splat(64));
                m1 = dot_bytes(m1, wasm_v128_load(w + 32 + 32 * i), wasm_i8x16_splat(64));
            }
            store4(scales[b].added, wasm_i32x4_neg(m0));
            store4(scales[b].added + 4, wasm_i32x4_neg(m1));
            continue;
        }
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

void group_matrix_bytes(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel) {
    u32 blocks = k / BLOCK, step = digits_bytes(want, k, TILE);
    Scales *scales = (Scales *)panel;
    u8 *integers = panel + blocks * sizeof(Scales);
    unpack(storage, group, blocks, scales, integers);
    for (u32 t = 0; t < tiles; t++, digits += step, out += TILE * 8) {
        Digits d = digits_at(digits, want, k, TILE);
        if (storage == Q8_0) tile_digits(group + 16, 272, scales, d.eight, d.eight_scale, d.eight_scale, k, out, 1);
        else tile_digits(integers, 256, scales, d.four, d.four_scale, d.four_sum, k, out, 0);
    }
}

#endif
