/* What this CPU makes of the relaxed dot of bytes, and how fast both forms of digits are (linear.h). */
#include "linear.h"

/* 4 · 127 · 255, as far as the engine's instructions get: 129,540 by one instruction for unsigned bytes (AVX-VNNI), −508 by
 * one for signed ones (ARM), 65,534 where pairs are added in 16 bits first; 0 in a binary without the instruction. */
__attribute__((export_name("relaxed_dot"))) i32 relaxed_dot(void) {
#ifdef __wasm_relaxed_simd__
    v128 seven = wasm_i8x16_splat(127), eight = wasm_i8x16_splat(-1);
    __asm__("" : "+r"(seven), "+r"(eight));
    return wasm_i32x4_extract_lane(wasm_i32x4_relaxed_dot_i8x16_i7x16_add(seven, eight, wasm_i32x4_splat(0)), 0);
#else
    return 0;
#endif
}

/* Eight rows of Q4_1 times one token, `repeats` times. `memory`: 160 bytes a block for the rows, then the digits. */
__attribute__((export_name("time_digits"))) void time_digits(u8 *memory, u32 k, u32 want, u32 repeats) {
    Digits d = digits_at(memory + (size_t)k / BLOCK * block_bytes(Q4_1), want, k, 1);
    f32 out[GROUP];
    ROLLED for (u32 i = 0; i < repeats; i++) group_vector_digits(Q4_1, memory, &d, want, k, out);
}
