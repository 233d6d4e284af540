/* Recurrent sequences and backpropagation through them. Samples are independent of each other, so threads share the
 * batch; the gradient of the weights is a matrix product over all steps afterwards, for which the step before each is
 * copied to `before` (B, T, H) where there is more than one.
 */
#include "vecmath.h"
#include "matmul_vector.h"

/* Fewest samples that are worth sharing with a thread. */
static u32 samples(u32 steps, u32 size) { return 1 + 16384 / (steps * size * size + 1); }

/* h, zx, w_hh, h0, batch, steps, size: h_t = tanh(zx_t + W h_{t−1}) */
KERNEL(rnn_sequence) {
    u32 steps = w[5].u, n = w[6].u;
    for (Range r = pieces(w[4].u, samples(steps, n)); take(t, &r);)
        for (u32 b = r.start; b < r.end; b++) {
            const f32 *before = floats(w[3]) + (size_t)b * n;
            for (u32 s = 0; s < steps; s++) {
                size_t at = ((size_t)b * steps + s) * n;
                f32 *h = floats(w[0]) + at;
                dot_rows(h, floats(w[1]) + at, before, floats(w[2]), n, n, n);
                for (u32 i = 0; i < n; i += 4) store_some(h, i, n, tanh4(load_some(h, i, n)));
                before = h;
            }
        }
}

static void keep_before(Word to, const f32 *h, const f32 *h0, u32 b, u32 steps, u32 n) {
    if (!to.u) return;
    f32 *before = floats(to) + (size_t)b * steps * n;
    memcpy(before, h0 + (size_t)b * n, n * sizeof(f32));
    memcpy(before + n, h + (size_t)b * steps * n, (steps - 1) * n * sizeof(f32));
}

/* gz, gh0, before (or 0), h, w_hh, h0, gh, batch, steps, size, whether gh0 is wanted: else it is scratch
 * gz_t = (gh_t + Wᵀ gz_{t+1}) (1 − h_t²) */
KERNEL(rnn_sequence_grad) {
    u32 steps = w[8].u, n = w[9].u;
    for (Range r = pieces(w[7].u, samples(steps, n)); take(t, &r);)
        for (u32 b = r.start; b < r.end; b++) {
            f32 *carried = floats(w[1]) + (size_t)b * n;
            for (u32 s = steps; s-- > 0;) {
                size_t at = ((size_t)b * steps + s) * n;
                f32 *gz = floats(w[0]) + at;
                const f32 *h = floats(w[3]) + at, *gh = floats(w[6]) + at;
                for (u32 i = 0; i < n; i += 4) {
                    v128 y = load_some(h, i, n), g = load_some(gh, i, n);
                    if (s + 1 < steps) g = add4(g, load_some(carried, i, n));
                    store_some(gz, i, n, mul4(g, sub4(splat(1), mul4(y, y))));
                }
                if (s || w[10].u) combine_rows(carried, 0, gz, 1, floats(w[4]), n, n, n);
            }
            keep_before(w[2], floats(w[3]), floats(w[5]), b, steps, n);
        }
}

/* h, c, gates, zx, w_hh, h0, c0, batch, steps, size: gates i, f, g, o of n values each */
KERNEL(lstm_sequence) {
    u32 steps = w[8].u, n = w[9].u;
    for (Range r = pieces(w[7].u, samples(steps, 2 * n)); take(t, &r);)
        for (u32 b = r.start; b < r.end; b++) {
            const f32 *h_before = floats(w[5]) + (size_t)b * n, *c_before = floats(w[6]) + (size_t)b * n;
            for (u32 s = 0; s < steps; s++) {
                size_t at = ((size_t)b * steps + s) * n;
                f32 *h = floats(w[0]) + at, *c = floats(w[1]) + at, *gate = floats(w[2]) + 4 * at;
                dot_rows(gate, floats(w[3]) + 4 * at, h_before, floats(w[4]), n, 4 * n, n);
                for (u32 i = 0; i < n; i += 4) {
                    v128 in = sigmoid4(load_some(gate, i, n)), forget = sigmoid4(load_some(gate + n, i, n));
                    v128 new = tanh4(load_some(gate + 2 * n, i, n)), out = sigmoid4(load_some(gate + 3 * n, i, n));
                    v128 cell = add4(mul4(forget, load_some(c_before, i, n)), mul4(in, new));
                    store_some(gate, i, n, in);
                    store_some(gate + n, i, n, forget);
                    store_some(gate + 2 * n, i, n, new);
                    store_some(gate + 3 * n, i, n, out);
                    store_some(c, i, n, cell);
                    store_some(h, i, n, mul4(out, tanh4(cell)));
                }
                h_before = h, c_before = c;
            }
        }
}

/* gz, gh0, gc0, before (or 0), h, c, gates, w_hh, h0, c0, gh, batch, steps, size, whether gh0 is wanted: else scratch;
 * gc0 is scratch too where it is not read */
KERNEL(lstm_sequence_grad) {
    u32 steps = w[12].u, n = w[13].u;
    for (Range r = pieces(w[11].u, samples(steps, 2 * n)); take(t, &r);)
        for (u32 b = r.start; b < r.end; b++) {
            f32 *gh_next = floats(w[1]) + (size_t)b * n, *gc_next = floats(w[2]) + (size_t)b * n;
            for (u32 s = steps; s-- > 0;) {
                size_t at = ((size_t)b * steps + s) * n;
                f32 *gz = floats(w[0]) + 4 * at;
                const f32 *c = floats(w[5]) + at, *gate = floats(w[6]) + 4 * at, *gh = floats(w[10]) + at;
                const f32 *c_before = s ? c - n : floats(w[9]) + (size_t)b * n;
                v128 one = splat(1);
                for (u32 i = 0; i < n; i += 4) {
                    v128 in = load_some(gate, i, n), forget = load_some(gate + n, i, n);
                    v128 new = load_some(gate + 2 * n, i, n), out = load_some(gate + 3 * n, i, n);
                    v128 y = tanh4(load_some(c, i, n)), grad_h = load_some(gh, i, n);
                    if (s + 1 < steps) grad_h = add4(grad_h, load_some(gh_next, i, n));
                    v128 grad_c = mul4(mul4(grad_h, out), sub4(one, mul4(y, y)));
                    if (s + 1 < steps) grad_c = add4(grad_c, load_some(gc_next, i, n));
                    store_some(gz, i, n, mul4(mul4(grad_c, new), mul4(in, sub4(one, in))));
                    store_some(gz + n, i, n,
                               mul4(mul4(grad_c, load_some(c_before, i, n)), mul4(forget, sub4(one, forget))));
                    store_some(gz + 2 * n, i, n, mul4(mul4(grad_c, in), sub4(one, mul4(new, new))));
                    store_some(gz + 3 * n, i, n, mul4(mul4(grad_h, y), mul4(out, sub4(one, out))));
                    store_some(gc_next, i, n, mul4(grad_c, forget));
                }
                if (s || w[14].u) combine_rows(gh_next, 0, gz, 1, floats(w[7]), n, n, 4 * n);
            }
            keep_before(w[3], floats(w[4]), floats(w[8]), b, steps, n);
        }
}
