/* Elementary functions on four floats, each good to a few units in the last place (relative error below 3e-7). NaN in
 * gives NaN out. Polynomials are minimax fits over the reduced range, evaluated by Horner's rule.
 */
#pragma once
#include "loom.h"

static inline v128 splat(f32 x) { return wasm_f32x4_splat(x); }
static inline v128 add4(v128 a, v128 b) { return wasm_f32x4_add(a, b); }
static inline v128 sub4(v128 a, v128 b) { return wasm_f32x4_sub(a, b); }
static inline v128 mul4(v128 a, v128 b) { return wasm_f32x4_mul(a, b); }
static inline v128 div4(v128 a, v128 b) { return wasm_f32x4_div(a, b); }
static inline v128 abs4(v128 a) { return wasm_f32x4_abs(a); }
static inline v128 neg4(v128 a) { return wasm_f32x4_neg(a); }
static inline v128 zero4(void) { return wasm_i64x2_const_splat(0); }
/* One native instruction each; a NaN in `a` stays. */
static inline v128 at_least(v128 a, f32 low) { return wasm_f32x4_pmax(a, splat(low)); }
static inline v128 at_most(v128 a, f32 high) { return wasm_f32x4_pmin(a, splat(high)); }
/* mask ? a : b */
static inline v128 select4(v128 mask, v128 a, v128 b) { return wasm_v128_bitselect(a, b, mask); }
static inline v128 sign_of(v128 magnitude, v128 sign) {
    return wasm_v128_bitselect(sign, magnitude, INTS((i32)0x80000000u));
}

/* e^r − 1 for |r| ≤ ln 2 / 2: r + r² q(r) */
static inline v128 exp_reduced(v128 r) {
    v128 q = FLOATS(0.0013951717410236597f);
    q = fma4(q, r, FLOATS(0.008369598537683487f));
    q = fma4(q, r, FLOATS(0.0416661873459816f));
    q = fma4(q, r, FLOATS(0.16666512191295624f));
    q = fma4(q, r, FLOATS(0.5f));
    return fma4(mul4(r, r), q, r);
}

/* x = n ln 2 + r; n comes as a float and, in the low bits of the shifted sum, as an integer. */
typedef struct {
    v128 r, n, bits;
} Reduced;
static inline Reduced reduce(v128 x) {
    const v128 shift = FLOATS(12582912.0f); /* 1.5 · 2²³: adding it rounds to an integer */
    v128 sum = add4(mul4(x, FLOATS(1.4426950408889634f)), shift);
    v128 n = sub4(sum, shift);
    v128 r = fma4(n, FLOATS(-0.693145751953125f), x); /* ln 2 in two parts */
    r = fma4(n, FLOATS(-1.42860677e-6f), r);
    return (Reduced){r, n, wasm_i32x4_sub(sum, shift)};
}
/* 2ⁿ for −126 ≤ n ≤ 127 */
static inline v128 power_of_two(v128 n) { return wasm_i32x4_shl(wasm_i32x4_add(n, INTS(127)), 23); }

/* eˣ; down to 0 and up to infinity through the subnormal numbers */
static inline v128 exp4(v128 x) {
    Reduced d = reduce(wasm_f32x4_pmin(wasm_f32x4_pmax(x, FLOATS(-104.0f)), FLOATS(89.0f)));
    v128 half = wasm_i32x4_shr(d.bits, 1);
    v128 y = add4(exp_reduced(d.r), FLOATS(1));
    return mul4(mul4(y, power_of_two(half)), power_of_two(wasm_i32x4_sub(d.bits, half)));
}
/* eˣ − 1 for x ≤ 40, small x included */
static inline v128 expm1_4(v128 x) {
    Reduced d = reduce(wasm_f32x4_pmax(x, FLOATS(-30.0f)));
    v128 scale = power_of_two(d.bits);
    return fma4(scale, exp_reduced(d.r), sub4(scale, FLOATS(1)));
}

/* eˣ for x ≤ 0, with 0 for what would be subnormal: such numbers are slow, and negligible beside the largest, which is 1. */
static inline v128 weight4(v128 x) {
    Reduced d = reduce(wasm_f32x4_pmax(x, FLOATS(-87)));
    v128 y = mul4(add4(exp_reduced(d.r), FLOATS(1)), power_of_two(d.bits));
    return wasm_v128_andnot(y, wasm_f32x4_lt(x, FLOATS(-87)));
}
/* x / (1 + e^−x) */
static inline v128 silu4(v128 x) { return wasm_f32x4_div(x, wasm_f32x4_add(FLOATS(1), exp4(wasm_f32x4_neg(x)))); }

/* tanh x = t / (t + 2) with t = e^(2|x|) − 1 */
static inline v128 tanh4(v128 x) {
    v128 t = expm1_4(wasm_f32x4_pmin(mul4(abs4(x), FLOATS(2)), FLOATS(24)));
    return sign_of(div4(t, add4(t, FLOATS(2))), x);
}
static inline v128 sigmoid4(v128 x) { return div4(FLOATS(1), add4(FLOATS(1), exp4(neg4(x)))); }

