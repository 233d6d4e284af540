/* Blocks as in files → groups of eight rows (linear.h), bit for bit. */
#include "linear.h"

/* Rows first … first+count of a matrix, `raw` bytes as in the file, become groups of `to`; `first` is a multiple of 8,
 * and so is `count` unless these are the last rows. Rows up to the next multiple of 8 are set to zero. */
__attribute__((export_name("repack"))) void repack(u8 *to, const u8 *raw, u32 storage, u32 first, u32 count, u32 k) {
    u32 blocks = k / BLOCK, size = block_bytes(storage), head = storage == Q4_1 ? 4 : 2;
    u32 file_block = storage == Q8_0 ? 34 : head + 16;
    for (u32 row = 0; row < (count + 7) / 8 * 8; row++) {
        u8 *group = to + (size_t)((first + row) / 8) * blocks * size;
        u32 r = row & 7, half = r / 4, lane = r & 3;
        for (u32 b = 0; b < blocks; b++) {
            u8 *out = group + (size_t)b * size;
            const u8 *in = raw + ((size_t)row * blocks + b) * file_block;
            u8 zero[34] = {0};
            if (row >= count) in = zero;
            memcpy(out + 2 * r, in, 2);
            if (storage == Q4_1) memcpy(out + 16 + 2 * r, in + 2, 2);
            u8 *q = out + (storage == Q4_1 ? 32 : 16) + 16 * half + 4 * lane;
            in += head;
            if (storage == Q8_0) {
                for (u32 i = 0; i < 8; i++) memcpy(q + 32 * i, in + 4 * i, 4);
            } else {
                for (u32 i = 0; i < 4; i++) /* elements 8i … 8i+3 low, 8i+4 … 8i+7 high */
                    for (u32 c = 0; c < 4; c++) {
                        u32 low = 8 * i + c, high = low + 4;
                        u8 l = low < 16 ? in[low] & 15 : in[low - 16] >> 4;
                        u8 h = high < 16 ? in[high] & 15 : in[high - 16] >> 4;
                        q[32 * i + c] = l | (u8)(h << 4);
                    }
            }
        }
    }
}

/* Copy bytes. */
__attribute__((export_name("move"))) void move(u8 *to, const u8 *from, u32 size) { memmove(to, from, size); }
