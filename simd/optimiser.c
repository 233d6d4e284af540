/* Clipping and optimiser steps, in place, over lists of tensors cut into chunks: one instruction for all weights. */
#include "vecmath.h"

typedef struct {
    f32 *w, *g;
    u32 n;
    f32 *s, *u; /* slots, where the optimiser has them */
} Chunk;

/* Every kernel's first words: chunks, their number, chunks per piece. An update's further words are the slots of its numbers,
 * in the order of the parameters in kernels/optimiser.py. */
#define EACH_CHUNK                                       \
    for (Range r = pieces(w[1].u, w[2].u); take(t, &r);) \
        for (const Chunk *c = (const Chunk *)floats(w[0]) + r.start, *e = c + (r.end - r.start); c < e; c++)
#define EACH_FOUR for (u32 i = 0, n = c->n; i < n; i += 4)
#define GET(p) load_some(p, i, n)
#define PUT(p, v) store_some(p, i, n, v)

/* ‖g‖² in double precision */
static f64 square_wide(const Chunk *c) {
    Wide s = {zero4(), zero4()};
    for (u32 i = 0; i < c->n; i += 4) s = add_product(s, load_some(c->g, i, c->n), load_some(c->g, i, c->n));
    return sum_wide(s);
}

static int all_zero(const Chunk *c) {
    v128 bits = zero4();
    const f32 *g = c->g;
    u32 n = c->n, i = 0;
    for (; i + 16 <= n; i += 16) {
        v128 low = wasm_v128_or(load4(g + i), load4(g + i + 4));
        bits = wasm_v128_or(bits, wasm_v128_or(low, wasm_v128_or(load4(g + i + 8), load4(g + i + 12))));
    }
    for (; i < n; i += 4) bits = wasm_v128_or(bits, load_some(g, i, n));
    return !wasm_v128_any_true(bits);
}

/* ‖g‖²: float32 within 64 values, double between them */
static f64 square_narrow(const Chunk *c) {
    const f32 *g = c->g;
    u32 n = c->n, i = 0;
    f64 total = 0;
    for (; i + 64 <= n; i += 64) {
        v128 s[4] = {zero4(), zero4(), zero4(), zero4()};
        for (u32 j = 0; j < 64; j += 16)
            for (u32 k = 0; k < 4; k++) {
                v128 v = load4(g + i + j + 4 * k);
                s[k] = fma4(v, v, s[k]);
            }
        total += sum4(add4(add4(s[0], s[1]), add4(s[2], s[3])));
    }
    v128 rest = zero4();
    for (; i < n; i += 4) {
        v128 v = load_some(g, i, n);
        rest = fma4(v, v, rest);
    }
    return total + sum4(rest);
}

/* Whether no square overflowed, and those that may have been lost among the subnormal numbers do not count. */
static int good(f64 squares) { return squares > 1e-30 && squares < __builtin_inf(); }

/* ‖g‖² of one chunk, over all float32 values */
static f64 square(const Chunk *c) {
    f64 total = square_narrow(c);
    return good(total) ? total : total == 0 && all_zero(c) ? 0 : square_wide(c);
}

/* chunks, how many, chunks a piece, squares (double, one a chunk): ‖g‖² of each */
KERNEL(norm_squares) {
    f64 *squares = (f64 *)(uintptr_t)w[3].u;
    EACH_CHUNK squares[c - (const Chunk *)floats(w[0])] = square(c);
}

/* chunks, how many, chunks a piece, squares (0: computed here, by one thread), norm before (out), largest (slot):
 * g ← g · min(1, largest / ‖all g‖) */
KERNEL(clip_by_norm) {
    const f64 *squares = (const f64 *)(uintptr_t)w[3].u;
    const Chunk *chunks = (const Chunk *)floats(w[0]);
    if (!squares && t->index) return;
    f64 total = 0, limit = number(w[5]);
    for (u32 i = 0; i < w[1].u; i++) total += squares ? squares[i] : square_narrow(chunks + i);
    if (!squares && !good(total)) {
        total = 0;
        for (u32 i = 0; i < w[1].u; i++) total += square(chunks + i);
    }
    f64 norm = __builtin_sqrt(total);
    if (!t->index) *floats(w[4]) = (f32)norm;
    if (!(norm > limit)) return;
    /* In two steps where the factor is too small for a float. */
    f64 factor = limit / norm, before = factor < 0x1p-126 ? 0x1p-100 : 1;
    v128 first = splat((f32)before), second = splat((f32)(factor / before));
    EACH_CHUNK EACH_FOUR PUT(c->g, mul4(mul4(GET(c->g), first), second));
}

