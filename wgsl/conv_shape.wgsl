// The sizes of a convolution: x (batch, channels, height, width), kernel (filters, channels, tall, broad), y (batch, filters,
// high, wide). A tap is an element of one filter, a place an element of one plane of y.

struct P {
    batch: u32, channels: u32, height: u32, width: u32, filters: u32, tall: u32, broad: u32, stride_y: u32, stride_x: u32,
    padding_y: u32, padding_x: u32, high: u32, wide: u32, run: u32, splits: u32
}
@group(0) @binding(0) var<uniform> p: P;
//: include tile_gather

fn taps() -> u32 { return p.channels * p.tall * p.broad; }
fn places() -> u32 { return p.high * p.wide; }

// Where a place reads its tap (0, 0): y and x, negative in the padding
fn corner(place: u32) -> vec2<i32> {
    let at = vec2<u32>(place / p.wide * p.stride_y, place % p.wide * p.stride_x);
    return vec2<i32>(at) - vec2<i32>(i32(p.padding_y), i32(p.padding_x));
}
