/* Activations → integers, block by block, scaled by the largest magnitude; and the products that take them. */
#include "linear.h"

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
static inline f32 sum_of(v128 integers) {
    v128 sum = wasm_i32x4_add(integers, wasm_i32x4_shuffle(integers, integers, 2, 3, 0, 1));
    return (f32)(wasm_i32x4_extract_lane(sum, 0) + wasm_i32x4_extract_lane(sum, 1));
}

/* --- words -------------------------------------------------------------------------------------------------------- */

/* Eight numbers to their places in a block: four pairs, those of a tile's tokens side by side. */
static inline void put_pairs(u8 *block, v128 pairs, u32 eighth, u32 width, u32 token) {
    if (width == 1) {
        wasm_v128_store(block + 16 * eighth, pairs);
        return;
    }
    u8 *to = block + (4 * eighth * width + token) * 4;
    wasm_v128_store32_lane(to, pairs, 0);
    wasm_v128_store32_lane(to + 4 * width, pairs, 1);
    wasm_v128_store32_lane(to + 8 * width, pairs, 2);
    wasm_v128_store32_lane(to + 12 * width, pairs, 3);
}
/* Returns Σ of the integers. */
static inline __attribute__((always_inline)) f32 quantise_words(u8 *block, const f32 *x, v128 factor, int nibbles,
                                                                u32 width, u32 token) {
    v128 sum = wasm_i32x4_splat(0);
    for (u32 i = 0; i < 4; i++) {
        v128 low = rounded(x + 8 * i, factor), high = rounded(x + 8 * i + 4, factor);
        v128 both = wasm_i16x8_narrow_i32x4(low, high);
        sum = wasm_i32x4_add(sum, wasm_i32x4_add(low, high));
        put_pairs(block, nibbles ? wasm_i16x8_shuffle(both, both, 0, 2, 4, 6, 1, 3, 5, 7) : both, i, width, token);
    }
    return sum_of(sum);
}

/* --- bytes -------------------------------------------------------------------------------------------------------- */

#ifdef __wasm_relaxed_simd__
/* Four numbers, split as 2^bits · high + low, to their places in a block. */
static inline void put_digits(u8 *block, v128 high, v128 low, u32 group, u32 width, u32 token) {
    v128 both = wasm_i16x8_narrow_i32x4(high, low), bytes = wasm_i8x16_narrow_i16x8(both, both);
    if (width == 1) {
        wasm_v128_store64_lane(block + 8 * group, bytes, 0);
    } else {
        wasm_v128_store32_lane(block + (group * width + token) * 4, bytes, 0);
        wasm_v128_store32_lane(block + ((8 + group) * width + token) * 4, bytes, 1);
    }
}
/* 256 · high + low, both signed. Returns Σ of the integers. */
static inline f32 quantise_signed(u8 *block, const f32 *x, v128 factor, u32 width, u32 token) {
    v128 sum = wasm_i32x4_splat(0);
    for (u32 i = 0; i < 8; i++) {
        v128 q = rounded(x + 4 * i, factor);
        v128 high = wasm_i32x4_shr(wasm_i32x4_add(q, wasm_i32x4_splat(128)), 8);
        sum = wasm_i32x4_add(sum, q);
        put_digits(block, high, wasm_i32x4_sub(q, wasm_i32x4_shl(high, 8)), i, width, token);
    }
    return sum_of(sum);
}
/* 128 · high + low − 8192, both 0 … 127 */
static inline void quantise_unsigned(u8 *block, const f32 *x, v128 factor, u32 width, u32 token) {
    for (u32 i = 0; i < 8; i++) {
        v128 u = wasm_i32x4_add(rounded(x + 4 * i, factor), wasm_i32x4_splat(8192));
        put_digits(block, wasm_u32x4_shr(u, 7), wasm_v128_and(u, wasm_i32x4_splat(127)), i, width, token);
    }
}
#endif

/* --- a token ------------------------------------------------------------------------------------------------------ */

static void quantise_block(const f32 *x, u8 *four, f32 *four_scale, f32 *four_sum, u8 *eight, f32 *eight_scale,
                           u32 want, u32 width, u32 token) {
    f32 most = largest(x);
    v128 factor = wasm_f32x4_splat(most > 0 ? 32512 / most : 0); /* 127 · 256: the high digit is a signed byte */
    if (want & WANT4) {
        f32 sum = 0;
        if (in_words(want)) sum = quantise_words(four, x, factor, 1, width, token);
#ifdef __wasm_relaxed_simd__
        else sum = quantise_signed(four, x, factor, width, token);
#endif
        *four_scale = most / 32512;
        *four_sum = *four_scale * sum;
    }
    if (want & WANT8) {
        if (in_words(want)) {
            quantise_words(eight, x, factor, 0, width, token);
            *eight_scale = most / 32512;
        }
#ifdef __wasm_relaxed_simd__
        else {
            quantise_unsigned(eight, x, wasm_f32x4_splat(most > 0 ? 8191 / most : 0), width, token);
            *eight_scale = most / 8191;
        }
#endif
    }
}

void quantise_token(const f32 *x, u32 k, const Digits *d, u32 want, u32 width, u32 token) {
    static const f32 zeros[BLOCK];
    for (u32 b = 0; b < k / BLOCK; b++) {
        u32 at = b * width + token, block = b * 64 * width;
        quantise_block(x ? x + b * BLOCK : zeros, d->four + block, d->four_scale + at, d->four_sum + at,
                       d->eight + block, d->eight_scale + at, want, width, token);
    }
}

/* --- the products that take them ---------------------------------------------------------------------------------- */

void group_vector_digits(u32 storage, const u8 *group, const Digits *d, u32 want, u32 k, f32 *out8) {
    if (in_words(want)) group_vector_words(storage, group, d, k, out8);
#ifdef __wasm_relaxed_simd__
    else group_vector_bytes(storage, group, d, k, out8);
#endif
}

void group_matrix_digits(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel) {
    if (in_words(want)) group_matrix_words(storage, group, digits, want, k, tiles, out, panel);
#ifdef __wasm_relaxed_simd__
    else group_matrix_bytes(storage, group, digits, want, k, tiles, out, panel);
#endif
}
