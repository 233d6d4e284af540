/* Products of repacked weights with digits in words, by `i32x4.dot_i16x8`: integer dots, one float multiply–add per block.
 *
 * Four bits: the nibbles of a row that lie in one lane of 16 bits are taken out by masks and stay where they are, so that
 * sums come out 16 and 256 times too large, exactly; only the highest must be shifted. Eight bits: bytes are widened.
 */
#include "linear_digits.h"

/* Keeps addresses as they are written: then what is added to them is part of the loads. */
#define OPAQUE(p) __asm__("" : "+r"(p))
static inline v128 zero(void) { return wasm_i32x4_splat(0); }
static inline v128 pair(const u8 *a) { return wasm_v128_load32_splat(a); }
static inline v128 dot(v128 sum, v128 w, v128 a) { return wasm_i32x4_add(sum, wasm_i32x4_dot_i16x8(w, a)); }

/* Eight float16 as floats, as `half_low` and `half_high` do. */
typedef struct {
    v128 low, high;
} Eight;
static inline Eight halves(const u8 *p) {
    return (Eight){half4(wasm_i32x4_load16x4((const i16 *)p)), half4(wasm_i32x4_load16x4((const i16 *)p + 4))};
}

/* --- eight rows times one token ----------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void vector_q4(const u8 *w, const Digits *d, u32 k, f32 *out,
                                                            int minimums) {
    const v128 mask0 = INTS(0x000f000f), mask1 = INTS(0x00f000f0), mask2 = INTS(0x0f000f00); /* of three nibbles */
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->four;
    const f32 *scale = d->four_scale, *sum = d->four_sum;
    const u32 head = minimums ? 32 : 16;
    for (const f32 *end = scale + k / BLOCK; scale < end; scale++, sum++) {
        v128 s0 = zero(), s1 = s0, t0 = s0, t1 = s0, u0 = s0, u1 = s0;
    ROLLED for (const u8 *next = w + 128; w < next; w += 32, a += 16) {
            OPAQUE(w);
            OPAQUE(a);
            v128 v0 = wasm_v128_load(w + head), v1 = wasm_v128_load(w + head + 16), f = pair(a);
            s0 = dot(s0, wasm_v128_and(v0, mask0), f), s1 = dot(s1, wasm_v128_and(v1, mask0), f), f = pair(a + 4);
            t0 = dot(t0, wasm_v128_and(v0, mask1), f), t1 = dot(t1, wasm_v128_and(v1, mask1), f), f = pair(a + 8);
            u0 = dot(u0, wasm_v128_and(v0, mask2), f), u1 = dot(u1, wasm_v128_and(v1, mask2), f), f = pair(a + 12);
            s0 = dot(s0, wasm_u16x8_shr(v0, 12), f), s1 = dot(s1, wasm_u16x8_shr(v1, 12), f);
        }
        OPAQUE(w);
        s0 = wasm_i32x4_add(wasm_i32x4_add(s0, wasm_i32x4_shr(t0, 4)), wasm_i32x4_shr(u0, 8));
        s1 = wasm_i32x4_add(wasm_i32x4_add(s1, wasm_i32x4_shr(t1, 4)), wasm_i32x4_shr(u1, 8));
        v128 of = wasm_v128_load32_splat(sum);
        Eight by = halves(w - 128), least;
        if (minimums) {
            least = halves(w - 112);
        } else {
            v128 minus8 = FLOATS(-8);
            least = (Eight){wasm_f32x4_mul(by.low, minus8), wasm_f32x4_mul(by.high, minus8)};
        }
        y0 = fma4(least.low, of, y0), y1 = fma4(least.high, of, y1);
        of = wasm_v128_load32_splat(scale);
        y0 = fma4(wasm_f32x4_convert_i32x4(s0), wasm_f32x4_mul(by.low, of), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(s1), wasm_f32x4_mul(by.high, of), y1);
        w += head;
    }
    store4(out, y0);
    store4(out + 4, y1);
}

static void vector_q8(const u8 *w, const Digits *d, u32 k, f32 *out) {
    v128 y0 = wasm_f32x4_splat(0), y1 = y0;
    const u8 *a = d->eight;
    const f32 *scale = d->eight_scale;
    for (const f32 *end = scale + k / BLOCK; scale < end; scale++) {
        v128 s0 = zero(), s1 = s0, t0 = s0, t1 = s0; /* two rows each, two sums a row */
        ROLLED for (const u8 *next = w + 256; w < next; w += 32, a += 8) {
            OPAQUE(w);
            v128 f = wasm_v128_load64_splat(a);
            s0 = dot(s0, wasm_i16x8_load8x8(w + 16), f), s1 = dot(s1, wasm_i16x8_load8x8(w + 24), f);
            t0 = dot(t0, wasm_i16x8_load8x8(w + 32), f), t1 = dot(t1, wasm_i16x8_load8x8(w + 40), f);
        }
        OPAQUE(w);
        s0 = wasm_i32x4_add(wasm_i32x4_shuffle(s0, s1, 0, 2, 4, 6), wasm_i32x4_shuffle(s0, s1, 1, 3, 5, 7));
        t0 = wasm_i32x4_add(wasm_i32x4_shuffle(t0, t1, 0, 2, 4, 6), wasm_i32x4_shuffle(t0, t1, 1, 3, 5, 7));
        Eight by = halves(w - 256);
        v128 of = wasm_v128_load32_splat(scale);
        y0 = fma4(wasm_f32x4_convert_i32x4(s0), wasm_f32x4_mul(by.low, of), y0);
        y1 = fma4(wasm_f32x4_convert_i32x4(t0), wasm_f32x4_mul(by.high, of), y1);
        w += 16;
    }
    store4(out, y0);
    store4(out + 4, y1);
}