/* chunks, how many, chunks a piece, limit (slot) */
KERNEL(clip_by_value) {
    f32 limit = (f32)number(w[3]);
    EACH_CHUNK EACH_FOUR PUT(c->g, at_most(at_least(GET(c->g), -limit), limit));
}

/* chunks, how many, chunks a piece, learning rate (slot): w ← w − lr · g */
KERNEL(sgd_step) {
    v128 rate = splat((f32)number(w[3]));
    EACH_CHUNK EACH_FOUR PUT(c->w, sub4(GET(c->w), mul4(rate, GET(c->g))));
}

/* chunks (s: velocity), how many, chunks a piece; slots: learning rate, μ, dampening, whether Nesterov */
KERNEL(sgd_momentum_step) {
    v128 rate = splat((f32)number(w[3])), mu = splat((f32)number(w[4])), fresh = splat((f32)(1 - number(w[5])));
    int nesterov = number(w[6]) != 0;
    EACH_CHUNK EACH_FOUR {
        v128 g = GET(c->g), v = add4(mul4(GET(c->s), mu), mul4(fresh, g));
        PUT(c->s, v);
        PUT(c->w, sub4(GET(c->w), mul4(rate, nesterov ? add4(g, mul4(mu, v)) : v)));
    }
}

/* βⁿ for whole n */
static f64 power(f64 base, u64 n) {
    f64 y = 1;
    for (; n; n >>= 1, base *= base)
        if (n & 1) y *= base;
    return y;
}

/* chunks (s, u: the moments), how many, chunks a piece; slots: learning rate, step, β₁, β₂, ε, decay */
KERNEL(adamw_step) {
    f64 b1 = number(w[5]), b2 = number(w[6]);
    u64 step = (u64)number(w[4]);
    v128 rate = splat((f32)number(w[3])), keep1 = splat((f32)b1), keep2 = splat((f32)b2);
    v128 fresh1 = splat((f32)(1 - b1)), fresh2 = splat((f32)(1 - b2));
    v128 scale1 = splat((f32)(1 / (1 - power(b1, step)))), scale2 = splat((f32)(1 / (1 - power(b2, step))));
    v128 eps = splat((f32)number(w[7])), decay = splat((f32)number(w[8]));
    EACH_CHUNK EACH_FOUR {
        v128 g = GET(c->g), p = GET(c->w);
        v128 m = add4(mul4(GET(c->s), keep1), mul4(fresh1, g));
        v128 v = add4(mul4(GET(c->u), keep2), mul4(fresh2, mul4(g, g)));
        PUT(c->s, m);
        PUT(c->u, v);
        v128 root = add4(wasm_f32x4_sqrt(mul4(v, scale2)), eps);
        v128 change = add4(div4(mul4(m, scale1), root), mul4(decay, p));
        PUT(c->w, sub4(p, mul4(rate, change)));
    }
}

/* chunks (s: v; u: the momentum buffer or 0), how many, chunks a piece; slots: learning rate, α, ε, μ */
KERNEL(rmsprop_step) {
    v128 rate = splat((f32)number(w[3])), alpha = splat((f32)number(w[4])), fresh = splat((f32)(1 - number(w[4])));
    v128 eps = splat((f32)number(w[5])), mu = splat((f32)number(w[6]));
    EACH_CHUNK EACH_FOUR {
        v128 g = GET(c->g), v = add4(mul4(GET(c->s), alpha), mul4(fresh, mul4(g, g)));
        PUT(c->s, v);
        v128 step = div4(g, wasm_f32x4_sqrt(add4(v, eps)));
        if (c->u) {
            step = add4(mul4(GET(c->u), mu), step);
            PUT(c->u, step);
        }
        PUT(c->w, sub4(GET(c->w), mul4(rate, step)));
    }
}
