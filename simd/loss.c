/* Losses and their gradients: means over all values, formulas as in `kernels/loss.py`. */
#include "enumerations.h"
#include "vecmath.h"

/* EACH_LOSS (enumerations.h) lists what kernels/loss.py declares; -Wswitch refuses a switch that omits one. */
#define NUMBER(name) LOSS_##name,
typedef enum { EACH_LOSS(NUMBER) } Loss;

#define EPSILON 1e-7f

static inline v128 clipped(v128 p) { return at_most(at_least(p, EPSILON), 1 - EPSILON); }

static inline v128 value(Loss name, v128 y, v128 t, f32 delta) {
    switch (name) {
    case LOSS_mse: {
        v128 d = sub4(y, t);
        return mul4(d, d);
    }
    case LOSS_mae: return abs4(sub4(y, t));
    case LOSS_huber: {
        v128 size = abs4(sub4(y, t)), near = at_most(size, delta);
        return mul4(near, sub4(size, mul4(splat(0.5f), near)));
    }
    case LOSS_cross_entropy: return neg4(mul4(at_least(t, 0), log4(clipped(y))));
    case LOSS_bce: {
        v128 p = clipped(y);
        return neg4(add4(mul4(t, log4(p)), mul4(sub4(splat(1), t), log1p4(neg4(p)))));
    }
    case LOSS_cross_entropy_logits: break; /* row by row, below */
    case LOSS_bce_logits: return add4(sub4(at_least(y, 0), mul4(y, t)), log1p4(exp4(neg4(abs4(y)))));
    }
    return zero4();
}

static inline v128 slope(Loss name, v128 y, v128 t, f32 delta) {
    v128 d = sub4(y, t);
    switch (name) {
    case LOSS_mse: return d; /* and twice its share, below: 2 d may overflow */
    case LOSS_mae: {
        v128 up = wasm_v128_and(wasm_f32x4_gt(d, zero4()), splat(1));
        return sub4(up, wasm_v128_and(wasm_f32x4_lt(d, zero4()), splat(1)));
    }
    case LOSS_huber: return at_most(at_least(d, -delta), delta);
    case LOSS_cross_entropy: return neg4(div4(at_least(t, 0), at_least(y, EPSILON)));
    case LOSS_bce: {
        v128 p = clipped(y);
        return div4(sub4(p, t), mul4(p, sub4(splat(1), p)));
    }
    case LOSS_cross_entropy_logits: break; /* row by row, below */
    case LOSS_bce_logits: return sub4(sigmoid4(y), t);
    }
    return zero4();
}

/* The largest of a row, and ln Σ e^(z − largest). */
static void log_sum(const f32 *z, u32 n, f32 *top, f32 *log) {
    v128 m = splat(z[0]), s = zero4();
    for (u32 i = 0; i < n; i += 4) m = wasm_f32x4_pmax(m, i + 4 <= n ? load4(z + i) : load_part(z + i, n - i, z[0]));
    *top = max4(m);
    for (u32 i = 0; i < n; i += 4) s = add4(s, first_lanes(exp4(sub4(load_some(z, i, n), splat(*top))), n - i));
    *log = wasm_f32x4_extract_lane(log4(splat(sum4(s))), 0);
}

static f64 logits_sum(const f32 *y, const f32 *target, u32 rows, u32 n) {
    Wide s = {zero4(), zero4()};
    for (u32 row = 0; row < rows; row++, y += n, target += n) {
        f32 top, log;
        log_sum(y, n, &top, &log);
        for (u32 i = 0; i < n; i += 4) {
            v128 logp = sub4(sub4(load_some(y, i, n), splat(top)), splat(log));
            s = add_wide(s, neg4(mul4(load_some(target, i, n), logp)));
        }
    }
    return sum_wide(s);
}

static f64 value_sum(Loss which, const f32 *y, const f32 *target, u32 n, f32 delta) {
    Wide s = {zero4(), zero4()};
    for (u32 i = 0; i < n; i += 4)
        s = add_wide(s, first_lanes(value(which, load_some(y, i, n), load_some(target, i, n), delta), n - i));
    return sum_wide(s);
}

/* loss, partial sums (double, one per piece), y, target, rows, width, which, delta (immediate), rows per piece, 1 / values
 * (slot). A single piece gives the loss itself. */
KERNEL(loss) {
    u32 rows = w[4].u, n = w[5].u, each = w[8].u;
    Loss which = (Loss)w[6].u;
    for (Range r = pieces(rows, each); take(t, &r);)
        for (u32 start = r.start; start < r.end; start += each) {
            u32 some = min_u32(each, r.end - start);
            const f32 *y = floats(w[2]) + (size_t)start * n, *target = floats(w[3]) + (size_t)start * n;
            f64 sum = which == LOSS_cross_entropy_logits ? logits_sum(y, target, some, n)
                                                         : value_sum(which, y, target, some * n, w[7].f);
            if (rows <= each) *floats(w[0]) = (f32)(sum * number(w[9]));
            else ((f64 *)(uintptr_t)w[1].u)[start / each] = sum;
        }
}

