/* The machine's limits, as WebAssembly reaches them. Each kernel returns what it counted, so that nothing is left out. */
#include <stdint.h>
#include <wasm_simd128.h>

extern unsigned char __heap_base;
static volatile float kept;

uint32_t start(void) { return ((uint32_t)&__heap_base + 63) & ~63u; }

/* Reads `bytes` bytes once, in order, with eight sums so that no addition waits for another. */
double read(uint32_t bytes) {
    const v128_t *p = (const v128_t *)start(), *end = p + bytes / 16;
    v128_t s[8];
    for (int i = 0; i < 8; i++) s[i] = wasm_i32x4_splat(0);
    for (; p < end; p += 8)
        for (int i = 0; i < 8; i++) s[i] = wasm_v128_xor(s[i], wasm_v128_load(p + i));
    for (int i = 1; i < 8; i++) s[0] = wasm_v128_xor(s[0], s[i]);
    kept = wasm_f32x4_extract_lane(s[0], 0);
    return bytes;
}

/* Multiply-adds in registers: ten independent chains; a multiply-add is two operations. */
double madd(uint32_t rounds) {
    v128_t a[10], x = wasm_f32x4_splat(0.9999f), y = wasm_f32x4_splat(1e-4f);
    for (int i = 0; i < 10; i++) a[i] = wasm_f32x4_splat(kept + i);
    for (uint32_t r = 0; r < rounds; r++)
        for (int i = 0; i < 10; i++)
#ifdef __wasm_relaxed_simd__
            a[i] = wasm_f32x4_relaxed_madd(a[i], x, y);
#else
            a[i] = wasm_f32x4_add(wasm_f32x4_mul(a[i], x), y);
#endif
    for (int i = 1; i < 10; i++) a[0] = wasm_f32x4_add(a[0], a[i]);
    kept = wasm_f32x4_extract_lane(a[0], 0);
    return 80.0 * rounds;
}

/* Products of sixteen int8 pairs, summed in int32: ten independent chains; a product and its sum are two operations. One
   operand changes with every round, or the compiler would do it once. */
double dot(uint32_t rounds) {
    v128_t s[10], x[10], w = wasm_i8x16_splat((int8_t)kept);
    for (int i = 0; i < 10; i++) {
        s[i] = wasm_i32x4_splat(i);
        x[i] = wasm_i8x16_splat((int8_t)(((int)kept + 7 * i) & 127));
    }
    for (uint32_t r = 0; r < rounds; r++) {
        w = wasm_i8x16_add(w, wasm_i8x16_splat(1));
        for (int i = 0; i < 10; i++) {
#ifdef __wasm_relaxed_simd__
            s[i] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(w, x[i], s[i]);
#else
            v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(w), wasm_i16x8_extend_low_i8x16(x[i]));
            v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(w), wasm_i16x8_extend_high_i8x16(x[i]));
            s[i] = wasm_i32x4_add(s[i], wasm_i32x4_add(low, high));
#endif
        }
    }
    for (int i = 1; i < 10; i++) s[0] = wasm_v128_xor(s[0], s[i]);
    kept = (float)(wasm_i32x4_extract_lane(s[0], 0) & 63);
    return 320.0 * rounds;
}
