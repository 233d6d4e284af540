/* The next token from logits: repetition penalty, temperature, top-k, top-p, min-p, one draw. float64 throughout.
 *
 * Only as many tokens are sorted as the draw needs: those within a few nats of the best first, then those below.
 */
#include "loom.h"
#include "noise.h"

typedef struct {
    f32 score;
    u32 id;
} Candidate;

/* Better: higher score, then lower id. */
static inline int before(Candidate a, Candidate b) { return a.score > b.score || (a.score == b.score && a.id < b.id); }

static void sift(Candidate *c, u32 at, u32 n) {
    Candidate moving = c[at];
    for (u32 child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(c[child], c[child + 1])) child++;
        if (!before(moving, c[child])) break;
        c[at] = c[child];
    }
    c[at] = moving;
}
/* Heapsort, best first: no memory, no quadratic worst case. */
static void sort(Candidate *c, u32 n) {
    for (u32 i = n / 2; i-- > 0;) sift(c, i, n);
    for (u32 i = n; i-- > 1;) {
        Candidate last = c[i];
        c[i] = c[0];
        c[0] = last;
        sift(c, 0, i);
    }
}

/* e^x for x ≤ 0 to the last bits of float64: 2^n · series of e^r, |r| ≤ ln2/2. */
static inline v128 exp2f64(v128 x) {
    v128 tiny = wasm_f64x2_lt(x, wasm_f64x2_splat(-708));
    v128 n = wasm_f64x2_nearest(wasm_f64x2_mul(x, wasm_f64x2_splat(1.4426950408889634)));
    v128 r = wasm_f64x2_sub(x, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.62e42fee00000p-1)));
    r = wasm_f64x2_sub(r, wasm_f64x2_mul(n, wasm_f64x2_splat(0x1.a39ef35793c76p-33)));
    static const f64 inverse[] = {1.0 / 87178291200,
                                  1.0 / 6227020800,
                                  1.0 / 479001600,
                                  1.0 / 39916800,
                                  1.0 / 3628800,
                                  1.0 / 362880,
                                  1.0 / 40320,
                                  1.0 / 5040,
                                  1.0 / 720,
                                  1.0 / 120,
                                  1.0 / 24,
                                  1.0 / 6,
                                  0.5,
                                  1,
                                  1};
    v128 p = wasm_f64x2_splat(inverse[0]);
    for (u32 i = 1; i < sizeof inverse / sizeof *inverse; i++)
        p = wasm_f64x2_add(wasm_f64x2_mul(p, r), wasm_f64x2_splat(inverse[i]));
    v128 power = wasm_i64x2_shl(
        wasm_i64x2_add(wasm_i64x2_extend_low_i32x4(wasm_i32x4_trunc_sat_f64x2_zero(n)), wasm_i64x2_splat(1023)), 52);
    return wasm_v128_andnot(wasm_f64x2_mul(p, power), tiny);
}
static f64 exp_of(f64 x) { return wasm_f64x2_extract_lane(exp2f64(wasm_f64x2_splat(x)), 0); }

/* The draw of a step: a number in (0, 1). */
static f64 uniform(u32 seed, u32 step) { return (f64)(((f32)(philox(seed, step, 0) >> 9) + 0.5f) * 0x1p-23f); }

static u32 best(const f32 *scores, u32 n) {
    u32 at = 0, i = 0;
    f32 most = scores[0];
    for (; i + 16 <= n; i += 16) { /* groups without a better token are skipped */
        v128 m = wasm_f32x4_pmax(wasm_f32x4_pmax(load4(scores + i), load4(scores + i + 4)),
                                 wasm_f32x4_pmax(load4(scores + i + 8), load4(scores + i + 12)));
        if (!wasm_v128_any_true(wasm_f32x4_gt(m, wasm_f32x4_splat(most)))) continue;
        for (u32 j = i; j < i + 16; j++)
            if (scores[j] > most) most = scores[j], at = j;
    }
    for (; i < n; i++)
        if (scores[i] > most) most = scores[i], at = i;
    return at;
}

#define NATS 4.0 /* tokens whose scores are this close are sorted together */