/* loss, partial sums, how many, 1 / values (slot) */
KERNEL(loss_total) {
    if (t->index) return;
    f64 s = 0;
    for (u32 i = 0; i < w[2].u; i++) s += ((const f64 *)(uintptr_t)w[1].u)[i];
    *floats(w[0]) = (f32)(s * number(w[3]));
}

/* gy, y, target, rows, width, which, delta (immediate), 1 / values (immediate) */
KERNEL(loss_grad) {
    u32 n = w[4].u;
    Loss which = (Loss)w[5].u;
    v128 share = splat(which == LOSS_mse ? 2 * w[7].f : w[7].f);
    for (Range r = pieces(w[3].u, 1 + 4096 / (n + 1)); take(t, &r);) {
        f32 *g = floats(w[0]) + (size_t)r.start * n;
        const f32 *y = floats(w[1]) + (size_t)r.start * n, *target = floats(w[2]) + (size_t)r.start * n;
        if (which == LOSS_cross_entropy_logits) {
            for (u32 row = r.start; row < r.end; row++, g += n, y += n, target += n) {
                f32 top, log;
                log_sum(y, n, &top, &log);
                v128 total = zero4();
                for (u32 i = 0; i < n; i += 4) total = add4(total, load_some(target, i, n));
                v128 mass = splat(sum4(total));
                for (u32 i = 0; i < n; i += 4) {
                    v128 p = exp4(sub4(sub4(load_some(y, i, n), splat(top)), splat(log)));
                    store_some(g, i, n, mul4(sub4(mul4(p, mass), load_some(target, i, n)), share));
                }
            }
        } else {
            u32 end = (r.end - r.start) * n;
            for (u32 i = 0; i < end; i += 4)
                store_some(g, i, end,
                           mul4(slope(which, load_some(y, i, end), load_some(target, i, end), w[6].f), share));
        }
    }
}

/* How many of some targets are ids. */
static u32 counted(const i32 *targets, u32 rows, u32 n) {
    u32 count = 0;
    for (u32 i = 0; i < rows; i++) count += (u32)targets[i] < n;
    return count;
}

/* partial sums (double, one per piece), logits, targets, rows, width, rows per piece, smoothing (immediate) */
KERNEL(token_loss) {
    u32 rows = w[3].u, n = w[4].u, each = w[5].u;
    const i32 *targets = ints(w[2]);
    for (Range r = pieces(rows, each); take(t, &r);)
        for (u32 start = r.start; start < r.end; start += each) {
            f64 sum = 0;
            for (u32 row = start; row < min_u32(start + each, r.end); row++) {
                const f32 *z = floats(w[1]) + (size_t)row * n;
                u32 id = (u32)targets[row];
                if (id >= n) continue;
                f32 top, log;
                log_sum(z, n, &top, &log);
                sum += (f64)log - (1 - (f64)w[6].f) * (f64)(z[id] - top);
                if (w[6].f == 0) continue;
                Wide all = {zero4(), zero4()};
                for (u32 i = 0; i < n; i += 4)
                    all = add_wide(all, first_lanes(sub4(load_some(z, i, n), splat(top)), n - i));
                sum -= (f64)w[6].f * sum_wide(all) / n;
            }
            ((f64 *)(uintptr_t)w[0].u)[start / each] = sum;
        }
}

/* loss, partial sums, targets, rows, width, rows per piece */
KERNEL(token_loss_total) {
    if (t->index) return;
    u32 rows = w[3].u, each = w[5].u, count = counted(ints(w[2]), rows, w[4].u);
    f64 s = 0;
    for (u32 i = 0; i * each < rows; i++) s += ((const f64 *)(uintptr_t)w[1].u)[i];
    *floats(w[0]) = count ? (f32)(s / count) : 0;
}

/* glogits, logits, targets, g (1), rows, width, rows per piece, smoothing (immediate) */
KERNEL(token_loss_grad) {
    u32 rows = w[4].u, n = w[5].u;
    const i32 *targets = ints(w[2]);
    f32 share = *floats(w[3]) / (f32)max_u32(1, counted(targets, rows, n));
    v128 even = splat(w[7].f / (f32)n);
    for (Range r = pieces(rows, w[6].u); take(t, &r);)
        for (u32 row = r.start; row < r.end; row++) {
            f32 *g = floats(w[0]) + (size_t)row * n;
            const f32 *z = floats(w[1]) + (size_t)row * n;
            u32 id = (u32)targets[row];
            if (id >= n) {
                memset(g, 0, (size_t)n * sizeof(f32));
                continue;
            }
            f32 top, log;
            log_sum(z, n, &top, &log);
            for (u32 i = 0; i < n; i += 4) {
                v128 p = exp4(sub4(sub4(load_some(z, i, n), splat(top)), splat(log)));
                store_some(g, i, n, mul4(sub4(p, even), splat(share)));
            }
            g[id] -= (1 - w[7].f) * share;
        }
}
