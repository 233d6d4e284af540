/* Causal depthwise convolution over a sequence that comes in parts. */
#include "loom.h"

/* y, x (T, C), weight (C, K), state (K − 1, C), bias (C, or 0), T, C, K: y[t] = Σ_j weight[j] · row[t + j], where the
 * rows are those of the state, then those of x. The state becomes the last K − 1 of them. */
KERNEL(short_conv) {
    const f32 *x = floats(w[1]), *weight = floats(w[2]), *bias = w[4].u ? floats(w[4]) : 0;
    f32 *y = floats(w[0]), *state = floats(w[3]);
    u32 steps = w[5].u, channels = w[6].u, taps = w[7].u, kept = taps - 1;
    for (Range r = pieces(channels, 1 + 32768 / (steps * taps)); take(t, &r);) {
        for (u32 step = 0; step < steps; step++)
            for (u32 c = r.start; c < r.end; c++) {
                f32 sum = bias ? bias[c] : 0;
                for (u32 j = 0; j < taps; j++) {
                    u32 row = step + j;
                    const f32 *from = row < kept ? state + (size_t)row * channels : x + (size_t)(row - kept) * channels;
                    sum += weight[c * taps + j] * from[c];
                }
                y[(size_t)step * channels + c] = sum;
            }
        for (u32 i = 0; i < kept; i++) {
            u32 row = steps + i;
            const f32 *from = row < kept ? state + (size_t)row * channels : x + (size_t)(row - kept) * channels;
            for (u32 c = r.start; c < r.end; c++) state[(size_t)i * channels + c] = from[c];
        }
    }
}
