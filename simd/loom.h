/* What every kernel file includes: types, the calling convention, and how a team of threads shares work.
 *
 * A kernel gets the words of its instruction: byte addresses of tensors in linear memory, sizes, float immediates. Its
 * comment lists them in order. Thread 0 runs every kernel; where `take` finds more than one piece of work it calls the
 * others, which run the same function from its beginning. So code before `take` must not change anything, and each
 * kernel has one loop over pieces. Sums never depend on the number of threads, so neither does any result.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

typedef float f32;
typedef double f64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef v128_t v128;

/* One word of an instruction. */
typedef union {
    i32 i;
    u32 u;
    f32 f;
} Word;

/* Scratch memory of each thread, for packing and the like. */
#define SCRATCH_BYTES (256 * 1024)
#define MAX_THREADS 16

typedef struct {
    u32 index, count;   /* number of this thread, and of all threads */
    u32 step;           /* number of this replay in a run of many */
    u32 stopped;        /* a kernel has reported a fault: the run ends */
    u32 open;           /* thread 0: the others have been called to this kernel */
    u32 done;           /* how many threads' stretches of this kernel are known to be done, this thread's first */
    const Word *kernel; /* thread 0: the current instruction */
    u8 *scratch;        /* SCRATCH_BYTES of this thread, 16-byte aligned */
} Team;

/* An inner loop kept from unrolling: V8 then holds all its sums in registers. */
#define ROLLED _Pragma("clang loop unroll(disable)")

#define KERNEL(name) void name(const Word *w, Team *t)

static inline f32 *floats(Word w) { return (f32 *)(uintptr_t)w.u; }
static inline i32 *ints(Word w) { return (i32 *)(uintptr_t)w.u; }
static inline u8 *bytes(Word w) { return (u8 *)(uintptr_t)w.u; }
/* A parameter that may be dynamic: the address of its slot. */
static inline f64 number(Word w) { return *(const f64 *)(uintptr_t)w.u; }

static inline u32 min_u32(u32 a, u32 b) { return a < b ? a : b; }
static inline u32 max_u32(u32 a, u32 b) { return a > b ? a : b; }
static inline i32 min_i32(i32 a, i32 b) { return a < b ? a : b; }
static inline i32 max_i32(i32 a, i32 b) { return a > b ? a : b; }

/* A piece of this kernel's `total` that no thread has taken yet, or `total` if there is none (threads.c). */
u32 claim(Team *t, u32 total);

/* `for (Range r = pieces(total, grain); take(t, &r);)` runs over [0, total) in pieces of `grain`, each taken by one
 * thread. If the work is not worth sharing, pass a grain of at least `total`: then thread 0 does it alone. */
typedef struct {
    u32 total, grain, start, end;
} Range;
static inline Range pieces(u32 total, u32 grain) { return (Range){total, grain ? grain : 1, 0, 0}; }
static inline int take(Team *t, Range *r) {
    if (t->count == 1 || r->total <= r->grain) {
        if (t->index || r->end || !r->total) return 0;
        r->end = r->total;
        return 1;
    }
    u32 count = (u32)(((u64)r->total + r->grain - 1) / r->grain), piece = claim(t, count);
    if (piece >= count) return 0;
    r->start = piece * r->grain;
    r->end = r->total - r->start < r->grain ? r->total : r->start + r->grain;
    return 1;
}

/* A constant, read from memory through a pointer that the compiler cannot see through: V8 makes `v128.const` anew, by
 * three instructions, wherever it is used. */
#define FROM_MEMORY(type, x)                       \
    ({                                             \
        static const type four_[4] = {x, x, x, x}; \
        const type *at_ = four_;                   \
        __asm__("" : "+r"(at_));                   \
        wasm_v128_load(at_);                       \
    })
#define FLOATS(x) FROM_MEMORY(f32, x)
#define INTS(x) FROM_MEMORY(u32, (u32)(x))

/* a·b + c: one rounding in the relaxed build, two otherwise. */
static inline v128 fma4(v128 a, v128 b, v128 c) {
#ifdef __wasm_relaxed_simd__
    return wasm_f32x4_relaxed_madd(a, b, c);
#else
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}
static inline f32 sum4(v128 v) {
    v = wasm_f32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1);
}
static inline f32 max4(v128 v) {
    v = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    v = wasm_f32x4_pmax(v, wasm_i32x4_shuffle(v, v, 1, 0, 3, 2));
    return wasm_f32x4_extract_lane(v, 0);
}
static inline v128 load4(const f32 *p) { return wasm_v128_load(p); }
static inline void store4(f32 *p, v128 v) { wasm_v128_store(p, v); }
/* Four rows of four as four columns, `stride` floats apart. */
static inline __attribute__((always_inline)) void store_columns(f32 *to, u32 stride, v128 a, v128 b, v128 c, v128 d) {
    v128 ab = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), cd = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5);
    store4(to, wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5));
    store4(to + stride, wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
    ab = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7), cd = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    store4(to + 2 * stride, wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5));
    store4(to + 3 * stride, wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int value, size_t n);
void *memmove(void *to, const void *from, size_t n);