void group_vector_words(u32 storage, const u8 *group, const Digits *d, u32 k, f32 *out8) {
    if (storage == Q4_1) vector_q4(group, d, k, out8, 1);
    else if (storage == Q4_0) vector_q4(group, d, k, out8, 0);
    else vector_q8(group, d, k, out8);
}

/* --- eight rows times tiles of four tokens: a panel of weights in 16 bits, [pair][row][2] -------------------------- */

#define PANEL 32 /* blocks of a panel: 16 KB stay in the fastest cache */

static void widen_nibbles(u32 storage, const u8 *w, u32 blocks, Scales *scales, u16 *panel) {
    for (u32 b = 0; b < blocks; b++, scales++) {
        read_scales(storage, w, scales);
        w += storage == Q4_1 ? 32 : 16;
        for (u32 i = 0; i < 8; i++, w += 16, panel += 8 * (i % 2 ? 1 : 7)) {
            v128 v = wasm_v128_load(w), nibble = wasm_i16x8_splat(15);
            wasm_v128_store(panel, wasm_v128_and(v, nibble));
            wasm_v128_store(panel + 16, wasm_v128_and(wasm_u16x8_shr(v, 4), nibble));
            wasm_v128_store(panel + 32, wasm_v128_and(wasm_u16x8_shr(v, 8), nibble));
            wasm_v128_store(panel + 48, wasm_u16x8_shr(v, 12));
        }
    }
}
static void widen_bytes(const u8 *w, u32 blocks, Scales *scales, u16 *panel) {
    for (u32 b = 0; b < blocks; b++, scales++) {
        read_scales(Q8_0, w, scales);
        w += 16;
        for (u32 i = 0; i < 8; i++, w += 32, panel += 32)
            for (u32 half = 0; half < 2; half++) {
                v128 v = wasm_i16x8_load8x8(w + 16 * half), u = wasm_i16x8_load8x8(w + 16 * half + 8);
                wasm_v128_store(panel + 8 * half, wasm_i32x4_shuffle(v, u, 0, 2, 4, 6));
                wasm_v128_store(panel + 16 + 8 * half, wasm_i32x4_shuffle(v, u, 1, 3, 5, 7));
            }
    }
}

/* out (TILE, 8) += panel · tile. `a`, `scale`, `sum`: the digits of the panel's blocks. */
static inline __attribute__((always_inline)) void tile_words(const u16 *panel, const Scales *s, u32 blocks, const u8 *a,
                                                             const f32 *scale, const f32 *sum, f32 *out, int nibbles) {
    for (const Scales *end = s + blocks; s < end; s++, scale += TILE, sum += TILE) {
        v128 x0 = zero(), x1 = x0, x2 = x0, x3 = x0, z0 = x0, z1 = x0, z2 = x0, z3 = x0;
        ROLLED for (const u16 *next = panel + BLOCK * GROUP; panel < next; panel += 16, a += 16) {
            OPAQUE(panel);
            OPAQUE(a);
            v128 v = wasm_v128_load(panel), u = wasm_v128_load(panel + 8), f = pair(a);
            x0 = dot(x0, v, f), z0 = dot(z0, u, f), f = pair(a + 4);
            x1 = dot(x1, v, f), z1 = dot(z1, u, f), f = pair(a + 8);
            x2 = dot(x2, v, f), z2 = dot(z2, u, f), f = pair(a + 12);
            x3 = dot(x3, v, f), z3 = dot(z3, u, f);
        }
        v128 low[TILE] = {x0, x1, x2, x3}, high[TILE] = {z0, z1, z2, z3};
        add_block(s, low, high, scale, sum, out, nibbles);
    }
}

void group_matrix_words(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *scratch) {
    u32 blocks = k / BLOCK, step = digits_bytes(want, k, TILE);
    Scales *scales = (Scales *)scratch;
    u16 *panel = (u16 *)(scales + PANEL);
    memset(out, 0, tiles * TILE * GROUP * sizeof(f32));
    for (u32 first = 0; first < blocks; first += PANEL, group += PANEL * block_bytes(storage)) {
        u32 now = min_u32(PANEL, blocks - first), at = first * TILE;
        if (storage == Q8_0) widen_bytes(group, now, scales, panel);
        else widen_nibbles(storage, group, now, scales, panel);
        for (u32 t = 0; t < tiles; t++) {
            Digits d = digits_at(digits + t * step, want, k, TILE);
            f32 *to = out + t * TILE * GROUP;
            if (storage == Q8_0) tile_words(panel, scales, now, d.eight + 64 * at, d.eight_scale + at, d.eight_scale + at, to, 0);
            else tile_words(panel, scales, now, d.four + 64 * at, d.four_scale + at, d.four_sum + at, to, 1);
        }
    }
}
