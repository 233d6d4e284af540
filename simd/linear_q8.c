/* Products of repacked weights with quantised activations: integer dots, one float multiply–add per block. */
#include "linear.h"

/* --- activations → digits ----------------------------------------------------------------------------------------- */

static inline f32 largest(const f32 *x) {
    v128 m = wasm_f32x4_splat(0);
    for (u32 i = 0; i < BLOCK; i += 4) m = wasm_f32x4_pmax(m, wasm_f32x4_abs(load4(x + i)));
    return max4(m);
}
/* round(x · factor), 4 integers. */
static inline v128 rounded(const f32 *x, v128 factor) {
    return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_f32x4_mul(load4(x), factor)));
}

void quantise_token(const f32 *x, u32 k, Digits *d, u32 want, u32 width, u32 token) {
    for (u32 b = 0; b < k / BLOCK; b++, x += BLOCK) {
        f32 most = largest(x);
        if (most < 1e-30f) most = 0;
        if (want & WANT8) {
            v128 factor = wasm_f32x4_splat(most > 0 ? 127 / most : 0), sum = wasm_i32x4_splat(0);
            f32 scale = most / 127;
            for (u32 i = 0; i < 8; i++) {
                v128 q = rounded(x + 4 * i, factor);
                sum = wasm_i32x4_add(sum, q);
                u8 *to = d->q8 + ((b * 8 + i) * width + token) * 4 * BYTES8;
                v128 q16 = wasm_i16x8_narrow_i32x4(q, q);
#ifdef __wasm_relaxed_simd__
                wasm_v128_store32_lane(to, wasm_i8x16_narrow_i16x8(q16, q16), 0);
#else
                wasm_v128_store64_lane(to, q16, 0);
#endif
            }
            sum = wasm_i32x4_add(sum, wasm_i32x4_shuffle(sum, sum, 2, 3, 0, 1));
            d->scale8[b * width + token] = scale;
            d->sum8[b * width + token] = scale * (f32)(wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1));
        }
        if (want & WANT14) {
            v128 factor = wasm_f32x4_splat(most > 0 ? 8191 / most : 0);
            d->scale14[b * width + token] = most / 8191;
            for (u32 i = 0; i < 8; i++) {
                v128 q = rounded(x + 4 * i, factor);
                u8 *to = d->q14 + ((b * 8 + i) * width + token) * 4 * BYTES14;
#ifdef __wasm_relaxed_simd__
                q = wasm_i32x4_add(q, wasm_i32x4_splat(8192));
                v128 high = wasm_u32x4_shr(q, 7), low = wasm_v128_and(q, wasm_i32x4_splat(127));
                v128 both = wasm_i16x8_narrow_i32x4(high, low);
                wasm_v128_store64_lane(to, wasm_u8x16_narrow_i16x8(both, both), 0);
#else
                wasm_v128_store64_lane(to, wasm_i16x8_narrow_i32x4(q, q), 0);
#endif
            }
        }
    }
}

void quantise_nothing(u32 k, Digits *d, u32 want, u32 width, u32 token) {
    static const f32 zeros[BLOCK];
    for (u32 b = 0; b < k / BLOCK; b++) {
        Digits at = *d;
        at.q8 += b * 8 * width * 4 * BYTES8, at.scale8 += b * width, at.sum8 += b * width;
        at.q14 += b * 8 * width * 4 * BYTES14, at.scale14 += b * width;
        quantise_token(zeros, BLOCK, &at, want, width, token);
    }
}

/* --- integer dots -------------------------------------------------------------------------------------------------
 * Lane r of `Sum` collects Σ over four elements of row r. Without the relaxed dot, 16-bit products are added in pairs,
 * which takes two vectors until the end. */

