/* Activations and their derivatives on the pre-activation z; formulas as in `kernels/activation.py`. */
#include "enumerations.h"
#include "vecmath.h"

#define GRAIN 4096
#define F(name) static inline v128 f_##name(v128 z)
#define D(name) static inline v128 d_##name(v128 z)

static inline v128 one(void) { return splat(1); }
static inline v128 where(v128 mask, f32 yes, f32 no) { return select4(mask, splat(yes), splat(no)); }
static inline v128 positive(v128 z) { return wasm_f32x4_gt(z, zero4()); }
static inline v128 between(v128 z, f32 low, f32 high) {
    return wasm_v128_and(wasm_f32x4_gt(z, splat(low)), wasm_f32x4_lt(z, splat(high)));
}

F(linear) { return z; }
D(linear) { return (void)z, one(); }
F(relu) { return at_least(mul4(z, splat(1.1f)), 0); }
D(relu) { return where(positive(z), 1.1f, 0); }
F(plain_relu) { return at_least(z, 0); }
D(plain_relu) { return where(positive(z), 1, 0); }
F(relu6) { return at_most(at_least(z, 0), 6); }
D(relu6) { return where(between(z, 0, 6), 1, 0); }
F(leaky_relu) { return select4(wasm_f32x4_ge(z, zero4()), z, mul4(z, splat(0.1f))); }
D(leaky_relu) { return where(wasm_f32x4_ge(z, zero4()), 1, 0.1f); }

F(sigmoid) { return sigmoid4(z); }
D(sigmoid) {
    v128 s = sigmoid4(z);
    return mul4(s, sub4(one(), s));
}
F(tanh) { return tanh4(z); }
D(tanh) {
    v128 y = tanh4(z);
    return sub4(one(), mul4(y, y));
}
F(softplus) { return add4(at_least(z, 0), log1p4(exp4(neg4(abs4(z))))); }
D(softplus) { return sigmoid4(z); }
F(softsign) { return div4(z, add4(one(), abs4(z))); }
D(softsign) {
    v128 u = add4(one(), abs4(z));
    return div4(one(), mul4(u, u));
}

F(silu) { return mul4(z, sigmoid4(z)); }
D(silu) {
    v128 s = sigmoid4(z);
    return mul4(s, add4(one(), mul4(z, sub4(one(), s))));
}

/* The normal distribution's Φ(z), from the tail of |z|, which keeps its precision for very negative z. */
static inline v128 normal_cdf(v128 z) {
    v128 tail = mul4(splat(0.5f), erfc4(mul4(abs4(z), splat(0.70710678f))));
    return select4(positive(z), sub4(one(), tail), tail);
}
F(gelu) { return mul4(z, normal_cdf(z)); }
D(gelu) {
    v128 density = mul4(splat(0.39894228f), exp4(mul4(mul4(z, z), splat(-0.5f))));
    return add4(normal_cdf(z), mul4(z, density));
}

/* (1 + tanh u) / 2 = σ(2u) with u = √(2/π) (z + 0.044715 z³): no cancellation on the left */
static inline v128 gelu_gate(v128 z) {
    v128 cube = mul4(mul4(mul4(z, z), z), splat(0.044715f));
    return sigmoid4(mul4(splat(2 * 0.79788456f), add4(z, cube)));
}
F(gelu_tanh) { return mul4(z, gelu_gate(at_most(at_least(z, -30), 30))); }
D(gelu_tanh) {
    z = at_most(at_least(z, -30), 30); /* beyond, the derivative is 0 or 1, and z³ would overflow */
    v128 s = gelu_gate(z);
    v128 slope = mul4(splat(2 * 0.79788456f), add4(one(), mul4(splat(3 * 0.044715f), mul4(z, z))));
    return add4(s, mul4(mul4(z, slope), mul4(s, sub4(one(), s))));
}

static inline v128 elu_tail(v128 z) { return expm1_4(at_most(z, 0)); }
F(elu) { return add4(at_least(z, 0), elu_tail(z)); }
D(elu) { return add4(one(), elu_tail(z)); }
#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f
F(selu) { return mul4(splat(SELU_SCALE), add4(at_least(z, 0), mul4(splat(SELU_ALPHA), elu_tail(z)))); }
D(selu) {
    v128 left = mul4(splat(SELU_ALPHA), add4(one(), elu_tail(z)));
    return mul4(splat(SELU_SCALE), select4(wasm_f32x4_ge(z, zero4()), one(), left));
}