/* token (1) int32, logits (V), seen (V) bytes, V, temperature, top_k, top_p, min_p, penalty, seed, step (slots),
 * scores (V), candidates (V), running sums (V) float64: scratch memory */
KERNEL(sample) {
    if (t->index) return;
    const f32 *scores = floats(w[1]);
    u32 n = w[3].u, found = 0, from = 0;
    f64 temperature = number(w[4]), top_p = number(w[6]), min_p = number(w[7]);
    u32 top_k = (u32)number(w[5]);
    f32 penalty = (f32)number(w[8]);
    if (penalty != 1) {
        f32 *changed = floats(w[11]);
        const u8 *seen = bytes(w[2]);
        for (u32 i = 0; i < n; i++)
            changed[i] = !seen[i] ? scores[i] : scores[i] > 0 ? scores[i] / penalty : scores[i] * penalty;
        scores = changed;
    }
    u32 top = best(scores, n);
    if (temperature == 0) {
        ints(w[0])[0] = (i32)top;
        return;
    }
    Candidate *c = (Candidate *)bytes(w[12]);
    f64 *sums = (f64 *)bytes(w[13]), max = scores[top], all = 0, running = 0;
    if (!top_k || top_k > n) top_k = n;
    if (top_k == n) {
        v128 sum = wasm_f64x2_splat(0), by = wasm_f64x2_splat(temperature), most = wasm_f64x2_splat(max);
        u32 i = 0;
        for (; i + 2 <= n; i += 2) {
            v128 s = wasm_f64x2_promote_low_f32x4(wasm_v128_load64_zero(scores + i));
            sum = wasm_f64x2_add(sum, exp2f64(wasm_f64x2_div(wasm_f64x2_sub(s, most), by)));
        }
        all = wasm_f64x2_extract_lane(sum, 0) + wasm_f64x2_extract_lane(sum, 1);
        for (; i < n; i++) all += exp_of((scores[i] - max) / temperature);
    }
    if (top_p < 1e-9) top_p = 1e-9;
    f64 draw = uniform((u32)(u64)number(w[9]), (u32)(u64)number(w[10]));
    /* Without a cut-off the total is known beforehand, and the draw may end the search. */
    f64 target = top_k == n && top_p >= 1 && min_p == 0 ? draw * all : __builtin_inf();
    f32 above = __builtin_inff();
    for (f64 below = NATS; from < top_k && running <= target; below += NATS) {
        f32 limit = (f32)(max - below * temperature);
        if (below > 1000 * NATS || !(limit < above)) limit = -__builtin_inff();
        for (u32 i = 0; i < n; i++)
            if (scores[i] >= limit && scores[i] < above) c[found++] = (Candidate){scores[i], i};
        if (above == __builtin_inff() && !found) { /* not a number anywhere near: as the greedy choice */
            ints(w[0])[0] = (i32)top;
            return;
        }
        sort(c + from, found - from);
        for (; from < found && from < top_k; from++) {
            f64 e = exp_of((c[from].score - max) / temperature);
            if (top_k == n && (running >= top_p * all || e < min_p)) goto chosen;
            running += e;
            sums[from] = running;
            if (running > target) {
                from++;
                goto chosen;
            }
        }
        if (limit == -__builtin_inff()) break;
        above = limit;
    }
    if (top_k < n) { /* probabilities are relative to the k best */
        all = running;
        u32 keep = 0;
        for (; keep < from; keep++) {
            f64 e = exp_of((c[keep].score - max) / temperature);
            if (keep && (sums[keep - 1] >= top_p * all || e < min_p)) break;
        }
        from = keep;
    }
chosen:
    if (target == __builtin_inf()) target = draw * sums[from - 1];
    u32 i = 0;
    while (i + 1 < from && sums[i] <= target) i++;
    ints(w[0])[0] = (i32)c[i].id;
}

/* seen (V) bytes, ids (T), T, V: flags of ids that have occurred. */
KERNEL(mark) {
    if (t->index) return;
    for (u32 i = 0; i < w[2].u; i++) {
        u32 id = (u32)ints(w[1])[i];
        if (id < w[3].u) bytes(w[0])[id] = 1;
    }
}
