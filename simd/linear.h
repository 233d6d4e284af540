/* y = x Wᵀ for weights in six storages: what the files of this family share.
 *
 * Weights of the block storages lie as `repack` leaves them: eight rows together, a *group*, block after block. A block
 * of a group holds eight float16 scales, for Q4_1 eight float16 minimums, and the 256 small integers so that a vector
 * of 16 bytes belongs to four rows, four bytes to each: one broadcast of four activations meets four rows, and the sums
 * of four rows come out in four lanes. Rows are padded with zeros to whole groups. F32, F16 and BF16 stay row by row.
 *
 * Activations are either float32 as they are, or *digits*: per block of 32 a float scale and integers, so that every
 * product and every sum is exact. They come in one of two forms:
 * words: integers of 16 bits, for `dot_i16x8`, which takes one instruction everywhere.
 * bytes: two digits each, of 16 bits for the 4-bit storages and of 14 bits for Q8_0, for the relaxed dot of bytes. It is
 *   twice as fast where the CPU has it (AVX-VNNI, ARM's dot product) and slower where it is made of other instructions.
 * The 4-bit storages have the same integers, and so the same results, in both.
 *
 * Inner loops are kept from unrolling: V8 holds the sums in registers only then (measured: twice as fast).
 */
#pragma once
#include "enumerations.h"
#include "loom.h"

#define NUMBER(name) name,
enum { EACH_STORAGE(NUMBER) STORAGES }; /* those in blocks come last */
#undef NUMBER
_Static_assert(STORAGES == 6, "the functions of this family know these storages and no other");

#define GROUP 8   /* rows repacked together */
#define TILE 4    /* tokens multiplied together */
#define CHUNK 264 /* the most tokens whose results are held in scratch memory */
#define BLOCK 32
#define MAX_K 16384

/* Tokens whose inputs stay in the second cache while rows of weights pass by: whole tiles of four, and of six. */
static inline u32 chunk_of(u32 k) { return k <= 512 ? CHUNK : CHUNK / 2; }

/* Bytes of a block of a group. */
static inline u32 block_bytes(u32 storage) { return storage == Q4_1 ? 160 : storage == Q4_0 ? 144 : 272; }

/* What is wanted: digits for which weights, and whether in words; binaries without the relaxed dot know no bytes. */
#define WANT4 1
#define WANT8 2
#define WORDS 4
static inline int in_words(u32 want) {
#ifdef __wasm_relaxed_simd__
    return (want & WORDS) != 0;
#else
    (void)want;
    return 1;
#endif
}

/* The digits of a tile of `width` tokens (1 or TILE), all parts block after block, for weights of four bits and of eight;
 * `scale`, and for four bits `sum` = scale · Σ.
 * Words: [pair][token][2]; the elements of each eight go in the order 0 2 4 6 1 3 5 7 for four bits.
 * Bytes: [group of four][high, low][4] for one token, [high, low][group of four][token][4] for a tile; for four bits
 *   256 · high + low, both signed; for eight 128 · high + low − 8192, both 0 … 127. */
typedef struct {
    u8 *four;
    f32 *four_scale, *four_sum;
    u8 *eight;
    f32 *eight_scale;
} Digits;

/* Size in bytes of the digits of a tile, and the offsets of its parts. Mirrored in loom_py/runtime/simd/linear.py. */
static inline u32 digits_bytes(u32 want, u32 k, u32 width) {
    u32 blocks = k / BLOCK;
    return ((want & WANT4 ? 2 * k + 8 * blocks : 0) + (want & WANT8 ? 2 * k + 4 * blocks : 0)) * width;
}
static inline Digits digits_at(u8 *p, u32 want, u32 k, u32 width) {
    u32 blocks = k / BLOCK;
    Digits d = {0};
    if (want & WANT4) {
        d.four = p;
        d.four_scale = (f32 *)(p + 2 * k * width);
        d.four_sum = d.four_scale + blocks * width;
        p = (u8 *)(d.four_sum + blocks * width);
    }
    if (want & WANT8) {
        d.eight = p;
        d.eight_scale = (f32 *)(p + 2 * k * width);
    }
    return d;
}
/* Digits of one token of a tile. x: k floats, or NULL for zeros. */
void quantise_token(const f32 *x, u32 k, const Digits *d, u32 want, u32 width, u32 token);

/* Eight rows times one token. */
void group_vector_digits(u32 storage, const u8 *group, const Digits *d, u32 want, u32 k, f32 *out8);
void group_vector_bytes(u32 storage, const u8 *group, const Digits *d, u32 k, f32 *out8);
void group_vector_words(u32 storage, const u8 *group, const Digits *d, u32 k, f32 *out8);
void group_vector_floats(u32 storage, const u8 *weight, u32 group, u32 rows, const f32 *x, u32 k, f32 *out8);
/* Eight rows times many tokens: out (tokens, 8). `panel` is scratch memory. */
void group_matrix_digits(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel);
void group_matrix_bytes(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel);
void group_matrix_words(u32 storage, const u8 *group, u8 *digits, u32 want, u32 k, u32 tiles, f32 *out, u8 *panel);
void group_matrix_floats(u32 storage, const u8 *weight, u32 group, u32 rows, const f32 *x, u32 k, u32 tokens, f32 *out,
                         u8 *panel);

/* Four float16 (in the low halves of sign-extended lanes) as floats; infinities and NaN do not occur in scales. */
static inline v128 half4(v128 extended) {
    v128 bits = wasm_v128_and(wasm_i32x4_shl(extended, 13), INTS(0x8fffe000));
    return wasm_f32x4_mul(bits, FLOATS(0x1p112f));
}
static inline v128 half_low(v128 halves) { return half4(wasm_i32x4_extend_low_i16x8(halves)); }
static inline v128 half_high(v128 halves) { return half4(wasm_i32x4_extend_high_i16x8(halves)); }
/* All float16, infinities and NaN too. */
static inline v128 half4_any(v128 extended) {
    v128 big = wasm_i32x4_eq(wasm_v128_and(extended, wasm_i32x4_splat(0x7c00)), wasm_i32x4_splat(0x7c00));
    return wasm_v128_or(half4(extended), wasm_v128_and(big, wasm_i32x4_splat(0x7f800000)));
}