/* tanh(ln(1 + e)) = (e² + 2e) / (e² + 2e + 2) with e = e^z; 1 to the last bit beyond z = 15 */
static inline v128 tanh_softplus(v128 z) {
    v128 e = exp4(at_most(z, 15));
    v128 u = mul4(e, add4(e, splat(2)));
    return div4(u, add4(u, splat(2)));
}
F(mish) { return mul4(z, tanh_softplus(z)); }
D(mish) {
    v128 y = tanh_softplus(z);
    return add4(y, mul4(mul4(z, sub4(one(), mul4(y, y))), sigmoid4(z)));
}

static inline v128 hard(v128 z) { return at_most(at_least(add4(div4(z, splat(6)), splat(0.5f)), 0), 1); }
F(hard_sigmoid) { return hard(z); }
D(hard_sigmoid) { return where(between(z, -3, 3), 1.0f / 6, 0); }
F(hard_swish) { return mul4(z, hard(z)); }
D(hard_swish) {
    v128 middle = wasm_v128_and(between(z, -3, 3), add4(div4(z, splat(3)), splat(0.5f)));
    return select4(wasm_f32x4_ge(z, splat(3)), one(), middle);
}
F(hard_tanh) { return at_most(at_least(z, -1), 1); }
D(hard_tanh) { return where(between(z, -1, 1), 1, 0); }

/* EACH_ACTIVATION (enumerations.h) lists what kernels/activation.py declares: f_name and d_name must precede it. */
#define NUMBER(name) ACTIVATION_##name,
enum { EACH_ACTIVATION(NUMBER) };

/* y, z, n, activation: f(z) */
KERNEL(activate) {
    f32 *y = floats(w[0]);
    const f32 *z = floats(w[1]);
    for (Range r = pieces(w[2].u, GRAIN); take(t, &r);) switch (w[3].u) {
#define CASE(name)                                                                                          \
    case ACTIVATION_##name:                                                                                 \
        for (u32 i = r.start; i < r.end; i += 4) store_some(y, i, r.end, f_##name(load_some(z, i, r.end))); \
        break;
            EACH_ACTIVATION(CASE)
#undef CASE
        }
}

/* gz, z, gy, n, activation: gy · f′(z) */
KERNEL(activate_grad) {
    f32 *gz = floats(w[0]);
    const f32 *z = floats(w[1]), *gy = floats(w[2]);
    for (Range r = pieces(w[3].u, GRAIN); take(t, &r);) switch (w[4].u) {
#define CASE(name)                                                                                     \
    case ACTIVATION_##name:                                                                            \
        for (u32 i = r.start; i < r.end; i += 4)                                                       \
            store_some(gz, i, r.end, mul4(load_some(gy, i, r.end), d_##name(load_some(z, i, r.end)))); \
        break;
            EACH_ACTIVATION(CASE)
#undef CASE
        }
}

/* y, gate, up, n: y = gate · sigmoid(gate) · up */
KERNEL(silu_mul) {
    f32 *y = floats(w[0]);
    const f32 *gate = floats(w[1]), *up = floats(w[2]);
    for (Range r = pieces(w[3].u, 4096); take(t, &r);) {
        u32 i = r.start;
        for (; i + 4 <= r.end; i += 4) store4(y + i, wasm_f32x4_mul(silu4(load4(gate + i)), load4(up + i)));
        for (; i < r.end; i++) y[i] = wasm_f32x4_extract_lane(silu4(wasm_f32x4_splat(gate[i])), 0) * up[i];
    }
}

/* ggate, gup, gate, up, g, n: the gradients of gate · σ(gate) · up */
KERNEL(silu_mul_grad) {
    const f32 *gate = floats(w[2]), *up = floats(w[3]), *g = floats(w[4]);
    for (Range r = pieces(w[5].u, GRAIN); take(t, &r);)
        for (u32 i = r.start; i < r.end; i += 4) {
            v128 z = load_some(gate, i, r.end), gy = load_some(g, i, r.end);
            store_some(floats(w[0]), i, r.end, mul4(mul4(gy, load_some(up, i, r.end)), d_silu(z)));
            store_some(floats(w[1]), i, r.end, mul4(gy, f_silu(z)));
        }
}
