/* Convolution by matrix products: windows of the image are laid out as columns, and gradients of columns added back. */
#include "loom.h"

typedef struct {
    u32 batch, channels, height, width, kh, kw, sh, sw, ph, pw, oh, ow;
} Shape;

static Shape shape_at(const Word *w) {
    return (Shape){w[0].u, w[1].u, w[2].u, w[3].u, w[4].u, w[5].u, w[6].u, w[7].u, w[8].u, w[9].u, w[10].u, w[11].u};
}
/* Where tap (u, v) of window (i, j) reads, or −1 in the padding. */
static inline i32 pixel(const Shape *s, u32 u, u32 v, u32 i, u32 j) {
    u32 row = i * s->sh + u - s->ph, column = j * s->sw + v - s->pw; /* below 0 it wraps to a large number */
    return row < s->height && column < s->width ? (i32)(row * s->width + column) : -1;
}
#define GRAIN(s) (1 + 8192 / ((s).kh * (s).kw * (s).oh * (s).ow + 1))

/* columns (B, C·KH·KW, OH·OW), x (B, C, H, W), then B, C, H, W, KH, KW, strides, paddings, OH, OW */
KERNEL(unfold) {
    Shape s = shape_at(w + 2);
    for (Range r = pieces(s.batch * s.channels, GRAIN(s)); take(t, &r);)
        for (u32 plane = r.start; plane < r.end; plane++) {
            const f32 *x = floats(w[1]) + (size_t)plane * s.height * s.width;
            f32 *to = floats(w[0]) + (size_t)plane * s.kh * s.kw * s.oh * s.ow;
            for (u32 u = 0; u < s.kh; u++)
                for (u32 v = 0; v < s.kw; v++)
                    for (u32 i = 0; i < s.oh; i++)
                        for (u32 j = 0; j < s.ow; j++) {
                            i32 at = pixel(&s, u, v, i, j);
                            *to++ = at < 0 ? 0 : x[at];
                        }
        }
}

/* gx (B, C, H, W), gradients of the columns (B, C·KH·KW, OH·OW), then as above */
KERNEL(fold) {
    Shape s = shape_at(w + 2);
    for (Range r = pieces(s.batch * s.channels, GRAIN(s)); take(t, &r);)
        for (u32 plane = r.start; plane < r.end; plane++) {
            f32 *gx = floats(w[0]) + (size_t)plane * s.height * s.width;
            const f32 *from = floats(w[1]) + (size_t)plane * s.kh * s.kw * s.oh * s.ow;
            memset(gx, 0, s.height * s.width * sizeof(f32));
            for (u32 u = 0; u < s.kh; u++)
                for (u32 v = 0; v < s.kw; v++)
                    for (u32 i = 0; i < s.oh; i++)
                        for (u32 j = 0; j < s.ow; j++, from++) {
                            i32 at = pixel(&s, u, v, i, j);
                            if (at >= 0) gx[at] += *from;
                        }
        }
}