/* ln(1 + f) for √½ − 1 ≤ f ≤ √2 − 1: f − f²/2 + f³ p(f) */
static inline v128 log_reduced(v128 f) {
    v128 p = FLOATS(-0.07872853428125381f);
    p = fma4(p, f, FLOATS(0.1290014237165451f));
    p = fma4(p, f, FLOATS(-0.13132230937480927f));
    p = fma4(p, f, FLOATS(0.1417882889509201f));
    p = fma4(p, f, FLOATS(-0.16623997688293457f));
    p = fma4(p, f, FLOATS(0.20002374053001404f));
    p = fma4(p, f, FLOATS(-0.2500082552433014f));
    p = fma4(p, f, FLOATS(0.33333316445350647f));
    v128 square = mul4(f, f);
    return add4(f, fma4(mul4(square, f), p, mul4(square, FLOATS(-0.5f))));
}
/* ln x for positive normal numbers */
static inline v128 log4(v128 x) {
    /* x = m 2ᵉ with √½ ≤ m < √2 */
    v128 moved = wasm_i32x4_sub(x, INTS(0x3f3504f3));
    v128 e = wasm_i32x4_shr(moved, 23);
    v128 m = wasm_i32x4_sub(x, wasm_i32x4_shl(e, 23));
    v128 n = wasm_f32x4_convert_i32x4(e);
    v128 y = fma4(n, FLOATS(1.42860677e-6f), log_reduced(sub4(m, FLOATS(1))));
    return fma4(n, FLOATS(0.693145751953125f), y);
}
/* ln(1 + x) for 0 ≤ x ≤ 1: the rounding of 1 + x is corrected afterwards */
static inline v128 log1p4(v128 x) {
    v128 u = add4(x, FLOATS(1));
    v128 lost = sub4(x, sub4(u, FLOATS(1)));
    return add4(log4(u), div4(lost, u));
}

/* erfc a for a ≥ 0: e^(−a²) t Q(t), t = 1 / (1 + 0.35 a) */
static inline v128 erfc4(v128 a) {
    v128 t = div4(FLOATS(1), fma4(a, FLOATS(0.35f), FLOATS(1)));
    v128 q = FLOATS(0.03840135410428047f);
    q = fma4(q, t, FLOATS(-0.15892991423606873f));
    q = fma4(q, t, FLOATS(0.1814650446176529f));
    q = fma4(q, t, FLOATS(-0.02771073393523693f));
    q = fma4(q, t, FLOATS(0.08702297508716583f));
    q = fma4(q, t, FLOATS(0.1460399180650711f));
    q = fma4(q, t, FLOATS(0.1511869728565216f));
    q = fma4(q, t, FLOATS(0.18790224194526672f));
    q = fma4(q, t, FLOATS(0.19713836908340454f));
    q = fma4(q, t, FLOATS(0.19748377799987793f));
    return mul4(mul4(exp4(neg4(mul4(a, a))), t), q);
}

/* The first n < 4 floats at p, the rest `other`. */
static inline v128 load_part(const f32 *p, u32 n, f32 other) {
    v128 v = splat(other);
    if (n > 0) v = wasm_f32x4_replace_lane(v, 0, p[0]);
    if (n > 1) v = wasm_f32x4_replace_lane(v, 1, p[1]);
    if (n > 2) v = wasm_f32x4_replace_lane(v, 2, p[2]);
    return v;
}
static inline void store_part(f32 *p, u32 n, v128 v) {
    if (n > 0) p[0] = wasm_f32x4_extract_lane(v, 0);
    if (n > 1) p[1] = wasm_f32x4_extract_lane(v, 1);
    if (n > 2) p[2] = wasm_f32x4_extract_lane(v, 2);
}
/* Floats i … of n, four or the rest: the tail of a loop in the same arithmetic as its body. */
static inline v128 load_some(const f32 *p, u32 i, u32 n) {
    return i + 4 <= n ? load4(p + i) : load_part(p + i, n - i, 0);
}
static inline void store_some(f32 *p, u32 i, u32 n, v128 v) {
    if (i + 4 <= n) store4(p + i, v);
    else store_part(p + i, n - i, v);
}

/* The first n lanes, 0 in the rest. */
static inline v128 first_lanes(v128 v, u32 n) {
    return n >= 4 ? v : wasm_v128_and(v, wasm_i32x4_gt(wasm_i32x4_splat((i32)n), wasm_i32x4_make(0, 1, 2, 3)));
}

/* Sums in double precision. */
typedef struct {
    v128 low, high;
} Wide;
static inline Wide widen(v128 v) {
    return (Wide){wasm_f64x2_promote_low_f32x4(v), wasm_f64x2_promote_low_f32x4(wasm_i32x4_shuffle(v, v, 2, 3, 0, 1))};
}
static inline f64 sum_wide(Wide w) {
    v128 s = wasm_f64x2_add(w.low, w.high);
    return wasm_f64x2_extract_lane(s, 0) + wasm_f64x2_extract_lane(s, 1);
}
static inline Wide add_wide(Wide s, v128 v) {
    Wide w = widen(v);
    return (Wide){wasm_f64x2_add(s.low, w.low), wasm_f64x2_add(s.high, w.high)};
}
static inline Wide add_product(Wide s, v128 a, v128 b) {
    Wide x = widen(a), y = widen(b);
    return (Wide){wasm_f64x2_add(s.low, wasm_f64x2_mul(x.low, y.low)),
                  wasm_f64x2_add(s.high, wasm_f64x2_mul(x.high, y.high))};
}

/* y += factor x */
static inline void add_scaled(f32 *y, const f32 *x, f32 factor, u32 n) {
    v128 by = splat(factor);
    for (u32 i = 0; i < n; i += 4) store_some(y, i, n, fma4(load_some(x, i, n), by, load_some(y, i, n)));
}
static inline f32 inner_product(const f32 *a, const f32 *b, u32 n) {
    v128 s = zero4();
    for (u32 i = 0; i < n; i += 4) s = fma4(load_some(a, i, n), load_some(b, i, n), s);
    return sum4(s);
}
