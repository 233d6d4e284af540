/* y += alpha * A^T x, the OpenBLAS kernel of that name, with 128-bit vectors.
 *
 * A is m x n by columns, lda apart: each result is the dot product of a column with x. Four columns go together, so that
 * x is loaded once for four and the additions do not wait for each other. Built for float, and with DOUBLE for double.
 */
#include "common.h"

typedef FLOAT vector __attribute__((vector_size(16)));
typedef FLOAT unaligned __attribute__((vector_size(16), aligned(sizeof(FLOAT))));
#define LANES ((BLASLONG)(16 / sizeof(FLOAT)))
#define LOAD(p) ((vector)*(const unaligned *)(p))

static FLOAT sum(vector v) {
    FLOAT total = 0;
    for (BLASLONG lane = 0; lane < LANES; lane++) total += v[lane];
    return total;
}

int CNAME(BLASLONG m, BLASLONG n, BLASLONG unused, FLOAT alpha, FLOAT *a, BLASLONG lda, FLOAT *x, BLASLONG inc_x,
          FLOAT *y, BLASLONG inc_y, FLOAT *buffer) {
    if (inc_x != 1) { /* the buffer has room for m and n numbers */
        for (BLASLONG i = 0; i < m; i++) buffer[i] = x[i * inc_x];
        x = buffer;
    }
    BLASLONG whole = m - m % (2 * LANES);
    BLASLONG j = 0;
    for (; j + 4 <= n; j += 4) {
        const FLOAT *c0 = a + j * lda, *c1 = c0 + lda, *c2 = c1 + lda, *c3 = c2 + lda;
        vector s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, t0 = {0}, t1 = {0}, t2 = {0}, t3 = {0};
        for (BLASLONG i = 0; i < whole; i += 2 * LANES) {
            vector v = LOAD(x + i), w = LOAD(x + i + LANES);
            s0 += v * LOAD(c0 + i), t0 += w * LOAD(c0 + i + LANES);
            s1 += v * LOAD(c1 + i), t1 += w * LOAD(c1 + i + LANES);
            s2 += v * LOAD(c2 + i), t2 += w * LOAD(c2 + i + LANES);
            s3 += v * LOAD(c3 + i), t3 += w * LOAD(c3 + i + LANES);
        }
        FLOAT r0 = sum(s0 + t0), r1 = sum(s1 + t1), r2 = sum(s2 + t2), r3 = sum(s3 + t3);
        for (BLASLONG i = whole; i < m; i++) {
            r0 += x[i] * c0[i], r1 += x[i] * c1[i], r2 += x[i] * c2[i], r3 += x[i] * c3[i];
        }
        y[j * inc_y] += alpha * r0;
        y[(j + 1) * inc_y] += alpha * r1;
        y[(j + 2) * inc_y] += alpha * r2;
        y[(j + 3) * inc_y] += alpha * r3;
    }
    for (; j < n; j++) {
        const FLOAT *c = a + j * lda;
        vector s = {0}, t = {0};
        for (BLASLONG i = 0; i < whole; i += 2 * LANES) {
            s += LOAD(x + i) * LOAD(c + i);
            t += LOAD(x + i + LANES) * LOAD(c + i + LANES);
        }
        FLOAT r = sum(s + t);
        for (BLASLONG i = whole; i < m; i++) r += x[i] * c[i];
        y[j * inc_y] += alpha * r;
    }
    return 0;
}