#ifdef __wasm_relaxed_simd__
typedef v128 Sum;
static inline Sum none(void) { return wasm_i32x4_splat(0); }
static inline v128 total(Sum s) { return s; }
typedef v128 Four; /* the same four activations for each of four rows */
static inline Four four8(const u8 *a) { return wasm_v128_load32_splat(a); }
/* nibbles (0 … 15) of four rows · signed activations */
static inline Sum dot_nibbles(Sum s, v128 nibbles, Four a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(a, nibbles, s); }
/* signed weights · digits (0 … 127) */
static inline Sum dot_bytes(Sum s, v128 weights, Four a) { return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(weights, a, s); }
#else
typedef struct {
    v128 low, high;
} Sum;
static inline Sum none(void) { return (Sum){wasm_i32x4_splat(0), wasm_i32x4_splat(0)}; }
static inline v128 total(Sum s) {
    return wasm_i32x4_add(wasm_i32x4_shuffle(s.low, s.high, 0, 2, 4, 6), wasm_i32x4_shuffle(s.low, s.high, 1, 3, 5, 7));
}
typedef v128 Four;
static inline Four four8(const u8 *a) { return wasm_v128_load64_splat(a); }
static inline Sum dot_nibbles(Sum s, v128 n, Four a) {
    return (Sum){wasm_i32x4_add(s.low, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16(n), a)),
                 wasm_i32x4_add(s.high, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16(n), a))};
}
static inline Sum dot_bytes(Sum s, v128 w, Four a) {
    return (Sum){wasm_i32x4_add(s.low, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(w), a)),
                 wasm_i32x4_add(s.high, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(w), a))};
}
#endif

#define A8 (4 * BYTES8) /* bytes of four activations */
#define LOW wasm_i8x16_splat(15)
static inline v128 high_nibbles(v128 v) { return wasm_v128_and(wasm_u16x8_shr(v, 4), LOW); }

/* --- eight rows times one token ----------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void vector_q4(const u8 *w, const Digits *d, u32 k, f32 *out, int minimums) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->q8;
    for (u32 b = 0; b < k / BLOCK; b++, a += 8 * A8, w += minimums ? 160 : 144) {
        const u8 *q = w + (minimums ? 32 : 16);
        Sum s0 = none(), s1 = none(), t0 = none(), t1 = none();
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 4; i++) {
            Four low = four8(a + 2 * i * A8), high = four8(a + (2 * i + 1) * A8);
            v128 v0 = wasm_v128_load(q + 32 * i), v1 = wasm_v128_load(q + 32 * i + 16);
            s0 = dot_nibbles(s0, wasm_v128_and(v0, LOW), low);
            s1 = dot_nibbles(s1, wasm_v128_and(v1, LOW), low);
            t0 = dot_nibbles(t0, high_nibbles(v0), high);
            t1 = dot_nibbles(t1, high_nibbles(v1), high);
        }
        v128 scales = wasm_v128_load(w), scale = wasm_v128_load32_splat(d->scale8 + b), sum = wasm_v128_load32_splat(d->sum8 + b);
        v128 d0 = half_low(scales), d1 = half_high(scales), m0, m1;
        if (minimums) {
            v128 halves = wasm_v128_load(w + 16);
            m0 = half_low(halves), m1 = half_high(halves);
        } else {
            m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
        }
        y0 = fma4(m0, sum, y0);
        y1 = fma4(m1, sum, y1);
        y0 = fma4(wasm_f32x4_convert_i32x4(wasm_i32x4_add(total(s0), total(t0))), wasm_f32x4_mul(d0, scale), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(wasm_i32x4_add(total(s1), total(t1))), wasm_f32x4_mul(d1, scale), y1);
    }
    store4(out, y0);
    store4(out + 4, y1);
}

static void vector_q8(const u8 *w, const Digits *d, u32 k, f32 *out) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->q14;
    for (u32 b = 0; b < k / BLOCK; b++, a += 64, w += 272) {
        const u8 *q = w + 16;
#ifdef __wasm_relaxed_simd__
        v128 half = wasm_i8x16_splat(64);
        Sum h0 = none(), h1 = none(), l0 = none(), l1 = none(), n0 = none(), n1 = none();
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 8; i++) {
            Four high = four8(a + 8 * i), low = four8(a + 8 * i + 4);
            v128 v0 = wasm_v128_load(q + 32 * i), v1 = wasm_v128_load(q + 32 * i + 16);
            h0 = dot_bytes(h0, v0, high);
            h1 = dot_bytes(h1, v1, high);
            l0 = dot_bytes(l0, v0, low);
            l1 = dot_bytes(l1, v1, low);
            n0 = dot_bytes(n0, v0, half);
            n1 = dot_bytes(n1, v1, half);
        }
        v128 s0 = wasm_i32x4_add(wasm_i32x4_shl(wasm_i32x4_sub(h0, n0), 7), l0);
        v128 s1 = wasm_i32x4_add(wasm_i32x4_shl(wasm_i32x4_sub(h1, n1), 7), l1);
#else
        Sum t0 = none(), t1 = none();
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 8; i++) {
            Four x = four8(a + 8 * i);
            t0 = dot_bytes(t0, wasm_v128_load(q + 32 * i), x);
            t1 = dot_bytes(t1, wasm_v128_load(q + 32 * i + 16), x);
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
 * The group's integers are unpacked once; `Scales` of a block: what a sum of digits is multiplied by and what is added. */

typedef struct {
    f32 scale[8], minimum[8];
} Scales;

static inline __attribute__((always_inline)) void matrix_q4(const u8 *q, const Scales *s, const Digits *d, u32 k, f32 *out) {
    const u8 *a = d->q8;
    const f32 *scale = d->scale8, *sum = d->sum8;
    memset(out, 0, TILE * 8 * sizeof(f32));
    for (u32 b = 0; b < k / BLOCK; b++, a += 8 * TILE * A8, q += 256, s++, scale += TILE, sum += TILE) {
        Sum x0 = none(), x1 = x0, x2 = x0, x3 = x0, z0 = x0, z1 = x0, z2 = x0, z3 = x0;
#pragma clang loop unroll(full)
        for (u32 i = 0; i < 8; i++) {
            v128 v = wasm_v128_load(q + 32 * i), u = wasm_v128_load(q + 32 * i + 16);
            Four f = four8(a + (i * TILE + 0) * A8);
            x0 = dot_nibbles(x0, v, f);
            z0 = dot_nibbles(z0, u, f);
            f = four8(a + (i * TILE + 1) * A8);
            x1 = dot_nibbles(x1, v, f);
            z1 = dot_nibbles(z1, u, f);
            f = four8(a + (i * TILE + 2) * A8);
            x2 = dot_nibbles(x2, v, f);
            z2 = dot_nibbles(z2, u, f);
            f = four8(a + (i * TILE + 3) * A8);
            x3 = dot_nibbles(x3, v, f);
            z3 = dot_nibbles(z3, u, f);
        }
        v128 d0 = load4(s->scale), d1 = load4(s->scale + 4), m0 = load4(s->minimum), m1 = load4(s->minimum + 4);
#define FINISH(t, x, z)                                                                                             \
    {                                                                                                               \
        v128 by = wasm_v128_load32_splat(scale + t), of = wasm_v128_load32_splat(sum + t);                          \
        v128 y0 = fma4(m0, of, load4(out + 8 * t)), y1 = fma4(m1, of, load4(out + 8 * t + 4));                      \
        store4(out + 8 * t, fma4(wasm_f32x4_convert_i32x4(total(x)), wasm_f32x4_mul(d0, by), y0));                  \
        store4(out + 8 * t + 4, fma4(wasm_f32x4_convert_i32x4(total(z)), wasm_f32x4_mul(d1, by), y1));              \
    }
        FINISH(0, x0, z0)
        FINISH(1, x1, z1)
        FINISH(2, x2, z2)
        FINISH(3, x3, z3)
    }
}

/* `q` are the group's blocks in place; minimum[] holds −64 · Σ weights of the block as integers (relaxed build). */
static inline __attribute__((always_inline)) void matrix_q8(const u8 *q, const Scales *s, const Digits *d, u32 k, f32 *out) {
    const u8 *a = d->q14;
    const f32 *scale = d->scale14;
    memset(out, 0, TILE * 8 * sizeof(f32));
    for (u32 b = 0; b < k / BLOCK; b++, a += 8 * TILE * 8, q += 272, s++, scale += TILE) {
#ifdef __wasm_relaxed_simd__
        Sum x0 = load4(s->minimum), x1 = x0, x2 = x0, x3 = x0, z0 = load4(s->minimum + 4), z1 = z0, z2 = z0, z3 = z0;
#pragma clang loop unroll(full)
        for (u32 digit = 0; digit < 2; digit++) {
#else
        Sum x0 = none(), x1 = x0, x2 = x0, x3 = x0, z0 = x0, z1 = x0, z2 = x0, z3 = x0;
        const u32 digit = 0;
#endif
#pragma clang loop unroll(full)
            for (u32 i = 0; i < 8; i++) {
                v128 v = wasm_v128_load(q + 16 + 32 * i), u = wasm_v128_load(q + 32 + 32 * i);
                Four f = four8(a + (i * TILE + 0) * 8 + 4 * digit);
                x0 = dot_bytes(x0, v, f);
                z0 = dot_bytes(z0, u, f);
                f = four8(a + (i * TILE + 1) * 8 + 4 * digit);
                x1 = dot_bytes(x1, v, f);
                z1 = dot_bytes(z1, u, f);
                f = four8(a + (i * TILE + 2) * 8 + 4 * digit);
                x2 = dot_bytes(x2, v, f);
                z2 = dot_bytes(z2, u, f);
                f = four8(a + (i * TILE + 3) * 8 + 4 * digit);
                x3 = dot_bytes(x3, v, f);
                z3 = dot_bytes(z3, u, f);
            }
#ifdef __wasm_relaxed_simd__
            if (digit == 0) {
                x0 = wasm_i32x4_shl(x0, 7), x1 = wasm_i32x4_shl(x1, 7), x2 = wasm_i32x4_shl(x2, 7);
                x3 = wasm_i32x4_shl(x3, 7), z0 = wasm_i32x4_shl(z0, 7), z1 = wasm_i32x4_shl(z1, 7);
                z2 = wasm_i32x4_shl(z2, 7), z3 = wasm_i32x4_shl(z3, 7);
            }
        }
#endif
        v128 d0 = load4(s->scale), d1 = load4(s->scale + 4);
#undef FINISH
#define FINISH(t, x, z)                                                                                             \
    {                                                                                                               \
        v128 by = wasm_v128_load32_splat(scale + t);                                                                \
        store4(out + 8 * t, fma4(wasm_f32x4_convert_i32x4(total(x)), wasm_f32x4_mul(d0, by), load4(out + 8 * t))); \
        store4(out + 8 * t + 4,                                                                                     \
               fma4(wasm_f32x4_convert_i32x4(total(z)), wasm_f32x4_mul(d1, by), load4(out + 8 * t + 4)));           \
    }
        FINISH(0, x0, z0)
        FINISH(1, x1, z1)
        FINISH(2, x2, z2)
        FINISH(3, x3, z3)
    }
}

void group_matrix_digits(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel) {
    u32 blocks = k / BLOCK, size = block_bytes(storage), step = digits_bytes(want, k, TILE);
    Scales *scales = (Scales *)panel;
    u8 *integers = panel + blocks * sizeof(Scales);
    const u8 *w = group;
    for (u32 b = 0; b < blocks; b++, w += size) {
        v128 halves = wasm_v128_load(w), d0 = half_low(halves), d1 = half_high(halves);
        store4(scales[b].scale, d0);
        store4(scales[b].scale + 4, d1);
        v128 m0, m1;
        if (storage == Q8_0) {
#ifdef __wasm_relaxed_simd__
            m0 = m1 = wasm_i32x4_splat(0);
            for (u32 i = 0; i < 8; i++) {
                m0 = dot_bytes(m0, wasm_v128_load(w + 16 + 32 * i), wasm_i8x16_splat(64));
                m1 = dot_bytes(m1, wasm_v128_load(w + 32 + 32 * i), wasm_i8x16_splat(64));
            }
            store4(scales[b].minimum, wasm_i32x4_neg(m0));
            store4(scales[b].minimum + 4, wasm_i32x4_neg(m1));
#endif
            continue;
        }
        if (storage == Q4_1) {
            halves = wasm_v128_load(w + 16);
            m0 = half_low(halves), m1 = half_high(halves);
        } else {
            m0 = wasm_f32x4_mul(d0, wasm_f32x4_splat(-8)), m1 = wasm_f32x4_mul(d1, wasm_f32x4_splat(-8));
        }
        store4(scales[b].minimum, m0);
        store4(scales[b].minimum + 4, m1);
        const u8 *q = w + (storage == Q4_1 ? 32 : 16);
        u8 *to = integers + 256 * b;
        for (u32 i = 0; i < 4; i++)
            for (u32 half = 0; half < 2; half++) {
                v128 v = wasm_v128_load(q + 32 * i + 16 * half);
                wasm_v128_store(to + 64 * i + 16 * half, wasm_v128_and(v, LOW));
                wasm_v128_store(to + 64 * i + 32 + 16 * half, high_nibbles(v));
            }
    }
    for (u32 t = 0; t < tiles; t++, digits += step, out += TILE * 8) {
        Digits d = digits_at(digits, want, k, TILE);
        if (storage == Q8_0) matrix_q8(group, scales, &d, k, out);
        else matrix_q4(integers, scales, &d, k, out);
    }
}
